"""One step on its way through the gate: a state machine over its ledger row.

`Gate.propose` moves it on until it is settled or must wait.
"""

from dataclasses import replace
from enum import Enum
from typing import Any

from clearway.model.action import Action
from clearway.model.approval import Approval, ApprovalState
from clearway.model.decision import Decision, Verdict
from clearway.model.errors import Conflict, Unavailable
from clearway.model.event import Event
from clearway.model.ledger import Entry, LedgerState
from clearway.model.outcome import Refused, Returned
from clearway.model.run import RunStatus
from clearway.model.tool import Impact
from clearway.ports import Tx
from clearway.rules.failure import Failure
from clearway.rules.retry import pause_s
from clearway.rules.shapes import of_results
from clearway.rules.turn import ALREADY_PENDING, is_call
from clearway.runtime import claim as claims
from clearway.runtime import hold, tracing
from clearway.runtime.endorsements import applied, in_force, relies_on_endorsements
from clearway.runtime.history import happenings, look_back
from clearway.runtime.limits import OverLimit, refund_retry, spend_retry
from clearway.runtime.proposal import Proposal
from clearway.runtime.reading import read
from clearway.runtime.reconcile import Reconciler
from clearway.runtime.settle import settlement


class _Again(Enum):
    """Nothing was claimed, and what was decided may no longer hold: decide again."""

    AGAIN = "again"


class Step:
    """One step on its way. `entry` is its ledger row as last written."""

    def __init__(self, proposal: Proposal, entry: Entry | None) -> None:
        self.proposal, self.entry = proposal, entry
        self.gate, self.at, self.kind = proposal.gate, proposal.at, proposal.kind
        self.spec, self.action = proposal.spec, proposal.action
        self.reconciler = Reconciler(self.gate.store, self.gate.sealer)
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
        decision = await self._verdict()
        await self._note_shadow(decision)
        match decision.verdict:
            case Verdict.DENY:
                await self._refuse(Refused(decision.code, decision.message, decision.policies))
            case Verdict.HOLD:
                await self._hold(decision, anew=anew)
            case Verdict.ALLOW:
                await self._go(decision, None)

    async def _note_shadow(self, decision: Decision) -> None:
        """Where a shadow release runs, what it would have decided otherwise. It decides nothing."""
        differs = self.gate.watch.decided(self.action, decision)
        if differs is not None:
            event = Event("release.shadow_decision", differs, self.action.run_id, self.action.step_id)
            await self.gate.store.awrite(self.at.scope, lambda tx: tx.audit.append([event]))

    async def _verdict(self) -> Decision:
        """What the policy in force says now, to what has happened by now."""
        needed = self.gate.policy.history_read(self.action.tool)
        if needed:
            action, sealer = self.action, self.gate.sealer
            history = await self.gate.store.aread(self.at.scope, lambda tx: look_back(tx, action, needed, sealer))
            self._see(replace(action, history=history))
        return tracing.decided(self.gate.telemetry, self.action, self.proposal.verdict())

    def _look_again(self, tx: Tx) -> None:
        """INVARIANT: what is claimed was decided in the claiming transaction: on counters that no other run can change
        meanwhile, on endorsements that are still in force, and on what the run is held for now."""
        action, needed = self.action, self.gate.policy.history_read(self.action.tool)
        self.at.run = replace(self.at.run, held_for=tx.runs.held_for(action.run_id))
        if needed:
            action = replace(action, history=look_back(tx, action, needed, self.gate.sealer))
        if relies_on_endorsements(action):
            rows = tx.endorsements.in_force(action.run_id, action.user.name, tx.now)
            self.at.endorsements = in_force(rows, self.at, self.gate.directory, self.gate.sealer)
            labels = applied(action.labels, action.arguments, self.at, self.gate.sealer)
            action = replace(action, labels=labels)
        self._see(action)

    def _see(self, action: Action) -> None:
        self.action, self.proposal = action, replace(self.proposal, action=action)

    def _is_counted(self) -> bool:
        return self.action.impact.is_effect or bool(self.gate.policy.history_read(self.action.tool))

    def _repeats_in_run(self) -> Refused | None:
        """What this run has in doubt, or has been refused by a person, is not proposed again; by a model neither what
        waits for people or was carried out, however it is spelt."""
        targets = set(map(str, self.action.shown_targets))
        for other in self.at.entries.values():
            if other.step_id == self.action.step_id or other.tool != self.action.tool:
                continue
            in_doubt = other.state in (LedgerState.UNKNOWN, LedgerState.STARTED) and other.impact != Impact.READ.value
            if in_doubt and (not targets or not other.targets or targets & set(other.targets)):
                return Refused("in_doubt", f"Step {other.step_id} of this run has the same effect in doubt.")
            if other.fingerprint == self.action.fingerprint and is_call(self.action.step_id) and self.kind == "call":
                if other.state is LedgerState.HELD:
                    why = f"The same action waits for people already, in step {other.step_id}; they are asked once."
                    return Refused(ALREADY_PENDING, why)
                if other.state is LedgerState.SUCCEEDED and self.action.impact.is_effect:
                    return Refused("repeated_call", f"Step {other.step_id} of this run has done the same already.")
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
        grant = None
        if self.at.run.held_for is None:  # no standing permission answers for a release that was rolled back
            grant = await self.gate.store.aread(
                self.at.scope,
                lambda tx: hold.fitting_grant(
                    tx, self.action, self.at.run.release, self.gate.sealer, self.gate.directory
                ),
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
            preview = await self.gate.executor.ask(self.spec.preview, self.action.arguments, self.proposal.budget_s())
            preview = self.at.masker.mask(preview, self.spec.sensitive, of_results(self.spec))
        sealed = self.at.vault.seal(self.action.arguments)
        entry = self.entry

        def work(tx: Tx) -> Entry | None:
            # Whom the run is held for may have changed since it was read: nobody is asked for a hold that was lifted.
            held_for = tx.runs.held_for(self.action.run_id)
            if held_for != self.at.run.held_for:
                self.at.run = replace(self.at.run, held_for=held_for)
                return None
            return hold.ask(tx, self.at, self.spec, self.action, decision, preview, sealed, entry, self.kind)[0]

        asked = await self.gate.store.awrite(self.at.scope, work)
        if asked is None:
            return await self._decide(anew=True)
        self.entry = asked
        self.gate.probe("held")
        tracing.asked(self.gate.telemetry, self.entry)

    async def _look_at_answer(self) -> None:
        approval_id = self.keep().approval_id or ""
        standing = await self.gate.store.awrite(
            self.at.scope, lambda tx: hold.look(tx, self.at, self.action.step_id, approval_id)
        )
        if standing is None:
            return await self._refuse(Refused("no_approval", "The approval that this step waits for does not exist."))
        await tracing.told(self.gate, self.at, standing)
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
        decision = await self._verdict()
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
        if self.proposal.budget_s() < self.spec.min_send_s:
            return await self._refuse(Refused("deadline", "Too little of the run's time is left to send this safely."))
        if not self._is_counted() and approval is None and grant_id is None and self.entry is None:
            self.entry = await read(self.proposal, decision)
            return
        sealed = self.at.vault.seal(self.action.arguments)
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

        counted = happenings(claim.action, self.gate.sealer) if self._is_counted() else ()

        def work(tx: Tx) -> Entry | Refused | claims.Duplicate | _Again:
            # Not before: the transaction may have waited for others'.
            self.claimed_at = self.at.clock.monotonic()
            self.gate.watch.claiming(tx)
            self._look_again(tx)
            decision = self.proposal.verdict()
            if (decision.verdict, decision.approval) != (claim.decision.verdict, claim.decision.approval):
                return _Again.AGAIN
            # What is recorded is what decided here, not what had decided before.
            now = replace(claim, action=self.action, decision=decision, happenings=counted)
            return claims.start(tx, self.at, now, self.at.version.limits)

        try:
            return await self.gate.store.awrite(self.at.scope, work)
        except OverLimit as over:
            if not self.proposal.can_wait(over.wait_s):
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
        with tracing.tool_span(self.proposal, entry.attempt) as span:
            answer = await self.gate.executor.call(
                self.spec,
                self.action,
                attempt=entry.attempt,
                timeout_s=self.proposal.budget_s(),
                now=self.proposal.now,
                send_by=self.claimed_at + claims.SEND_WINDOW_S,
            )
            took = self.at.clock.monotonic() - self.claimed_at
            tracing.answered(self.proposal, span, answer, took)
        self.gate.probe("sent")
        result = settlement(self.spec, self.at, entry, answer, took)
        if result.values["state"] is LedgerState.FAILED_RETRYABLE and result.pause_s >= self.proposal.left_s():
            # To come back when it may be tried again is later than the run has time for.
            result.values["state"] = LedgerState.FAILED_FINAL
        self.entry = await self._write_settlement(entry, result.events, result.values, answer)
        self.gate.probe("settled")
        if self.entry.state is LedgerState.FAILED_RETRYABLE or (
            self.entry.state is LedgerState.UNKNOWN
            and self.reconciler.may_resend(self.spec, self.entry, await self.proposal.now())
        ):
            await self.at.clock.sleep(min(result.pause_s, max(0.0, self.proposal.left_s())))

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

    async def _take_over(self) -> None:
        """A STARTED row that this pass finds: its worker died or was stopped. A read is simply done again."""
        entry, effect = self.keep(), self.keep().impact != Impact.READ.value
        self.entry = await self.reconciler.take_over(self.at, entry, effect=effect)

    async def _reconcile(self) -> None:
        """The ways out of UNKNOWN: a resend within the remote's window, a lookup, or a person."""
        entry = self.keep()
        if self.reconciler.may_resend(self.spec, entry, await self.proposal.now()) and await self._resend(entry):
            return
        # The lookup has its own time: a run whose time is over must still learn what it did.
        found = await self.gate.executor.look_up(self.spec, self.action, self.spec.timeout_s)
        self.entry = await self.reconciler.apply(self.at, self.spec, entry, found)

    async def _resend(self, entry: Entry) -> bool:
        """Same key, same arguments, under policy, approval and kill switch in force now. False: not admitted."""
        decision = await self._verdict()
        if self.proposal.budget_s() < self.spec.min_send_s or entry.action_digest != self.action.digest:
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
        if grant_id is None or self.at.run.held_for is not None:
            return False
        grant, now = await self.gate.store.aread(self.at.scope, lambda tx: (tx.grants.get(grant_id), tx.now))
        return grant is not None and grant.state == "active" and now < grant.expires_at

    async def _answer_duplicate(self, other: Entry) -> None:
        """The business key was used by another step: its result where there is one, else a refusal."""
        self.entry = await self.gate.store.awrite(
            self.at.scope, lambda tx: claims.record_duplicate(tx, self.at, self.action, self.entry, other, self.kind)
        )

    async def _refuse(self, refused: Refused) -> None:
        self.entry = await self.proposal.refuse(self.entry, refused)
