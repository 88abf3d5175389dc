"""What takes two different people, each on their own: a kill switch's release, a revoked release's return.

A vote is one text, `user:PERSON as user:LOGIN in TENANT/ENVIRONMENT`: whose it is, the login that cast it where that
has another name, and where it holds its rights. (Votes of before say the person only.)
"""

import re
from collections.abc import Callable, Iterable, Sequence

from clearway.model.identity import Principal, Scope

NEEDED = 2

_VOTE = re.compile(r"(?P<subject>\S+)(?: as (?P<login>\S+))?(?: in (?P<tenant>[^/\s]+)/(?P<environment>\S+))?")


def vote_of(by: Principal) -> str:
    login = "" if by.name == by.subject else f" as {by.name}"
    return f"{by.subject}{login} in {by.scope.tenant}/{by.scope.environment}"


def people(votes: Iterable[str]) -> tuple[str, ...]:
    """The persons of the votes, as `user:ID`: all that anybody is shown, who may be of another tenant."""
    return tuple(vote.partition(" ")[0] for vote in votes)


def still_held(
    votes: Sequence[str],
    scope: Scope,
    find: Callable[[str, Scope], Principal | None],
    may: Callable[[Principal], bool],
) -> tuple[str, ...]:
    """The votes of those who could cast them today: the login is still that person's, and `may` says that it has the
    right. `scope`: of votes that name none."""
    return tuple(vote for vote in votes if (one := _voter(vote, scope, find)) is not None and may(one))


def _voter(vote: str, scope: Scope, find: Callable[[str, Scope], Principal | None]) -> Principal | None:
    match = _VOTE.fullmatch(vote)
    if match is None:
        return None
    where = Scope(match["tenant"], match["environment"]) if match["tenant"] else scope
    found = find(match["login"] or match["subject"], where)
    return found if found is not None and found.subject == match["subject"] else None
