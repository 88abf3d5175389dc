"""Carries a run out, pass by pass.

A pass replays the skill over the run's ledger rows and goes on from there. When a step must wait, the pass ends and
costs nothing; an approval, a resolution or a timer enqueues the next (docs/decisions/0002-passes.md).
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Any

from clearway.model.action import ToolCall
from clearway.model.errors import ClearwayError, Erased, IdempotencyMismatch
from clearway.model.event import Event
from clearway.model.identity import Principal
from clearway.model.ledger import Entry, LedgerState
from clearway.model.outcome import Done, Failed, Outcome, Refused
from clearway.model.run import Run, RunStatus
from clearway.model.run_ref import RunRef
from clearway.model.tool import Impact, ToolSpec
from clearway.ports import Clock, Directory, Sealer, Store, Telemetry, Tx
from clearway.rules.canonical import canonical, parse_json
from clearway.rules.digests import idempotency_key
from clearway.rules.failure import type_name
from clearway.runtime import labels, tracing
from clearway.runtime.carry import Carry, LostLease, Overtaken, Suspended, is_cancelled
from clearway.runtime.claim import release_business_key, withdraw
from clearway.runtime.endorsements import in_force
from clearway.runtime.gate import Gate
from clearway.runtime.reconcile import Reconciler
from clearway.runtime.run_api import ActionStopped, RunContext, innermost, stopped_as
from clearway.runtime.run_models import RunModels
from clearway.runtime.turns import Turns
from clearway.runtime.vault import Vaults
from clearway.runtime.version import Versions, Watch

_log = logging.getLogger("clearway.workflow")

#: How often a pass starts over because somebody else changed a row of its run meanwhile.
MOST_OVERTAKEN = 20


@dataclass(frozen=True, slots=True)
class Workflow:
    """Handles passes. `tools` are those of the project that this worker has loaded."""

    store: Store
    gate: Gate
    sealer: Sealer
    directory: Directory
    tools: Mapping[str, ToolSpec]
    versions: Versions
    watch: Watch
    clock: Clock
    lenient_environments: frozenset[str] = frozenset()
    telemetry: Telemetry = tracing.SILENT
    turns: Turns | None = None
    vaults: Vaults = field(kw_only=True)

    async def handle_pass(self, ref: RunRef, pass_id: str) -> None:
        """One pass of a run. Errors: `Unavailable` (the engine tries the same pass again)."""
        overtaken = 0
        while True:
            run = await self.store.awrite(ref.scope, lambda tx: begin_pass(tx, ref.run_id, pass_id))
            if run is None:
                return
            try:
                with tracing.pass_span(self.telemetry, ref, run):
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
        at = await self._load(ref, run)
        if at == "code_missing":
            return await self._leave_to_others(ref, run)
        if isinstance(at, str):
            return await self._end(ref, run, None, RunStatus.FAILED, {"code": at, "message": _MISSING[at], "step": ""})
        result: Any = None
        stopped: BaseException | None = None
        # Outside of the try: a key that is away is no ending of the skill's, the pass is tried again.
        given, text = at.vault.unseal(run.input), at.vault.unseal(run.text)
        models = None if self.turns is None else RunModels(at, self.turns, self.gate, text)
        context = RunContext(
            at, lambda call: self.gate.propose(at, call), lambda step, s: self._nap(at, step, s), models
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

    async def _leave_to_others(self, ref: RunRef, run: Run) -> bool:
        """The run's release needs code that is not loaded here. It was offered to any worker, before its release was
        stored; from now on its passes are offered only to workers that have the code."""

        def work(tx: Tx) -> bool:
            pulse = tx.runs.pulse(run.run_id)
            if pulse is None or pulse[0] != run.fence:
                raise LostLease("Another worker carries this run out now.")
            tx.runs.update(run.run_id, status=RunStatus.QUEUED, active_pass=None)
            tx.wake(run.run_id, f"{run.run_id}.code{run.fence}")
            return False

        return await self.store.awrite(ref.scope, work)

    async def _load(self, ref: RunRef, run: Run) -> Carry | str:
        version = self.versions.of(run.release)
        if version is None:
            return "code_missing"
        skill = version.skills.get(run.skill)
        if skill is None:
            return "skill_missing"
        scope = ref.scope
        user = self.directory.find(str(run.principal["user"]), scope)
        if user is None:
            return "user_gone"
        if narrowed := run.principal.get("narrowed_to"):
            user = user.narrowed(str(narrowed)) or replace(user, roles=frozenset[str](), groups=frozenset[str]())
        agent = Principal("agent", skill.name, scope, authenticated_by="skill")
        fields = set(skill.sensitive).union(*(self.tools[name].sensitive for name in skill.tools if name in self.tools))
        masker = self.vaults.redaction.masker(scope, fields)
        try:
            entries, vault, endorsed = await self.store.aread(
                scope,
                lambda tx: (
                    tx.ledger.of_run(run.run_id),
                    self.vaults.open(tx, run.run_id, masker),
                    tx.endorsements.in_force(run.run_id, user.name, tx.now),
                ),
            )
        except Erased:
            return "erased"
        at = Carry(
            scope,
            run,
            run.fence,
            skill,
            user,
            agent,
            masker,
            vault,
            self.clock,
            self.clock.monotonic(),
            version,
            separates_duties=scope.environment not in self.lenient_environments,
        )
        at.entries.update((entry.step_id, entry) for entry in entries)
        at.endorsements = in_force(endorsed, at, self.directory, self.sealer)
        return at

    async def _run_skill(self, at: Carry, context: RunContext, given: dict[str, Any], text: str) -> Any:
        # As intake did it, so that a replay knows in each step what the first time knew.
        at.masker.mask(given)
        at.masker.scrub(text)
        arguments = at.skill.validate(given, text)
        labels.begin(at, text, arguments)
        if at.run.cancel_requested:
            raise ActionStopped("", at.skill.name, _cancelled())
        limit = asyncio.timeout(max(0.0, at.remaining_s()))
        try:
            async with limit:
                result = await at.skill.function(context, **arguments)
        except TimeoutError:
            if limit.expired():
                raise ActionStopped("", at.skill.name, Failed("deadline", "The run's time is over.")) from None
            raise
        return parse_json(canonical(result), what="A skill's result")

    async def _let_siblings_finish(self, at: Carry) -> None:
        at.closing = True
        while at.working:
            await asyncio.gather(*at.working, return_exceptions=True)

    async def _nap(self, at: Carry, step_id: str, seconds: float) -> None:
        """A durable sleep: a row that says until when, and a timer that wakes the run."""
        entry = at.entries.get(step_id)
        if entry is not None and entry.kind != "sleep":
            raise IdempotencyMismatch(
                f"Step {step_id} was recorded as a call of {entry.tool} and is a sleep now.",
                remedy="A skill must do the same each time that it is carried on.",
            )

        def work(tx: Tx) -> Entry:
            at.check_fence(tx)
            row = tx.ledger.get(key)
            if row is None:
                row = Entry(
                    key=key,
                    run_id=at.run.run_id,
                    step_id=step_id,
                    kind="sleep",
                    tool="sleep",
                    impact="read",
                    fingerprint="",
                    state=LedgerState.HELD,
                    fence=at.fence,
                    lease_until=tx.now + seconds,
                    created_at=tx.now,
                    updated_at=tx.now,
                )
                tx.ledger.insert(row)
                tx.wake(at.run.run_id, f"{at.run.run_id}.{step_id}.wake", delay_s=seconds + 0.02)
            elif tx.now >= (row.lease_until or 0.0):
                tx.ledger.move(
                    key, fence=None, from_states={LedgerState.HELD}, state=LedgerState.SUCCEEDED, updated_at=tx.now
                )
                row = replace(row, state=LedgerState.SUCCEEDED)
            else:  # woken by something else, or early: the timer may be spent
                tx.wake(
                    at.run.run_id,
                    f"{at.run.run_id}.{step_id}.wake{at.fence}",
                    delay_s=(row.lease_until or 0.0) - tx.now + 0.02,
                )
            return row

        key = idempotency_key(at.scope, "sleep", at.run.run_id, step_id)
        if entry is None or entry.state is not LedgerState.SUCCEEDED:
            at.entries[step_id] = entry = await self.store.awrite(at.scope, work)
        if entry.state is not LedgerState.SUCCEEDED:
            raise at.park(step_id, RunStatus.SLEEPING)

    async def _suspend(self, ref: RunRef, at: Carry) -> bool:
        waits = set(at.parked.values())
        order = (RunStatus.UNKNOWN, RunStatus.WAITING, RunStatus.SLEEPING)
        status = next(word for word in order if word in waits)
        spent = at.spent_s()
        tracing.pass_left(self.telemetry, status)
        return await self.store.awrite(ref.scope, lambda tx: leave_pass(tx, at, status, spent))

    async def _finish(self, ref: RunRef, at: Carry, result: Any, stopped: BaseException | None) -> bool:
        if stopped is None and not at.run.cancel_requested:
            await self._settle_leftovers(at)
            return await self._end(ref, at.run, at, RunStatus.DONE, None, result)
        error = stopped or ActionStopped("", at.skill.name, _cancelled())
        failure = self._describe(at, error)
        try:
            await self._settle_leftovers(at)
            failure["compensated"] = await self._compensate(at)
        except Suspended:
            return await self._suspend(ref, at)
        status = RunStatus(stopped_as(error)[0]) if failure["code"] != "cancelled" else RunStatus.CANCELLED
        return await self._end(ref, at.run, at, status, failure)

    def _describe(self, at: Carry, error: BaseException) -> dict[str, Any]:
        """Where it failed and who owns the fix. Foreign exceptions show their type only: their text may hold all."""
        _, code, step = stopped_as(error)
        message = str(error) if isinstance(error, ClearwayError) else f"The skill raised {type_name(error)}."
        entry = at.entries.get(step)
        spec = self.tools.get(entry.tool) if entry else None
        owner = (spec.owner if spec and spec.owner else at.skill.owner) or "unowned"
        return {
            "step": step,
            "tool": entry.tool if entry else "",
            "code": code,
            "message": at.masker.scrub(message)[:500],
            "owner": owner,
        }

    async def _settle_leftovers(self, at: Carry) -> None:
        """What the skill left behind when it ended: a call that a dead worker began is in doubt, for people to resolve,
        and nothing waits for approval any more."""
        refused = (
            _cancelled() if at.run.cancel_requested else Refused("run_ended", "The run ended before this was decided.")
        )
        for step_id, entry in list(at.entries.items()):
            if entry.state is LedgerState.STARTED:
                reconciler = Reconciler(self.store, self.sealer)
                at.entries[step_id] = await reconciler.take_over(at, entry, effect=entry.impact != Impact.READ.value)
            elif entry.state is LedgerState.HELD and entry.kind == "call":
                at.entries[step_id] = await self.store.awrite(
                    at.scope, partial(withdraw, at=at, entry=entry, refused=refused)
                )

    async def _compensate(self, at: Carry) -> list[str]:
        """Undoes what succeeded, newest first, each undoing through the gate. Returns the steps undone."""
        undone: list[str] = []
        for entry in sorted(at.entries.values(), key=lambda e: (e.created_at, _number(e.step_id)), reverse=True):
            spec = self.tools.get(entry.tool)
            if (
                entry.kind != "call"
                or entry.state is not LedgerState.SUCCEEDED
                or spec is None
                or spec.compensate is None
            ):
                continue
            if (entry.detail or {}).get("code") == "business_duplicate" or entry.arguments is None:
                continue
            result = None if entry.result is None else at.vault.unseal(entry.result)
            raw = at.vault.unseal(entry.arguments)
            labels.received(at, entry, spec, result)
            try:
                arguments = dict(spec.compensate.arguments(raw, result))
            except Exception as error:  # the project's own function; the others are undone all the same
                undone.append(f"{entry.step_id}: not undone, its compensation raised {type_name(error)}")
                continue
            call = ToolCall(spec.compensate.tool, arguments, f"{entry.step_id}.undo", f"undoes step {entry.step_id}")
            outcome: Outcome = await self.gate.propose(at, call, kind="compensation")
            undone.append(f"{entry.step_id}: {type(outcome).__name__.lower()}")
            if isinstance(outcome, Done) and entry.business_key is not None:
                await self.store.awrite(at.scope, partial(release_business_key, at=at, entry=entry))
        return undone

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
            pulse = tx.runs.pulse(run.run_id)
            if pulse is None or pulse[0] != run.fence:
                raise LostLease("Another worker carries this run out now.")
            if pulse[1] and at is not None and status is not RunStatus.CANCELLED:
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
            self.watch.ended(tx, run, status)
            return False

        again = await self.store.awrite(ref.scope, work)
        if not again:
            tracing.run_ended(self.telemetry, run, status, failure, at.skill.owner if at else None)
        return again


def begin_pass(tx: Tx, run_id: str, pass_id: str) -> Run | None:
    """Takes the run over for this pass; None where there is nothing to do or another pass is at work.

    INVARIANT: one pass at a time; a recovered pass gets a new fence, so that the one it replaces writes no more."""
    run = tx.runs.get(run_id)
    if run is None or run.status.is_final:
        return None
    if run.active_pass is not None and run.active_pass != pass_id:
        tx.runs.update(run_id, wake=True)
        return None
    fence, first = run.fence + 1, run.started_at is None
    started = tx.now if run.started_at is None else run.started_at
    tx.runs.update(
        run_id, fence_to=fence, active_pass=pass_id, wake=False, status=RunStatus.RUNNING, started_at=started
    )
    tx.audit.append([Event("run.started" if first else "run.resumed", {"skill": run.skill, "fence": fence}, run_id)])
    return replace(run, fence=fence, active_pass=pass_id, wake=False, status=RunStatus.RUNNING, started_at=started)


def leave_pass(tx: Tx, at: Carry, status: RunStatus, spent_s: float) -> bool:
    """Ends a pass that waits. True where the run was woken while the pass was at work: it goes on at once."""
    at.check_fence(tx)
    run = tx.runs.get(at.run.run_id)
    if run is None:
        raise LostLease("The run is gone.")
    tx.runs.update(run.run_id, status=status, spent_s=spent_s, active_pass=run.active_pass if run.wake else None)
    if not run.wake:
        tx.audit.append([Event("run.waiting", {"for": status.value, "steps": sorted(at.parked)}, run.run_id)])
    return run.wake


def _cancelled() -> Refused:
    return Refused("cancelled", "The run was cancelled.")


def _frames_only(error: Exception) -> tuple[type[Exception], Exception, TracebackType | None]:
    """The traceback without the message: exception texts may hold anybody's data."""
    return (Exception, Exception(type(error).__name__), error.__traceback__)


def _number(step_id: str) -> list[int]:
    """`s3.2` → [3, 2], to order steps by."""
    return [int(part) for part in re.findall(r"[0-9]+", step_id)]


_MISSING = {
    "erased": "What was sealed of this run was erased.",
    "skill_missing": "This worker's project has no such skill.",
    "user_gone": "The user that the run acts for is no longer declared in this tenant and environment.",
}
