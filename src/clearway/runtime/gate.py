"""The one door to the world: classify → decide → (hold) → admit → claim → execute → settle → record.

A step is a small state machine over its ledger row; `Gate.propose` moves it on until it is settled or must wait.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, field, replace
from enum import Enum
from typing import Any

from clearway.model.action import Action, ToolCall
from clearway.model.approval import Approval, ApprovalState
from clearway.model.decision import Decision, Verdict
from clearway.model.errors import Conflict, IdempotencyMismatch, Unavailable
from clearway.model.event import Event
from clearway.model.identity import Scope
from clearway.model.ledger import Entry, LedgerState
from clearway.model.outcome import Done, Outcome, Refused, Returned
from clearway.model.run import RunStatus
from clearway.model.tool import Impact, ToolSpec
from clearway.ports import Clock, Directory, Policy, Sealer, Store, Tx
from clearway.rules.digests import idempotency_key
from clearway.rules.failure import Failure, Meaning
from clearway.rules.retry import pause_s
from clearway.runtime import claim as claims
from clearway.runtime import hold
from clearway.runtime.carry import Carry
from clearway.runtime.execute import Executor
from clearway.runtime.limits import Limits, OverLimit, limits_call, refund_retry, spend_retry
from clearway.runtime.prepare import as_storable, find_tool, prepare, same_as_recorded
from clearway.runtime.reconcile import Reconciler
from clearway.runtime.settle import read_outcome, settlement

#: A rate-limited call waits at most so long in its worker before it is refused.
LONGEST_WAIT_S = 10.0
#: How old a read's look at the kill switches may be. An effect's is part of its claim, always.
CALM_FOR_S = 0.25


@dataclass(frozen=True, slots=True)
class Gate:
    """Holds what a decision and an execution need. One a process; it keeps no state of any run."""

    store: Store
    policy: Policy
    sealer: Sealer
    directory: Directory
    tools: Mapping[str, ToolSpec]
    limits: Limits
    clock: InitVar[Clock]
    probe: Callable[[str], None] = lambda _: None
    calm_for_s: float = CALM_FOR_S
    executor: Executor = field(init=False)
    _calm: dict[tuple[Scope, str, str], float] = field(init=False, default_factory=dict[tuple[Scope, str, str], float])

    def __post_init__(self, clock: Clock) -> None:
        object.__setattr__(self, "executor", Executor(clock))

    def is_calm(self, action: Action) -> bool:
        """Whether no kill switch was engaged for such a read at a look that is fresh enough."""
        seen = self._calm.get((action.scope, action.agent.id, action.tool))
        return seen is not None and time.monotonic() - seen < self.calm_for_s

    def note_calm(self, action: Action) -> None:
        self._calm[action.scope, action.agent.id, action.tool] = time.monotonic()

    def close(self) -> None:
        """Takes no further synchronous calls."""
        self.executor.close()

    async def propose(self, at: Carry, call: ToolCall, *, kind: str = "call") -> Outcome:
        """Takes a tool call to its end. Errors: `Suspended` (a person, a time or an answer is awaited),
        `LostLease`, `Overtaken`, `IdempotencyMismatch`, `Unavailable`."""
        entry = at.entries.get(call.step_id)
        spec = find_tool(self.tools, at, call, compensating=kind == "compensation")
        if isinstance(spec, Refused):
            call = as_storable(call, at)
        if entry is not None:
            call = self._as_recorded(at, spec, call, entry)
            if entry.state.is_settled:
                return self._recorded(at, spec, entry)
        action = spec if isinstance(spec, Refused) else await prepare(spec, at, call, self.sealer)
        if isinstance(action, Refused):
            return await self._refuse_unprepared(at, call, action, kind, spec)
        step = _Step(self, at, self.tools[call.tool], action, entry, kind)
        while step.entry is None or not step.entry.state.is_settled:
            await step.advance()
            if step.entry is not None:
                at.entries[call.step_id] = step.entry
        return read_outcome(step.keep(), self.sealer, at.scope, replayed=False)

    def _recorded(self, at: Carry, spec: ToolSpec | Refused, entry: Entry) -> Outcome:
        """The recorded outcome. What its result holds is known to this pass as it was to the one that received it."""
        outcome = read_outcome(entry, self.sealer, at.scope, replayed=True)
        if isinstance(outcome, Done) and isinstance(spec, ToolSpec):
            at.masker.learn(outcome.result, spec.sensitive)
        return outcome

    def _as_recorded(self, at: Carry, spec: ToolSpec | Refused, call: ToolCall, entry: Entry) -> ToolCall:
        """Checks that a replayed call is the recorded one; an edited step goes on with the editor's arguments."""
        if entry.tool == call.tool and (entry.detail or {}).get("edited_by") and entry.arguments is not None:
            return replace(call, arguments=self.sealer.unseal(entry.arguments, at.scope))
        if entry.tool != call.tool or (
            isinstance(spec, ToolSpec) and not same_as_recorded(spec, at, call, entry.fingerprint, self.sealer)
        ):
            raise IdempotencyMismatch(
                f"Step {call.step_id} was recorded with another call than the one proposed now; nothing was sent.",
                remedy="A skill must make the same calls with the same arguments each time it is carried on: take "
                "times, random values and ids from the run (run.now, run.uuid), not from the machine.",
            )
        return call

    async def _refuse_unprepared(
        self, at: Carry, call: ToolCall, refused: Refused, kind: str, spec: ToolSpec | Refused
    ) -> Refused:
        """Records a refusal of something that never became an action; its arguments are not trusted to any table.

        Errors: `Suspended` where an effect is in doubt: that its target cannot be resolved now does not undo it."""
        entry = at.entries.get(call.step_id)
        if entry is not None and entry.state in (LedgerState.STARTED, LedgerState.UNKNOWN):
            reconciler = Reconciler(self.store, self.sealer)
            if entry.state is LedgerState.STARTED:
                entry = await reconciler.take_over(at, entry, effect=entry.impact != Impact.READ.value)
                at.entries[call.step_id] = entry
            if entry.state is LedgerState.UNKNOWN:
                await reconciler.stay_in_doubt(at, entry, ask_again=isinstance(spec, ToolSpec))
        fresh = entry or Entry(
            key=idempotency_key(at.scope, call.tool, at.run.run_id, call.step_id),
            run_id=at.run.run_id,
            step_id=call.step_id,
            kind=kind,
            tool=call.tool,
            impact=Impact.EXTERNAL.value,
            fingerprint="",
            state=LedgerState.REFUSED,
            fence=at.fence,
        )
        at.entries[call.step_id] = await self.store.awrite(at.scope, lambda tx: claims.refuse(tx, at, fresh, refused))
        return refused


class _Again(Enum):
    """Nothing was claimed, and what was decided may no longer hold: decide again."""

    AGAIN = "again"


class _Step:
    """One step on its way. `entry` is its ledger row as last written."""

    def __init__(self, gate: Gate, at: Carry, spec: ToolSpec, action: Action, entry: Entry | None, kind: str) -> None:
        self.gate, self.at, self.spec, self.action, self.entry, self.kind = gate, at, spec, action, entry, kind
        self.reconciler = Reconciler(gate.store, gate.sealer)
        self.claimed_at = 0.0

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

    async def _decide(self, *, anew: bool = False) -> None:
        """Policy speaks. `anew`: the answer that people gave is void; where it still holds, they are asked afresh."""
        refused = self._repeats_in_run()
        if refused:
            return await self._refuse(refused)
        decision = self._verdict()
        match decision.verdict:
            case Verdict.DENY:
                await self._refuse(Refused(decision.code, decision.message, decision.policies))
            case Verdict.HOLD:
                await self._hold(decision, anew=anew)
            case Verdict.ALLOW:
                await self._go(decision, None)

    def _verdict(self) -> Decision:
        try:
            return self.gate.policy.decide(self.action)
        except Exception as error:
            return Decision(Verdict.DENY, "policy_error", message=f"The decision failed with {type(error).__name__}.")

    def _repeats_in_run(self) -> Refused | None:
        """What this run has in doubt, or has been refused by a person, is not proposed again."""
        targets = set(map(str, self.action.shown_targets))
        for other in self.at.entries.values():
            if other.step_id == self.action.step_id or other.tool != self.action.tool:
                continue
            in_doubt = other.state in (LedgerState.UNKNOWN, LedgerState.STARTED) and other.impact != Impact.READ.value
            if in_doubt and (not targets or not other.targets or targets & set(other.targets)):
                return Refused("in_doubt", f"Step {other.step_id} of this run has the same effect in doubt.")
            if other.fingerprint == self.action.fingerprint and (other.detail or {}).get("code") in (
                "rejected",
                "rejected_before",
            ):
                return Refused(
                    "rejected_before", f"People rejected the same action in step {other.step_id} of this run."
                )
        return None

    async def _hold(self, decision: Decision, *, anew: bool) -> None:
        """A consumed approval still covers a retry of the same action; else a grant may; else people are asked."""
        approval = None if anew else await self._earlier_approval()
        if approval is not None and approval.state in (ApprovalState.APPROVED, ApprovalState.CONSUMED):
            return await self._go_as_approved(approval)
        grant = await self.gate.store.aread(
            self.at.scope, lambda tx: hold.fitting_grant(tx, self.action, self.at.run.release, self.gate.sealer)
        )
        if grant is not None:
            return await self._go(decision, None, grant_id=grant.grant_id)
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
        self.entry, _ = await self.gate.store.awrite(
            self.at.scope,
            lambda tx: hold.ask(tx, self.at, self.spec, self.action, decision, preview, sealed, entry, self.kind),
        )
        self.gate.probe("held")

    async def _look_at_answer(self) -> None:
        approval_id = self.keep().approval_id or ""
        standing = await self.gate.store.awrite(
            self.at.scope, lambda tx: hold.look(tx, self.at, self.action.step_id, approval_id)
        )
        if standing is None:
            return await self._refuse(Refused("no_approval", "The approval that this step waits for does not exist."))
        match standing.answer:
            case hold.Answer.PENDING:
                raise self.at.park(self.action.step_id, RunStatus.WAITING)
            case hold.Answer.REFUSED:
                await self._refuse(
                    Refused(standing.why, f"The action was not approved: {standing.why}.", standing.approval.policies)
                )
            case hold.Answer.ANEW:
                await self._decide(anew=True)
            case hold.Answer.GO:
                await self._go_as_approved(standing.approval)

    async def _go_as_approved(self, approval: Approval) -> None:
        """Rechecks the whole binding, then claims with the approval's consumption."""
        decision = self._verdict()
        why = await self._drift(approval, decision)
        if why:
            await self.gate.store.awrite(self.at.scope, lambda tx: hold.void(tx, self.at, approval, why))
            return await self._decide(anew=True)
        await self._go(decision, approval)

    async def _drift(self, approval: Approval, decision: Decision) -> str:
        """Why this approval does not cover the action as it is now; empty where it does."""
        now, votes = await self.gate.store.aread(
            self.at.scope, lambda tx: (tx.now, tx.approvals.votes(approval.approval_id))
        )
        if now > (approval.execute_by or 0.0):
            return "approved, but not carried out in time"
        excluded = hold.interested(self.at, self.action, (self.entry.detail or {}) if self.entry else {})
        return hold.drift(
            approval, votes, self.spec, self.action, decision, self.gate.directory, self.gate.sealer, excluded
        )

    async def _go(self, decision: Decision, approval: Approval | None, *, grant_id: str | None = None) -> None:
        """Admits, claims, executes, settles; or asks people, where the grant was used up meanwhile."""
        if self._budget_s() < self.spec.min_send_s:
            return await self._refuse(Refused("deadline", "Too little of the run's time is left to send this safely."))
        if not self.action.impact.is_effect and approval is None and grant_id is None and self.entry is None:
            return await self._read(decision)
        sealed = self.gate.sealer.seal(self.action.arguments, self.at.scope)
        claim = claims.Claim(self.action, self.spec, decision, self.entry, sealed, self.kind, approval, grant_id)
        started = await self._claim(claim)
        if started is None:
            await self._ask(decision)
        elif isinstance(started, Refused):
            await self._refuse(started)
        elif isinstance(started, claims.Duplicate):
            await self._answer_duplicate(started.entry)
        elif isinstance(started, Entry):
            self.entry = started
            await self._send()

    async def _claim(self, claim: claims.Claim) -> Entry | Refused | claims.Duplicate | _Again | None:
        """Claims, under the policy in force when the claim commits. Waits out a short rate limit; what was decided may
        be old by then. None: the grant was used up or revoked."""

        def work(tx: Tx) -> Entry | Refused | claims.Duplicate | _Again:
            # Not before: the transaction may have waited for others'.
            self.claimed_at = self.at.clock.monotonic()
            decision = self._verdict()
            if (decision.verdict, decision.approval) != (claim.decision.verdict, claim.decision.approval):
                return _Again.AGAIN
            return claims.start(tx, self.at, claim, self.gate.limits)

        try:
            return await self.gate.store.awrite(self.at.scope, work)
        except OverLimit as over:
            if over.wait_s > min(LONGEST_WAIT_S, self._left_s()):
                return Refused("rate_limited", f"The rate limit {over.bucket} is used up.")
            await self.at.clock.sleep(over.wait_s)
            return _Again.AGAIN
        except Conflict as conflict:
            match conflict.code:
                case "grant_taken":
                    return None
                case "business_key_taken":
                    return _Again.AGAIN
                case "approval_taken":
                    return Refused(conflict.code, conflict.message)
                case _:
                    raise

    async def _send(self) -> None:
        """Calls the tool and settles. INVARIANT: the row is STARTED and committed before this."""
        entry = self.keep()
        self.gate.probe("started")
        answer = await self.gate.executor.call(
            self.spec,
            self.action,
            attempt=entry.attempt,
            timeout_s=self._budget_s(),
            now=self._now,
            send_by=self.claimed_at + claims.SEND_WINDOW_S,
        )
        self.gate.probe("sent")
        took = self.at.clock.monotonic() - self.claimed_at
        result = settlement(self.spec, self.at, entry, answer, took, self.gate.sealer)
        if result.values["state"] is LedgerState.FAILED_RETRYABLE and result.pause_s >= self._left_s():
            # To come back when it may be tried again is later than the run has time for.
            result.values["state"] = LedgerState.FAILED_FINAL
        self.entry = await self._write_settlement(entry, result.events, result.values, answer)
        self.gate.probe("settled")
        if self.entry.state is LedgerState.FAILED_RETRYABLE or (
            self.entry.state is LedgerState.UNKNOWN
            and self.reconciler.may_resend(self.spec, self.entry, await self._now())
        ):
            await self.at.clock.sleep(min(result.pause_s, max(0.0, self._left_s())))

    async def _write_settlement(
        self, entry: Entry, events: list[Event], values: dict[str, Any], answer: Returned | Failure
    ) -> Entry:
        """A result that is in memory only is worth some patience with a locked or full store."""
        for attempt in range(1, 6):
            try:
                return await self.gate.store.awrite(
                    self.at.scope, lambda tx: self._settle(tx, entry, events, values, answer)
                )
            except Unavailable:
                if attempt == 5:
                    raise
                await self.at.clock.sleep(pause_s(attempt, 0.2, 5.0))
        raise AssertionError("unreachable")

    def _settle(
        self, tx: Tx, entry: Entry, events: list[Event], values: dict[str, Any], answer: Returned | Failure
    ) -> Entry:
        if isinstance(answer, Returned):
            refund_retry(tx, self.spec.name, retried=entry.attempt > 1)
        elif values["state"] is LedgerState.FAILED_RETRYABLE and not spend_retry(
            tx, self.spec.name, timed_out=answer.code == "timeout"
        ):
            values = {**values, "state": LedgerState.FAILED_FINAL}
        return claims.settle(tx, self.at, entry, events=events, **values)

    async def _read(self, decision: Decision) -> None:
        """A read: retried in memory, recorded once. One commit, two where a rate limit has to be reserved."""
        begun, attempt = self.at.clock.monotonic(), 0
        while True:
            refused = await self._admit_read()
            if refused:
                return await self._refuse(refused)
            attempt += 1
            answer = await self.gate.executor.call(
                self.spec, self.action, attempt=attempt, timeout_s=self._budget_s(), now=self._now
            )
            if (
                isinstance(answer, Returned)
                or answer.meaning is Meaning.REJECTED
                or attempt >= self.spec.retry.attempts
            ):
                break
            pause = answer.retry_after_s or pause_s(attempt, self.spec.retry.base_s, self.spec.retry.max_s)
            if pause + self.spec.min_send_s > self._left_s() or not await self._spend_retry(answer):
                break
            await self.at.clock.sleep(pause)
            decision = self._verdict()
            if decision.verdict is not Verdict.ALLOW:
                return  # decided again, from the start
        entry = replace(
            claims.new_entry(self.action, LedgerState.STARTED, self.at, 0.0, kind=self.kind), attempt=attempt
        )
        result = settlement(
            self.spec,
            self.at,
            entry,
            answer,
            self.at.clock.monotonic() - begun,
            self.gate.sealer,
            decision=decision,
            action=self.action,
        )
        entry, retried = replace(entry, **result.values), attempt > 1 and isinstance(answer, Returned)
        self.entry = await self.gate.store.awrite(
            self.at.scope, lambda tx: self._record_read(tx, entry, result.events[0], retried=retried)
        )

    def _record_read(self, tx: Tx, entry: Entry, event: Event, *, retried: bool) -> Entry:
        if entry.state is LedgerState.SUCCEEDED:
            refund_retry(tx, self.spec.name, retried=retried)
        return claims.record_read(tx, self.at, entry, event)

    async def _spend_retry(self, answer: Failure) -> bool:
        return await self.gate.store.awrite(
            self.at.scope, lambda tx: spend_retry(tx, self.spec.name, timed_out=answer.code == "timeout")
        )

    async def _admit_read(self) -> Refused | None:
        action, limits = self.action, self.gate.limits
        while True:
            limited = limits_call(self.spec.rate_limit, action.tool, limits)
            if not limited and self.gate.is_calm(action):
                return None
            switch = await self.gate.store.aread(self.at.scope, lambda tx: claims.stopped(tx, self.at, action))
            if switch is None:
                self.gate.note_calm(action)
            if switch is not None or not limited:
                return switch
            try:
                await self.gate.store.awrite(
                    self.at.scope, lambda tx: claims.reserve_call(tx, action.tool, self.spec.rate_limit, limits)
                )
                return None
            except OverLimit as over:
                if over.wait_s > min(LONGEST_WAIT_S, self._left_s()):
                    return Refused("rate_limited", f"The rate limit {over.bucket} is used up.")
                await self.at.clock.sleep(over.wait_s)

    async def _take_over(self) -> None:
        """A STARTED row that this pass finds: its worker died or was stopped. A read is simply done again."""
        entry, effect = self.keep(), self.keep().impact != Impact.READ.value
        self.entry = await self.reconciler.take_over(self.at, entry, effect=effect)

    async def _reconcile(self) -> None:
        """The ways out of UNKNOWN: a resend within the remote's window, a lookup, or a person."""
        entry = self.keep()
        if self.reconciler.may_resend(self.spec, entry, await self._now()) and await self._resend(entry):
            return
        # The lookup has its own time: a run whose time is over must still learn what it did.
        found = await self.gate.executor.look_up(self.spec, self.action, self.spec.timeout_s)
        self.entry = await self.reconciler.apply(self.at, self.spec, entry, found)

    async def _resend(self, entry: Entry) -> bool:
        """Same key, same arguments, under policy, approval and kill switch in force now. False: not admitted."""
        decision = self._verdict()
        if self._budget_s() < self.spec.min_send_s or entry.action_digest != self.action.digest:
            return False
        approval = await self._earlier_approval()
        if decision.verdict is Verdict.HOLD and not await self._is_covered(entry, approval, decision):
            return False
        if decision.verdict is Verdict.DENY:
            return False
        claim = claims.Claim(
            self.action,
            self.spec,
            decision,
            entry,
            entry.arguments or "",
            self.kind,
            grant_id=entry.grant_id,
            resends=True,
        )
        started = await self._claim(claim)
        if isinstance(started, Entry):
            self.entry = started
            await self._send()
        return isinstance(started, Entry)

    async def _is_covered(self, entry: Entry, approval: Approval | None, decision: Decision) -> bool:
        """Whether people's answer to the first send still stands: the approval whole, or the grant."""
        if approval is not None:
            return approval.state is ApprovalState.CONSUMED and not await self._drift(approval, decision)
        grant_id = entry.grant_id
        if grant_id is None:
            return False
        grant, now = await self.gate.store.aread(self.at.scope, lambda tx: (tx.grants.get(grant_id), tx.now))
        return grant is not None and grant.state == "active" and now < grant.expires_at

    async def _answer_duplicate(self, other: Entry) -> None:
        """The business key was used by another step: its result where there is one, else a refusal."""
        self.entry = await self.gate.store.awrite(
            self.at.scope, lambda tx: claims.record_duplicate(tx, self.at, self.action, self.entry, other, self.kind)
        )

    async def _refuse(self, refused: Refused) -> None:
        entry = self.entry or claims.new_entry(self.action, LedgerState.REFUSED, self.at, 0.0, kind=self.kind)
        self.entry = await self.gate.store.awrite(self.at.scope, lambda tx: claims.refuse(tx, self.at, entry, refused))

    async def _now(self) -> float:
        return await self.gate.store.aread(self.at.scope, lambda tx: tx.now)

    def _left_s(self) -> float:
        """What is left of the run's time. What it did is undone also when there is none."""
        return self.spec.timeout_s if self.kind == "compensation" else self.at.remaining_s()

    def _budget_s(self) -> float:
        return min(self.spec.timeout_s, self._left_s())
