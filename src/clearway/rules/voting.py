"""Who may vote on an approval, and when it is decided. Pure (approvals-idempotency-audit.md §2)."""

from collections.abc import Collection, Mapping, Sequence

from clearway.model.approval import Approval, Vote
from clearway.model.decision import Factor

#: A role, and the factor that its vote is cast for: one person stands in for all, with a reason and a page.
BREAK_GLASS = "break_glass"


def excluded_reason(approval: Approval, subject: str) -> str:
    """Why separation of duties forbids this subject, or an empty string."""
    if subject in approval.excluded:
        return "whoever asked for an action, or edited it, cannot approve it"
    return ""


def fill(factors: Sequence[Factor], votes: Sequence[Vote]) -> dict[str, int]:
    """Approving votes counted by group; a vote counts for the one factor that it was cast for."""
    counted = {factor.group: 0 for factor in factors}
    for vote in votes:
        if vote.verdict == "approve" and vote.factor in counted:
            counted[vote.factor] += 1
    return counted


def is_met(factors: Sequence[Factor], votes: Sequence[Vote]) -> bool:
    """Whether every factor has its people. One rejection ends it, whatever else was voted."""
    if any(vote.verdict != "approve" for vote in votes):
        return False
    if any(vote.factor == BREAK_GLASS for vote in votes):
        return True
    counted = fill(factors, votes)
    return all(counted[factor.group] >= factor.n for factor in factors)


def choose_factor(factors: Sequence[Factor], votes: Sequence[Vote], groups: Collection[str],
                  members: Mapping[str, int]) -> str | None:
    """The factor that a new vote of somebody in `groups` counts for: an open one, that with the fewest people first.

    One person counts for one factor. `members`: group → how many people it has.
    """
    counted = fill(factors, votes)
    open_factors = [f.group for f in factors if f.group in groups and counted[f.group] < f.n]
    return min(open_factors, key=lambda group: (members.get(group, 0), group), default=None)


def still_covers(approved: Sequence[Factor], asked_now: Sequence[Factor]) -> bool:
    """Whether an approval under `approved` answers what policy asks for now."""
    had = {factor.group: factor.n for factor in approved}
    return all(had.get(factor.group, 0) >= factor.n for factor in asked_now)
