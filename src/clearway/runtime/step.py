"""One step on its way through the gate: a state machine over its ledger row.

`Gate.propose` moves it on until it is settled or must wait.
"""

from dataclasses import replace

from clearway.model.action import Action
from clearway.model.approval import Approval, ApprovalState
from clearway.model.decision import Decision, Verdict
from clearway.model.ledger import Entry, LedgerState
from clearway.model.outcome import Refused
from clearway.model.run import RunStatus
from clearway.model.tool import Impact
from clearway.ports import Tx
from clearway.rules.shapes import of_results
from clearway.runtime import hold, tracing
from clearway.runtime.binding import drift
from clearway.runtime.claim import Claim, Duplicate
from clearway.runtime.fitting_grant import fitting_grant
from clearway.runtime.judge import Judge
from clearway.runtime.proposal import Proposal
from clearway.runtime.reading import read
from clearway.runtime.reconcile import Reconciler
from clearway.runtime.repeats import repeats_in_run
from clearway.runtime.sending import Started, claim, send
from clearway.runtime.transitions import record_duplicate


class Step:
    """One step on its way. `entry` is its ledger row as last written."""

    def __init__(self, proposal: Proposal, entry: Entry | None) -> None:
        self.judge, self.entry = Judge(proposal), entry
        self.gate, self.at, self.kind, self.spec = proposal.gate, proposal.at, proposal.kind, proposal.spec
        self.reconciler = Reconciler(self.gate.store, self.gate.sealer)

    @property
    def proposal(self) -> Proposal:
        return self.judge.proposal

    @property
    def action(self) -> Action:
        return self.judge.action

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
        refused = repeats_in_run(self.proposal)
        if refused:
            return await self._refuse(refused)
        decision = await self.judge.verdict()
        await self.judge.note_shadow(decision)
        match decision.verdict:
            case Verdict.DENY:
                await self._refuse(Refused(decision.code, decision.message, decision.policies))
            case Verdict.HOLD:
                await self._hold(decision, anew=anew)
            case Verdict.ALLOW:
                await self._go(decision, None)

    async def _hold(self, decision: Decision, *, anew: bool) -> None:
        """A consumed approval still covers a retry of the same action; else a grant may; else people are asked."""
        approval = None if anew else await self._earlier_approval()
        if approval is not None and approval.state in (ApprovalState.APPROVED, ApprovalState.CONSUMED):
            return await self._go_as_approved(approval)
        grant = None
        if self.at.run.held_for is None:  # no standing permission answers for a release that was rolled back
            grant = await self.gate.store.aread(
                self.at.scope,
                lambda tx: fitting_grant(tx, self.action, self.at.run.release, self.gate.sealer, self.gate.directory),
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
        decision = await self.judge.verdict()
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
        return drift(approval, votes, self.spec, self.action, decision, self.gate.directory, self.gate.sealer, excluded)

    async def _go(self, decision: Decision, approval: Approval | None, *, grant_id: str | None = None) -> None:
        """Admits, claims, executes, settles; or asks people, where the grant was used up meanwhile."""
        if self.proposal.budget_s() < self.spec.min_send_s:
            return await self._refuse(Refused("deadline", "Too little of the run's time is left to send this safely."))
        if not self.judge.is_counted() and approval is None and grant_id is None and self.entry is None:
            self.entry = await read(self.proposal, decision)
            return
        sealed = self.at.vault.seal(self.action.arguments)
        wanted = Claim(self.action, self.spec, decision, self.entry, sealed, self.kind, approval, grant_id)
        started = await claim(self.judge, wanted)
        if started is None:
            await self._ask(decision)
        elif isinstance(started, Refused):
            await self._refuse(started)
        elif isinstance(started, Duplicate):
            await self._answer_duplicate(started.entry)
        elif isinstance(started, Started):
            self.entry = await send(self.proposal, started)

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
        decision = await self.judge.verdict()
        if self.proposal.budget_s() < self.spec.min_send_s or entry.action_digest != self.action.digest:
            return False
        approval = await self._earlier_approval()
        if decision.verdict is Verdict.HOLD and not await self._is_covered(entry, approval, decision):
            return False
        if decision.verdict is Verdict.DENY:
            return False
        wanted = Claim(
            self.action,
            self.spec,
            decision,
            entry,
            entry.arguments or "",
            self.kind,
            grant_id=entry.grant_id,
            resends=True,
        )
        started = await claim(self.judge, wanted)
        if isinstance(started, Started):
            self.entry = await send(self.proposal, started)
        return isinstance(started, Started)

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
            self.at.scope, lambda tx: record_duplicate(tx, self.at, self.action, self.entry, other, self.kind)
        )

    async def _refuse(self, refused: Refused) -> None:
        self.entry = await self.proposal.refuse(self.entry, refused)
