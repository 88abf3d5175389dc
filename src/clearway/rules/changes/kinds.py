"""The ways in which one decision can differ from another: how much more, or less, is let through."""

from dataclasses import dataclass
from enum import StrEnum

from clearway.model.decision import ApprovalRule, Decision, Verdict


class Change(StrEnum):
    """What becomes of a request. In the order in which they are reported, the gravest first."""

    DENY_TO_ALLOW = "deny_to_allow"
    HOLD_TO_ALLOW = "hold_to_allow"
    DENY_TO_HOLD = "deny_to_hold"
    WEAKER_APPROVAL = "weaker_approval"
    ALLOW_TO_DENY = "allow_to_deny"
    ALLOW_TO_HOLD = "allow_to_hold"
    HOLD_TO_DENY = "hold_to_deny"
    STRICTER_APPROVAL = "stricter_approval"
    OTHER_ESCALATION = "other_escalation"

    @property
    def direction(self) -> "Direction":
        if self in _WIDENINGS:
            return Direction.WIDENING
        return Direction.NEITHER if self is Change.OTHER_ESCALATION else Direction.NARROWING


class Direction(StrEnum):
    WIDENING = "widening"
    NARROWING = "narrowing"
    NEITHER = "neither"


_WIDENINGS = frozenset({Change.DENY_TO_ALLOW, Change.HOLD_TO_ALLOW, Change.DENY_TO_HOLD, Change.WEAKER_APPROVAL})


@dataclass(frozen=True, slots=True)
class Weaker:
    """What makes an approval weaker; empty texts where nothing does."""

    people: tuple[str, ...] = ()
    decision_ttl: bool = False
    execution_ttl: bool = False

    def __bool__(self) -> bool:
        return bool(self.people or self.decision_ttl or self.execution_ttl)


def changes(old: Decision, new: Decision) -> frozenset[Change]:
    """All that changed from one decision to the other; empty where they come to the same."""
    if old.verdict is not new.verdict:
        return frozenset({Change(f"{old.verdict.value}_to_{new.verdict.value}")})
    if old.verdict is not Verdict.HOLD or old.approval is None or new.approval is None:
        return frozenset()
    found: set[Change] = set()
    if weaker(old.approval, new.approval):
        found.add(Change.WEAKER_APPROVAL)
    if weaker(new.approval, old.approval):
        found.add(Change.STRICTER_APPROVAL)
    if not found and old.approval.escalate_to != new.approval.escalate_to:
        found.add(Change.OTHER_ESCALATION)
    return frozenset(found)


def weaker(old: ApprovalRule, new: ApprovalRule) -> Weaker:
    """In what `new` asks for less: fewer people of a group, or a longer time."""
    counts = {factor.group: factor.n for factor in new.factors}
    return Weaker(
        tuple(factor.group for factor in old.factors if factor.n > counts.get(factor.group, 0)),
        new.decision_ttl_s > old.decision_ttl_s,
        new.execution_ttl_s > old.execution_ttl_s,
    )
