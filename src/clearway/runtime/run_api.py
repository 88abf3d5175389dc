"""What a skill sees of its run: `call`, `propose`, `ask_model`, `sleep`, and values that no replay changes."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from types import CoroutineType
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID
from weakref import WeakKeyDictionary

from clearway.model.action import ToolCall
from clearway.model.errors import ClearwayError
from clearway.model.identity import Principal
from clearway.model.outcome import Done, Failed, Outcome, Refused
from clearway.runtime import labels
from clearway.runtime.carry import Carry, Suspended

T = TypeVar("T")


class ActionStopped(ClearwayError):
    """A call did not end well. `outcome` is `Refused`, `Failed` or `Unknown`; `step` names the call."""

    code = "action_stopped"

    def __init__(self, step: str, tool: str, outcome: Outcome) -> None:
        code = outcome.code if not isinstance(outcome, Done) else "done"
        message = outcome.message if not isinstance(outcome, Done) else ""
        super().__init__(f"{tool} ({step}): {code}. {message}".strip(), code=code)
        self.step = step
        self.tool = tool
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered to `ask_model`. `output`: the structured answer, where one was asked for. `model`: the one
    that answered, as its provider names it."""

    text: str
    output: dict[str, Any] | None
    model: str
    finish_reason: str


class Models(Protocol):
    """What a run needs to ask models. Bound to the run."""

    async def ask(
        self, step_id: str, text: str, system: str, prompt: str, output: dict[str, Any] | None
    ) -> "Reply | ActionStopped": ...

    async def pursue(
        self, given: dict[str, Any], shielded: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
    ) -> str: ...


class HasSpec(Protocol):
    """A decorated tool."""

    @property
    def spec(self) -> Any: ...


class RunContext:
    """One run, as its skill sees it. Step ids count the calls in the order in which they are made.

    A skill is carried on by running it again from its start: calls that are recorded return their recorded results.
    So it must make the same calls in the same order; take times, ids and random values from here.
    """

    def __init__(
        self,
        at: Carry,
        propose: Callable[[ToolCall], Awaitable[Outcome]],
        nap: Callable[[str, float], Awaitable[None]],
        models: Models | None = None,
    ) -> None:
        self._at = at
        self._models = models
        self._propose = propose
        self._nap = nap
        self._steps = self._numbered = 0
        self._root = asyncio.current_task()
        self._branches: WeakKeyDictionary[asyncio.Task[Any], tuple[str, int]] = WeakKeyDictionary()

    @property
    def id(self) -> str:
        return self._at.run.run_id

    @property
    def user(self) -> Principal:
        return self._at.user

    @property
    def now(self) -> datetime:
        """When the run was asked for, UTC: the same on every replay."""
        return datetime.fromtimestamp(self._at.run.created_at, UTC)

    def uuid(self, name: str) -> UUID:
        """An id that is the same for this run and `name` on every replay."""
        made = UUID(bytes=hashlib.sha256(f"{self.id}\0{name}".encode()).digest()[:16], version=4)
        labels.constant(self._at, str(made), "input:run")
        return made

    def constant(self, value: T) -> T:
        """Says that a value is the skill's own: it stands in its code, or its code alone has made it. Without that it
        has no known source and is untrusted to policies that ask. Returns the value."""
        labels.constant(self._at, value)
        return value

    def call(self, tool: HasSpec | str, *, reason: str = "", **arguments: Any) -> Coroutine[Any, Any, Any]:
        """Calls a tool through the gate and returns its result. `reason`: why this path was chosen; it is recorded,
        shown to approvers as a claim, and decides nothing.

        Errors: `ActionStopped` where it was refused or failed."""
        name, step_id = self._next(tool)
        begin = self._start(ToolCall(name, arguments, step_id, reason))
        return _named("run.call", self._result(name, step_id, begin))

    def propose(self, tool: HasSpec | str, *, reason: str = "", **arguments: Any) -> Coroutine[Any, Any, Outcome]:
        """As `call`, but every ending is a value: `Done`, `Refused`, `Failed`."""
        name, step_id = self._next(tool)
        return _named("run.propose", self._start(ToolCall(name, arguments, step_id, reason))())

    async def sleep(self, seconds: float) -> None:
        """Waits durably: the run leaves its worker and is carried on when the time has come."""
        step_id = self._next_id()
        await self._within_budget("sleep", step_id, self._steps, lambda: self._nap(step_id, seconds))

    async def ask_model(
        self, text: str, *, system: str = "", prompt: str = "", output: dict[str, Any] | None = None
    ) -> Reply:
        """Asks the skill's model (`@skill(model=…)`), once: a recorded answer is never asked for again.

        `prompt`: a file below `prompts/` that goes before `system`. `output`: JSON Schema of a structured answer.
        Sensitive values reach the model as tokens. Errors: `ActionStopped` (budget, no model answered)."""
        step_id, number = self._next_id(), self._steps
        models = self._asking()
        reply = await self._within_budget(
            "model", step_id, number, lambda: models.ask(step_id, text, system, prompt, output)
        )
        if isinstance(reply, ActionStopped):
            raise reply
        return reply

    async def pursue(self, given: dict[str, Any]) -> str:
        """The loop of an agent skill (`@agent`): model turns and their calls, until it answers in words."""
        return await self._asking().pursue(given, self._shielded)

    def _asking(self) -> Models:
        if self._models is None:
            raise ClearwayError("This run has no models to ask.", code="no_model")
        return self._models

    def _next(self, tool: HasSpec | str) -> tuple[str, str]:
        return (tool if isinstance(tool, str) else str(tool.spec.name)), self._next_id()

    def _next_id(self) -> str:
        """`s3`; in a task that the skill started, `s3` for its first step, then `s3.2`, `s3.3`: branches that run side
        by side take turns as it happens, and must not take each other's ids when they are replayed."""
        self._steps += 1
        task = asyncio.current_task()
        if task is None or task is self._root:
            return self._own_id()
        first, count = self._branches.get(task) or (self._own_id(), 0)
        self._branches[task] = (first, count + 1)
        return first if count == 0 else f"{first}.{count + 1}"

    def _own_id(self) -> str:
        self._numbered += 1
        return f"s{self._numbered}"

    def _start(self, call: ToolCall) -> Callable[[], Coroutine[Any, Any, Outcome]]:
        number = self._steps
        return lambda: self._within_budget(call.tool, call.step_id, number, lambda: self._propose(call))

    async def _within_budget(self, tool: str, step_id: str, number: int, work: Callable[[], Awaitable[Any]]) -> Any:
        """A step too many ends the run: a skill that does not listen would go on for ever."""
        most = self._at.skill.max_steps
        if number > most and self._at.broken is None:
            refused = Refused("step_budget", f"The skill may make at most {most} steps a run.")
            self._at.broken = ActionStopped(step_id, tool, refused)
        return await self._shielded(work)

    async def _result(self, name: str, step_id: str, begin: Callable[[], Awaitable[Outcome]]) -> Any:
        outcome = await begin()
        if isinstance(outcome, Done):
            return outcome.result
        raise ActionStopped(step_id, name, outcome)

    async def _shielded(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """A cancelled sibling (a skill's `gather` or `TaskGroup`) must not tear an effect apart in mid-flight.

        INVARIANT: once a step waits, or the pass is broken, no further one begins. A skill that catches everything, or
        gathers exceptions as results, would take the wait for an ending and act on it."""
        at = self._at
        if at.parked or at.broken is not None or at.closing:
            await asyncio.sleep(0)  # so that a skill that asks again and again does not keep the worker to itself
            raise Suspended()
        task = asyncio.ensure_future(self._kept(work))
        at.working.add(task)
        task.add_done_callback(at.working.discard)
        return await asyncio.shield(task)

    async def _kept(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """What goes wrong in Clearway itself is no ending of the step, so the skill gets no exception to handle."""
        try:
            return await work()
        except Exception as error:
            self._at.broken = self._at.broken or error
            raise Suspended() from None


def _named(name: str, coroutine: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
    """Under the name that a skill knows it by: Python names it so where nobody awaits it."""
    if isinstance(coroutine, CoroutineType):
        coroutine.__qualname__ = name
    return coroutine


def innermost(error: BaseException) -> BaseException:
    """What a skill ended by: of a `TaskGroup`'s errors the first call that stopped, else the first error."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    inner = [innermost(each) for each in cast(BaseExceptionGroup[BaseException], error).exceptions]
    return next((each for each in inner if isinstance(each, ActionStopped)), inner[0])


def stopped_as(error: BaseException) -> tuple[str, str, str]:
    """(status word, code, step) of a skill's ending by `error`: `refused` or `failed`."""
    if isinstance(error, ActionStopped):
        word = "failed" if isinstance(error.outcome, Failed) else "refused"
        return word, error.code, error.step
    if isinstance(error, ClearwayError):
        return "failed", error.code, ""
    return "failed", "skill_error", ""
