"""Asks policy about an action on its way; what has happened by then goes into the action."""

from dataclasses import replace

from clearway.model.action import Action
from clearway.model.decision import Decision
from clearway.model.event import Event
from clearway.ports import Tx
from clearway.runtime import tracing
from clearway.runtime.endorsements import applied, in_force, relies_on_endorsements
from clearway.runtime.history import look_back
from clearway.runtime.proposal import Proposal


class Judge:
    """Of one action. `proposal`: with the action as policy was last asked about it."""

    def __init__(self, proposal: Proposal) -> None:
        self.proposal = proposal
        self.gate, self.at = proposal.gate, proposal.at

    @property
    def action(self) -> Action:
        return self.proposal.action

    async def verdict(self) -> Decision:
        """What the policy in force says now, to what has happened by now."""
        needed = self.gate.policy.history_read(self.action.tool)
        if needed:
            action, sealer = self.action, self.gate.sealer
            history = await self.gate.store.aread(self.at.scope, lambda tx: look_back(tx, action, needed, sealer))
            self._see(replace(action, history=history))
        return tracing.decided(self.gate.telemetry, self.action, self.proposal.verdict())

    def verdict_in(self, tx: Tx) -> Decision:
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
        return self.proposal.verdict()

    def _see(self, action: Action) -> None:
        self.proposal = replace(self.proposal, action=action)

    def is_counted(self) -> bool:
        """Whether sequence conditions count it."""
        return self.action.impact.is_effect or bool(self.gate.policy.history_read(self.action.tool))

    async def note_shadow(self, decision: Decision) -> None:
        """Where a shadow release runs, what it would have decided otherwise. It decides nothing."""
        differs = self.gate.watch.decided(self.action, decision)
        if differs is not None:
            event = Event("release.shadow_decision", differs, self.action.run_id, self.action.step_id)
            await self.gate.store.awrite(self.at.scope, lambda tx: tx.audit.append([event]))
