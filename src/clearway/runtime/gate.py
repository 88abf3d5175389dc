"""The one door to the world: classify → decide → (hold) → admit → claim → execute → settle → record.

A step is a small state machine over its ledger row; `Gate.propose` moves it on until it is settled or must wait.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from clearway.model.action import Action, ToolCall
from clearway.model.approval import Approval
from clearway.model.decision import Decision, Verdict
from clearway.model.errors import Conflict, IdempotencyMismatch, Unavailable
from clearway.model.event import Event
from clearway.model.ledger import Entry, LedgerState
from clearway.model.outcome import Outcome, Refused, Returned
from clearway.model.run import RunStatus
from clearway.model.tool import Impact, ToolSpec
from clearway.ports import Directory, Policy, Sealer, Store
from clearway.rules.digests import idempotency_key
from clearway.rules.failure import Failure, Meaning
from clearway.rules.retry import pause_s
from clearway.runtime import claim as claims
from clearway.runtime import hold
from clearway.runtime.carry import Carry
from clearway.runtime.execute import Executor
from clearway.runtime.limits import Limits, OverLimit, limits_call, refund_retry, spend_retry
from clearway.runtime.prepare import find_tool, prepare, same_as_recorded
from clearway.runtime.reconcile import Reconciler
from clearway.runtime.settle import read_outcome, settlement

#: A rate-limited call waits at most so long in its worker before it is refused.
LONGEST_WAIT_S = 10.0
#: Between the commit of STARTED and the send. A worker that was stopped in between must not send late.
SEND_WINDOW_S = 2.0


@dataclass(frozen=True, slots=True)
class Gate:
    """Holds what a decision and an execution need. One a process; it keeps no state of any run."""

    store: Store
    policy: Policy
    sealer: Sealer
    directory: Directory
    tools: Mapping[str, ToolSpec]
    limits: Limits
    executor: Executor
    probe: Callable[[str], None] = lambda _: None

    async def propose(self, at: Carry, call: ToolCall, *, kind: str = "call") -> Outcome:
        """Takes a tool call to its end. Errors: `Suspended` (a person, a time or an answer is awaited),
        `LostLease`, `IdempotencyMismatch`, `Unavailable`."""
        entry = at.entries.get(call.step_id)
        spec = find_tool(self.tools, at, call, compensating=kind == "compensation")
        if entry is not None:
            call = self._as_recorded(at, spec, call, entry)
            if entry.state.is_settled:
                return read_outcome(entry, self.sealer, at.scope, replayed=True)
        if isinstance(spec, Refused):
            return await self._refuse_unprepared(at, call, spec, kind)
        action = await prepare(spec, at, call, self.sealer)
        if isinstance(action, Refused):
            return await self._refuse_unprepared(at, call, action, kind)
        step = _Step(self, at, spec, action, entry, kind)
        while step.entry is None or not step.entry.state.is_settled:
            await step.advance()
            at.entries[call.step_id] = step.keep()
        return read_outcome(step.keep(), self.sealer, at.scope, replayed=False)

    def _as_recorded(self, at: Carry, spec: ToolSpec | Refused, call: ToolCall, entry: Entry) -> ToolCall:
        """Checks that a replayed call is the recorded one; an edited step goes on with the editor's arguments."""
        if (entry.detail or {}).get("edited_by") and entry.arguments is not None:
            return replace(call, arguments=self.sealer.unseal(entry.arguments, at.scope))
        if entry.tool != call.tool or (isinstance(spec, ToolSpec) and not same_as_recorded(spec, at, call, entry.fingerprint)):
            raise IdempotencyMismatch(
                f"Step {call.step_id} was recorded with another call than the one proposed now; nothing was sent.",
                remedy="A skill must make the same calls with the same arguments each time it is carried on: take times, "
                       "random values and ids from the run (run.now, run.uuid), not from the machine.",
            )
        return call

    async def _refuse_unprepared(self, at: Carry, call: ToolCall, refused: Refused, kind: str) -> Refused:
        """Records a refusal of something that never became an action; its arguments are not trusted to any table."""
        entry = at.entries.get(call.step_id) or Entry(
            key=idempotency_key(at.scope, call.tool, at.run.run_id, call.step_id), run_id=at.run.run_id,
            step_id=call.step_id, kind=kind, tool=call.tool, impact=Impact.EXTERNAL.value, fingerprint="",
            state=LedgerState.REFUSED, fence=at.fence,
        )
        at.entries[call.step_id] = await self.store.awrite(at.scope, lambda tx: claims.refuse(tx, at, entry, refused))
        return refused


class _Step:
    """One step on its way. `entry` is its ledger row as last written."""

    def __init__(self, gate: Gate, at: Carry, spec: ToolSpec, action: Action, entry: Entry | None, kind: str) -> None:
        self.gate, self.at, self.spec, self.action, self.entry, self.kind = gate, at, spec, action, entry, kind
        self.reconciler = Reconciler(gate.store, gate.sealer)

    def keep(self) -> Entry:
        if self.entry is None:
            raise AssertionError("a step that was moved on has a row")
        return self.entry

    async def advance(self) -> None:
        """One transition."""
        state = self.entry.state if self.entry else None
        match state:
            case None | LedgerState.FAILED_RETRYABLE | LedgerState.CLAIMED:
                await self._decide()
            case LedgerState.HELD:
                await self._look_at_answer()
            case LedgerState.STARTED:
                await self._take_over()
            case LedgerState.UNKNOWN:
                await self._reconcile()
            case _:
                raise AssertionError("a settled step does not move")

    async def _decide(self) -> None:
        refused = self._repeats_in_run()
        if refused:
            return await self._refuse(refused)
        decision = self.gate.policy.decide(self.action)
        match decision.verdict:
            case Verdict.DENY:
                await self._refuse(Refused(decision.code, decision.message, decision.policies))
            case Verdict.HOLD:
                await self._hold(decision)
            case Verdict.ALLOW:
                await self._go(decision, None)

    def _repeats_in_run(self) -> Refused | None:
        """What this run has in doubt, or has been refused by a person, is not proposed again."""
        targets = set(map(str, self.action.shown_targets))
        for other in self.at.entries.values():
            if other.step_id == self.action.step_id or other.tool != self.action.tool:
                continue
            if other.state is LedgerState.UNKNOWN and (not targets or targets & set(other.targets)):
                return Refused("in_doubt", f"Step {other.step_id} of this run has the same effect in doubt.")
            if other.fingerprint == self.action.fingerprint and (other.detail or {}).get("code") in ("rejected", "rejected_before"):
                return Refused("rejected_before", f"People rejected the same action in step {other.step_id} of this run.")
        return None

    async def _hold(self, decision: Decision) -> None:
        """A consumed approval still covers a retry of the same action; else a grant may; else people are asked."""
        approval = await self._earlier_approval()
        if approval is not None:
            return await self._go_as_approved(approval)
        grant = await self.gate.store.aread(self.at.scope, lambda tx: hold.fitting_grant(tx, self.action, self.at.run.release))
        if grant is not None and await self._go(decision, None, grant_id=grant.grant_id):
            return
        await self._ask(decision)

    async def _earlier_approval(self) -> Approval | None:
        approval_id = self.entry.approval_id if self.entry else None
        if approval_id is None:
            return None
        return await self.gate.store.aread(self.at.scope, lambda tx: tx.approvals.get(approval_id))

    async def _ask(self, decision: Decision) -> None:
        preview = None
        if self.spec.preview is not None:
            preview = await self.gate.executor.ask(self.spec.preview, self.action.arguments, self._budget_s())
            preview = self.at.masker.mask(preview, self.spec.sensitive)
        sealed = self.gate.sealer.seal(self.action.arguments, self.at.scope)
        entry = self.entry
        self.entry, _ = await self.gate.store.awrite(self.at.scope, lambda tx: hold.ask(
            tx, self.at, self.spec, self.action, decision, preview, sealed, entry, self.kind))
        self.gate.probe("held")

    async def _look_at_answer(self) -> None:
        approval = await self._earlier_approval()
        if approval is None:
            return await self._refuse(Refused("no_approval", "The approval that this step waits for does not exist."))
        standing = await self.gate.store.awrite(self.at.scope, lambda tx: hold.look(tx, self.at, approval))
        match standing.answer:
            case hold.Answer.PENDING:
                raise self.at.park(self.action.step_id, RunStatus.WAITING)
            case hold.Answer.REFUSED:
                await self._refuse(Refused(standing.why, f"The action was not approved: {standing.why}.", approval.policies))
            case hold.Answer.ANEW:
                await self._decide_anew()
            case hold.Answer.GO:
                await self._go_as_approved(approval)

    async def _decide_anew(self) -> None:
        """The old answer is void: policy speaks again, and where it still holds, people are asked afresh."""
        decision = self.gate.policy.decide(self.action)
        match decision.verdict:
            case Verdict.DENY:
                await self._refuse(Refused(decision.code, decision.message, decision.policies))
            case Verdict.HOLD:
                await self._ask(decision)
            case Verdict.ALLOW:
                await self._go(decision, None)

    async def _go_as_approved(self, approval: Approval) -> None:
        """Rechecks the whole binding, then claims with the approval's consumption."""
        now, votes = await self.gate.store.aread(
            self.at.scope, lambda tx: (tx.now, tx.approvals.votes(approval.approval_id)))
        decision = self.gate.policy.decide(self.action)
        why = hold.drift(approval, votes, self.spec, self.action, decision, self.gate.directory, self.gate.sealer)
        if not why and now > (approval.execute_by or 0.0):
            why = "approved, but not carried out in time"
        if why:
            await self.gate.store.awrite(self.at.scope, lambda tx: hold.void(tx, self.at, approval, why))
            return await self._decide_anew()
        await self._go(decision, approval)

    async def _go(self, decision: Decision, approval: Approval | None, *, grant_id: str | None = None) -> bool:
        """Admits, claims, executes, settles. False where a grant was used up meanwhile (nothing was sent)."""
        if self._budget_s() < self.spec.min_send_s:
            await self._refuse(Refused("deadline", "Too little of the run's time is left to send this safely."))
            return True
        if not self.action.impact.is_effect and approval is None and grant_id is None and self.entry is None:
            await self._read(decision)
            return True
        sealed = self.gate.sealer.seal(self.action.arguments, self.at.scope)
        claim = claims.Claim(self.action, self.spec, decision, self.entry, sealed, self.kind, approval, grant_id)
        started = await self._claim(claim)
        if started is None:
            return False
        if isinstance(started, Refused):
            await self._refuse(started)
        elif isinstance(started, claims.Duplicate):
            await self._answer_duplicate(started.entry)
        else:
            self.entry = started
            await self._send()
        return True

    async def _claim(self, claim: claims.Claim) -> Entry | Refused | claims.Duplicate | None:
        """Claims, waiting out short rate limits. None: a grant or approval went to somebody else."""
        while True:
            try:
                return await self.gate.store.awrite(
                    self.at.scope, lambda tx: claims.start(tx, self.at, claim, self.gate.limits))
            except OverLimit as over:
                if over.wait_s > min(LONGEST_WAIT_S, self.at.remaining_s()):
                    return Refused("rate_limited", f"The rate limit {over.bucket} is used up.")
                await self.at.clock.sleep(over.wait_s)
            except Conflict as conflict:
                if conflict.code == "grant_taken":
                    return None
                if conflict.code in ("approval_taken", "business_key_taken"):
                    return Refused(conflict.code, conflict.message)
                raise

    async def _send(self) -> None:
        """Calls the tool and settles. INVARIANT: the row is STARTED and committed before this."""
        entry = self.keep()
        claimed_at = self.at.clock.monotonic()
        self.gate.probe("started")
        if self.at.clock.monotonic() - claimed_at > SEND_WINDOW_S:
            answer: Returned | Failure = Failure(Meaning.NOT_SENT, "stopped_before_send")
        else:
            answer = await self.gate.executor.call(
                self.spec, self.action, attempt=entry.attempt, timeout_s=self._budget_s(), now=entry.updated_at)
        self.gate.probe("sent")
        took = self.at.clock.monotonic() - claimed_at
        result = settlement(self.spec, self.at, entry, answer, took, self.gate.sealer)
        self.entry = await self._write_settlement(entry, result.events, result.values, answer)
        self.gate.probe("settled")
        if self.entry.state is LedgerState.FAILED_RETRYABLE:
            await self.at.clock.sleep(min(result.pause_s, max(0.0, self.at.remaining_s())))

    async def _write_settlement(self, entry: Entry, events: list[Event], values: dict[str, Any],
                                answer: Returned | Failure) -> Entry:
        """A result that is in memory only is worth some patience with a locked or full store."""
        for attempt in range(1, 6):
            try:
                return await self.gate.store.awrite(self.at.scope, lambda tx: self._settle(tx, entry, events, values, answer))
            except Unavailable:
                if attempt == 5:
                    raise
                await self.at.clock.sleep(pause_s(attempt, 0.2, 5.0))
        raise AssertionError("unreachable")

    def _settle(self, tx: Any, entry: Entry, events: list[Event], values: dict[str, Any],
                answer: Returned | Failure) -> Entry:
        if isinstance(answer, Returned):
            if entry.attempt > 1:
                refund_retry(tx, self.spec.name)
        elif values["state"] is LedgerState.FAILED_RETRYABLE and not spend_retry(
                tx, self.spec.name, timed_out=answer.code == "timeout"):
            values = {**values, "state": LedgerState.FAILED_FINAL}
        return claims.settle(tx, self.at, entry, events=events, **values)

    async def _read(self, decision: Decision) -> None:
        """A read: retried in memory, recorded once. One commit, two where a rate limit has to be reserved."""
        refused = await self._admit_read()
        if refused:
            return await self._refuse(refused)
        begun, attempt = self.at.clock.monotonic(), 0
        while True:
            attempt += 1
            answer = await self.gate.executor.call(
                self.spec, self.action, attempt=attempt, timeout_s=self._budget_s(), now=self.at.run.created_at)
            last = attempt >= self.spec.retry.attempts or self._budget_s() < self.spec.min_send_s
            if isinstance(answer, Returned) or last or answer.meaning is Meaning.REJECTED:
                break
            pause = answer.retry_after_s or pause_s(attempt, self.spec.retry.base_s, self.spec.retry.max_s)
            await self.at.clock.sleep(min(pause, max(0.0, self.at.remaining_s())))
        entry = replace(claims.new_entry(self.action, LedgerState.STARTED, self.at, 0.0, kind=self.kind), attempt=attempt)
        result = settlement(self.spec, self.at, entry, answer, self.at.clock.monotonic() - begun, self.gate.sealer,
                            decision=decision, action=self.action)
        entry = replace(entry, **result.values)
        self.entry = await self.gate.store.awrite(
            self.at.scope, lambda tx: claims.record_read(tx, self.at, entry, result.events[0]))

    async def _admit_read(self) -> Refused | None:
        action, limits = self.action, self.gate.limits
        switch = await self.gate.store.aread(self.at.scope, lambda tx: claims.stopped(tx, self.at, action))
        if switch is not None:
            return switch
        if not limits_call(self.spec.rate_limit, action.tool, limits):
            return None
        while True:
            try:
                await self.gate.store.awrite(
                    self.at.scope, lambda tx: claims.reserve_call(tx, action.tool, self.spec.rate_limit, limits))
                return None
            except OverLimit as over:
                if over.wait_s > min(LONGEST_WAIT_S, self.at.remaining_s()):
                    return Refused("rate_limited", f"The rate limit {over.bucket} is used up.")
                await self.at.clock.sleep(over.wait_s)

    async def _take_over(self) -> None:
        """A STARTED row that this pass finds: its worker died or was stopped. A read is simply done again."""
        entry, effect = self.keep(), self.action.impact.is_effect
        self.entry = await self.reconciler.take_over(self.at, entry, effect=effect)

    async def _reconcile(self) -> None:
        """The ways out of UNKNOWN: a resend within the remote's window, a lookup, or a person."""
        entry = self.keep()
        if self.reconciler.may_resend(self.spec, entry, await self._now()):
            return await self._resend(entry)
        found = await self.gate.executor.look_up(self.spec, self.action, self._budget_s())
        self.entry = await self.reconciler.apply(self.at, self.spec, entry, found)

    async def _resend(self, entry: Entry) -> None:
        """Same key, same arguments, under policy and kill switch in force now."""
        decision = self.gate.policy.decide(self.action)
        if decision.verdict is Verdict.DENY or entry.action_digest != self.action.digest:
            self.entry = await self.reconciler.leave_to_people(self.at, entry, "policy no longer allows a resend")
            return
        claim = claims.Claim(self.action, self.spec, decision, entry, entry.arguments or "", self.kind)
        started = await self._claim(claim)
        if isinstance(started, Entry):
            self.entry = started
            return await self._send()
        self.entry = await self.reconciler.leave_to_people(self.at, entry, "a resend was not admitted")

    async def _answer_duplicate(self, other: Entry) -> None:
        """The business key was used by another step: its result where there is one, else a refusal."""
        self.entry = await self.gate.store.awrite(
            self.at.scope, lambda tx: claims.record_duplicate(tx, self.at, self.action, self.entry, other, self.kind))

    async def _refuse(self, refused: Refused) -> None:
        entry = self.entry or claims.new_entry(self.action, LedgerState.REFUSED, self.at, 0.0, kind=self.kind)
        self.entry = await self.gate.store.awrite(self.at.scope, lambda tx: claims.refuse(tx, self.at, entry, refused))

    async def _now(self) -> float:
        return await self.gate.store.aread(self.at.scope, lambda tx: tx.now)

    def _budget_s(self) -> float:
        return min(self.spec.timeout_s, self.at.remaining_s())
