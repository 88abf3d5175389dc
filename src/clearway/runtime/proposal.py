"""A validated action on its way through the gate: what the steps and the reads of it share."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clearway.model.action import Action
from clearway.model.decision import ApprovalRule, Decision, Factor, Verdict
from clearway.model.ledger import Entry, LedgerState
from clearway.model.outcome import Refused
from clearway.model.tool import ToolSpec
from clearway.rules.obligations import unite
from clearway.runtime.carry import Carry
from clearway.runtime.transitions import new_entry, refuse

if TYPE_CHECKING:
    from clearway.runtime.gate import Gate

#: A rate-limited call waits at most so long in its worker before it is refused.
LONGEST_WAIT_S = 10.0
#: Stands among a decision's policies where it is held because the run's release was rolled back.
ROLLED_BACK = "clearway:rolled-back"


@dataclass(frozen=True, slots=True)
class Proposal:
    """`kind`: of its ledger row, `call` or `compensation`."""

    gate: "Gate"
    at: Carry
    spec: ToolSpec
    action: Action
    kind: str

    def verdict(self) -> Decision:
        """What the policy in force says now, with what the run is held for. Fail-closed: an error is a deny."""
        try:
            decision = self.gate.policy.decide(self.action)
        except Exception as error:
            return Decision(Verdict.DENY, "policy_error", message=f"The decision failed with {type(error).__name__}.")
        return held(decision, self.at.run.held_for) if self.action.impact.is_effect else decision

    async def refuse(self, entry: Entry | None, refused: Refused) -> Entry:
        """Settles the step's row, or makes it a settled one."""
        row = entry or new_entry(self.action, LedgerState.REFUSED, self.at, 0.0, kind=self.kind)
        return await self.gate.store.awrite(self.at.scope, lambda tx: refuse(tx, self.at, row, refused))

    async def now(self) -> float:
        """Epoch seconds on the store's clock."""
        return await self.gate.store.aread(self.at.scope, lambda tx: tx.now)

    def left_s(self) -> float:
        """What is left of the run's time. What it did is undone also when there is none."""
        return self.spec.timeout_s if self.kind == "compensation" else self.at.remaining_s()

    def budget_s(self) -> float:
        """How long one attempt may take."""
        return min(self.spec.timeout_s, self.left_s())

    def can_wait(self, wait_s: float) -> bool:
        """Whether a rate limit can be waited out in the worker."""
        return wait_s <= min(LONGEST_WAIT_S, self.left_s())


def held(decision: Decision, group: str | None) -> Decision:
    """`decision` as it is for a run of a release that was rolled back: an effect waits for `group` too.

    INVARIANT: never laxer: a deny stays one, and who was asked before is still asked.
    """
    if group is None or decision.verdict is Verdict.DENY:
        return decision
    asked = ApprovalRule((Factor(group, 1),))
    return replace(
        decision,
        verdict=Verdict.HOLD,
        code="approval_required",
        policies=(*decision.policies, ROLLED_BACK),
        approval=asked if decision.approval is None else unite((decision.approval, asked)),
    )
