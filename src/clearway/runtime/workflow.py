"""Carries a run out, pass by pass.

A pass replays the skill over the run's ledger rows and goes on from there. When a step must wait, the pass ends and
costs nothing; an approval, a resolution or a timer enqueues the next (docs/decisions/0002-passes.md).
"""

import asyncio
import contextlib
import inspect
import logging
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from clearway.model.errors import ClearwayError, IdempotencyMismatch, Invalid
from clearway.model.event import Event
from clearway.model.outcome import Failed
from clearway.model.run import Run, RunStatus
from clearway.model.run_ref import RunRef
from clearway.ports import Tx
from clearway.rules.canonical import canonical, parse_json
from clearway.runtime import labels, tracing
from clearway.runtime.carry import CANCELLED, Carry, LostLease, Overtaken, Suspended, check_lease, is_cancelled
from clearway.runtime.compensation import compensate, settle_leftovers
from clearway.runtime.durable_sleep import sleep
from clearway.runtime.gate import Gate
from clearway.runtime.load import MISSING, Loader
from clearway.runtime.passes import begin_pass, leave_pass, leave_to_others
from clearway.runtime.raised import told
from clearway.runtime.run_api import ActionStopped, RunContext, innermost, stopped_as
from clearway.runtime.run_models import RunModels
from clearway.runtime.turns import Turns

_log = logging.getLogger("clearway.workflow")

#: How often a pass starts over because somebody else changed a row of its run meanwhile.
MOST_OVERTAKEN = 20


@dataclass(frozen=True, slots=True)
class Workflow:
    """Handles passes. `turns`: None where no model is to be asked."""

    gate: Gate
    loader: Loader
    turns: Turns | None = None

    async def handle_pass(self, ref: RunRef, pass_id: str) -> None:
        """One pass of a run. Errors: `Unavailable` (the engine tries the same pass again)."""
        overtaken = 0
        while True:
            run = await self.gate.store.awrite(ref.scope, lambda tx: begin_pass(tx, ref.run_id, pass_id))
            if run is None:
                return
            try:
                with tracing.pass_span(self.gate.telemetry, ref, run):
                    more = await self._carry_on(ref, run)
                if not more:
                    return
            except LostLease:
                return
            except Overtaken as error:
                overtaken += 1
                if overtaken >= MOST_OVERTAKEN:
                    return await self._give_up(ref, run, error)
            except ClearwayError as error:
                if error.retryable:
                    raise
                return await self._give_up(ref, run, error)
            except Exception as error:
                return await self._give_up(ref, run, error)

    async def _give_up(self, ref: RunRef, run: Run, error: Exception) -> None:
        """A defect of ours ends the run, visibly, rather than leaving it under way for ever."""
        _log.error("run %s ended in a defect: %s", run.run_id, type(error).__name__, exc_info=_frames_only(error))
        code = error.code if isinstance(error, ClearwayError) else "internal"
        failure = {
            "step": "",
            "tool": "",
            "code": code,
            "message": f"Clearway failed with {type(error).__name__}.",
            "owner": "clearway",
        }
        with contextlib.suppress(LostLease):
            await self._end(ref, run, None, RunStatus.FAILED, failure)

    async def _carry_on(self, ref: RunRef, run: Run) -> bool:
        """Whether the run was woken meanwhile and wants another pass at once."""
        at = await self.loader.load(ref, run)
        if at == "code_missing":
            await self.gate.store.awrite(ref.scope, lambda tx: leave_to_others(tx, run))
            return False
        if isinstance(at, str):
            return await self._end(ref, run, None, RunStatus.FAILED, {"code": at, "message": MISSING[at], "step": ""})
        result: Any = None
        stopped: BaseException | None = None
        # Outside of the try: a key that is away is no ending of the skill's, the pass is tried again.
        given, text = at.vault.unseal(run.input), at.vault.unseal(run.text)
        models = None if self.turns is None else RunModels(at, self.turns, self.gate, text)
        context = RunContext(
            at, lambda call: self.gate.propose(at, call), lambda step, s: sleep(self.gate.store, at, step, s), models
        )
        try:
            result = await self._run_skill(at, context, given, text)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and is_cancelled():
                raise
            stopped = innermost(error)
        await self._let_siblings_finish(at)
        if at.broken is not None:
            if not isinstance(at.broken, ActionStopped | IdempotencyMismatch):
                raise at.broken
            stopped = at.broken
        elif at.parked:
            return await self._suspend(ref, at)
        return await self._finish(ref, at, result, stopped)

    async def _run_skill(self, at: Carry, context: RunContext, given: dict[str, Any], text: str) -> Any:
        # As intake did it, so that a replay knows in each step what the first time knew.
        at.masker.mask(given)
        at.masker.scrub(text)
        arguments = at.skill.validate(given, text)
        labels.begin(at, text, arguments)
        if at.run.cancel_requested:
            raise ActionStopped("", at.skill.name, CANCELLED)
        limit = asyncio.timeout(max(0.0, at.remaining_s()))
        try:
            async with limit:
                result = await at.skill.function(context, **arguments)
        except TimeoutError:
            if limit.expired():
                raise ActionStopped("", at.skill.name, Failed("deadline", "The run's time is over.")) from None
            raise
        if inspect.iscoroutine(result):
            result.close()
            raise Invalid("The skill returned a coroutine.", code="not_canonical", remedy="Did you forget await?")
        return parse_json(canonical(result), what="A skill's result")

    async def _let_siblings_finish(self, at: Carry) -> None:
        at.closing = True
        while at.working:
            await asyncio.gather(*at.working, return_exceptions=True)

    async def _suspend(self, ref: RunRef, at: Carry) -> bool:
        waits = set(at.parked.values())
        order = (RunStatus.UNKNOWN, RunStatus.WAITING, RunStatus.SLEEPING)
        status = next(word for word in order if word in waits)
        spent = at.spent_s()
        tracing.pass_left(self.gate.telemetry, status)
        return await self.gate.store.awrite(ref.scope, lambda tx: leave_pass(tx, at, status, spent))

    async def _finish(self, ref: RunRef, at: Carry, result: Any, stopped: BaseException | None) -> bool:
        if stopped is None and not at.run.cancel_requested:
            await settle_leftovers(self.gate, at)
            return await self._end(ref, at.run, at, RunStatus.DONE, None, result)
        error = stopped or ActionStopped("", at.skill.name, CANCELLED)
        failure = self._describe(at, error)
        try:
            await settle_leftovers(self.gate, at)
            failure["compensated"] = await compensate(self.gate, at)
        except Suspended:
            return await self._suspend(ref, at)
        status = RunStatus(stopped_as(error)[0]) if failure["code"] != "cancelled" else RunStatus.CANCELLED
        return await self._end(ref, at.run, at, status, failure)

    def _describe(self, at: Carry, error: BaseException) -> dict[str, Any]:
        """Where it failed and who owns the fix. Foreign exceptions show their type only: their text may hold all."""
        _, code, step = stopped_as(error)
        message = str(error) if isinstance(error, ClearwayError) else told(error, at.skill.file)
        entry = at.entries.get(step)
        spec = self.gate.tools.get(entry.tool) if entry else None
        owner = (spec.owner if spec and spec.owner else at.skill.owner) or "unowned"
        return {
            "step": step,
            "tool": entry.tool if entry else "",
            "code": code,
            "message": at.masker.scrub(message)[:500],
            "owner": owner,
        }

    async def _end(
        self,
        ref: RunRef,
        run: Run,
        at: Carry | None,
        status: RunStatus,
        failure: dict[str, Any] | None,
        result: Any = None,
    ) -> bool:
        sealed = None if result is None or at is None else at.vault.seal(result)
        shown = None if result is None or at is None else at.masker.mask(result)
        spent = at.spent_s() if at else run.spent_s

        def work(tx: Tx) -> bool:
            if check_lease(tx, run.run_id, run.fence) and at is not None and status is not RunStatus.CANCELLED:
                return True  # asked to cancel meanwhile, and told that it would be
            if at is not None:
                at.vault.file(tx)
            tx.runs.update(
                run.run_id,
                status=status,
                result=sealed,
                shown_result=shown,
                failure=failure,
                spent_s=spent,
                active_pass=None,
                finished_at=tx.now,
            )
            tx.audit.append(
                [Event("run.finished", {"status": status.value, "failure": failure, "skill": run.skill}, run.run_id)]
            )
            self.gate.watch.ended(tx, run, status)
            return False

        again = await self.gate.store.awrite(ref.scope, work)
        if not again:
            tracing.run_ended(self.gate.telemetry, run, status, failure, at.skill.owner if at else None)
        return again


def _frames_only(error: Exception) -> tuple[type[Exception], Exception, TracebackType | None]:
    """The traceback without the message: exception texts may hold anybody's data."""
    return (Exception, Exception(type(error).__name__), error.__traceback__)
