"""Asks a model, again where that may help, then the next one; says who answered, and why the others did not."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from clearway.model.chat import ModelAnswer, ModelRequest
from clearway.model.errors import ClearwayError, ConfigError, ModelBusy, Unavailable
from clearway.ports import ModelClient
from clearway.rules.retry import pause_s
from clearway.runtime.carry import Carry, is_cancelled

#: Times that one model is asked in one turn.
MOST_TRIES = 3
#: A provider that wants to be asked again later than this is left for the next model.
LONGEST_PAUSE_S = 20.0
TIMED_OUT = "timeout"
#: Code of a `ModelFailed`: an answer came, and it made no sense.
MALFORMED = "model_malformed"


@dataclass(slots=True)
class Asked:
    """`tries`: those that gave no answer, `{"model", "code", "sent"}`. `asked`: the model that answered, as it is
    called here; `answer.model` is the provider's name of it."""

    answer: ModelAnswer | None = None
    asked: str = ""
    tries: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    is_busy: bool = False

    @property
    def code(self) -> str:
        """Why nobody answered: `deadline`, `token_budget`, `model_config`, `model_busy` (a retry of the run may help),
        `model_failed`."""
        last = str(self.tries[-1]["code"]) if self.tries else "model_failed"
        if last in ("deadline", "token_budget", "model_config"):
            return last
        return "model_busy" if self.is_busy else "model_failed"


@dataclass(frozen=True, slots=True)
class Asking:
    """`may_retry(model, timed_out)`: takes a retry from the model's retry budget. `reserve_again`: called before any
    further try after one that may have been billed; None where the budget does not cover it. `restart`: the text that
    was handed on is void."""

    models: ModelClient
    at: Carry
    may_retry: Callable[[str, bool], Awaitable[bool]]
    reserve_again: Callable[[], Awaitable[ModelRequest | None]]
    on_text: Callable[[str], None] | None = None
    restart: Callable[[], None] = lambda: None

    async def ask(self, request: ModelRequest, candidates: tuple[str, ...]) -> Asked:
        """Never raises but on the caller's cancellation."""
        asked = Asked()
        for model in candidates:
            for attempt in range(1, MOST_TRIES + 1):
                if asked.tries and asked.tries[-1]["sent"]:
                    again = await self.reserve_again()
                    if again is None:
                        asked.tries.append(_try(model, "token_budget"))
                        return asked
                    request = again
                failed = await self._once(replace(request, model=model), asked)
                if failed is None:
                    asked.asked = model
                    return asked
                asked.tries.append(_try(model, _code_of(failed), sent=_was_sent(failed)))
                asked.is_busy = isinstance(failed, Unavailable)
                self.restart()
                if not await self._goes_on(failed, model, attempt):
                    break
            if self.at.remaining_s() <= 0 or self.at.closing:
                break
        return asked

    async def _once(self, request: ModelRequest, asked: Asked) -> BaseException | None:
        """What went wrong, or None where `asked` has the answer."""
        try:
            await self.models.prepare(request.model)  # the library's time is not the model's
            limit = min(request.timeout_s, self.at.remaining_s())
            if limit <= 0:
                return ModelBusy("The run's time is over.", code="deadline")
            async with asyncio.timeout(limit):
                asked.answer = await self.models.ask(replace(request, timeout_s=limit), self.on_text)
        except TimeoutError:
            return ModelBusy("The model did not answer in time.", code=TIMED_OUT, sent=True)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and is_cancelled():
                raise
            return error
        return None

    async def _goes_on(self, failed: BaseException, model: str, attempt: int) -> bool:
        """Whether this model is asked again, once the pause is over."""
        if not isinstance(failed, Unavailable) or attempt == MOST_TRIES:
            return False
        wanted = failed.retry_after_s if isinstance(failed, ModelBusy) else None
        pause = pause_s(attempt, 0.5, 8.0) if wanted is None else wanted
        if pause > min(LONGEST_PAUSE_S, self.at.remaining_s()):
            return False
        if not await self.may_retry(model, _code_of(failed) == TIMED_OUT):
            return False
        await self.at.clock.sleep(pause)
        return True


def _try(model: str, code: str, *, sent: bool = False) -> dict[str, Any]:
    return {"model": model, "code": code, "sent": sent}


def _was_sent(failed: BaseException) -> bool:
    """Whether it may have been billed. An answer that made no sense was; what nobody foresaw may have been."""
    if isinstance(failed, ModelBusy):
        return failed.sent
    return not isinstance(failed, ClearwayError) or failed.code == MALFORMED


def _code_of(failed: BaseException) -> str:
    """Stable, and no text of a provider's: that may hold anything."""
    if isinstance(failed, ConfigError):
        return "model_config"
    return failed.code if isinstance(failed, ClearwayError) else type(failed).__name__
