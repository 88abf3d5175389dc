"""Who may vote on an approval, and when it is decided. Pure (approvals-idempotency-audit.md §2)."""

import re
from collections.abc import Collection, Mapping, Sequence

from clearway.model.approval import Approval, Vote
from clearway.model.decision import Factor
from clearway.model.identity import Principal
from clearway.rules.rights import gives_rights

#: A role, and the factor that its vote is cast for: one person stands in for all, with a reason and a page.
BREAK_GLASS = "break_glass"

#: How a vote was authenticated: by what, as which login where the person has several, for whom where it was delegated.
_AUTHENTICATED = re.compile(r"(?P<how>\S+)(?: as (?P<login>\S+))?(?: for (?P<giver>\S+))?")


def authenticated(by: Principal, giver: str | None) -> str:
    """What a vote records of how it is known whose it is; `login_of` and `giver_of` read it."""
    login = "" if by.name == by.subject else f" as {by.name}"
    return by.authenticated_by + login + (f" for {giver}" if giver else "")


def login_of(vote: Vote) -> str:
    match = _AUTHENTICATED.fullmatch(vote.authenticated_by)
    return (match["login"] if match else None) or vote.subject


def giver_of(vote: Vote) -> str | None:
    """Whose membership the vote was cast with, where it was a delegated one."""
    match = _AUTHENTICATED.fullmatch(vote.authenticated_by)
    return match["giver"] if match else None


def memberships(person: Principal, excluded: Collection[str], votes: Sequence[Vote]) -> dict[str, str | None]:
    """Group → None where the person is a member, or whose membership they have been lent. An admin's count for nothing.

    A membership lent by somebody who may not decide here, or whose voice was heard already, counts for nothing."""
    if gives_rights(person):
        return {}
    taken = _heard(votes) | set(excluded)
    lent = {group: giver for group, giver in sorted(person.delegated) if not _is_of(taken, person, giver)}
    return {**lent, **dict.fromkeys(person.groups)}


def _heard(votes: Sequence[Vote]) -> set[str]:
    return {vote.subject for vote in votes} | {giver for vote in votes if (giver := giver_of(vote))}


def _is_of(subjects: Collection[str], taker: Principal, giver: str) -> bool:
    """Whether who lent a membership to `taker` may be one of these, by whatever login."""
    return not {giver, *(name for of, name in taker.giver_kin if of == giver)}.isdisjoint(subjects)


def still_holds(vote: Vote, person: Principal | None, excluded: Collection[str]) -> bool:
    """Whether whoever voted could vote so today. `person`: the login that voted, as it is now."""
    if person is None or person.subject != vote.subject or gives_rights(person):
        return False
    giver = giver_of(vote)
    if giver is not None:
        return (vote.factor, giver) in person.delegated and not _is_of(excluded, person, giver)
    return vote.factor in person.groups or (vote.factor == BREAK_GLASS and BREAK_GLASS in person.roles)


def excluded_reason(approval: Approval, by: Principal) -> str:
    """Why separation of duties forbids this person, whatever their login, or an empty string."""
    if {by.subject, by.name, *by.kin} & set(approval.excluded):
        return "whoever asked for an action, or edited it, cannot approve it"
    return ""


def is_heard(by: Principal, votes: Sequence[Vote]) -> bool:
    """Whether this person's vote is among them: by any login that may be theirs, or by whom they lent a membership."""
    return by.may_be(_heard(votes))


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


def choose_factor(
    factors: Sequence[Factor], votes: Sequence[Vote], groups: Collection[str], members: Mapping[str, int]
) -> str | None:
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
