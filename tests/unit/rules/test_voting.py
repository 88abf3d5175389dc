"""Who has a voice, as pure rules."""

import pytest

from clearway.model.approval import Vote
from clearway.model.errors import Denied
from clearway.model.identity import Principal, Scope
from clearway.rules.rights import refuse_admin
from clearway.rules.voting import BREAK_GLASS, memberships, still_holds

PROD = Scope("acme", "prod")


def person(*roles: str, groups: tuple[str, ...] = ("finance",)) -> Principal:
    lent = frozenset({("security", "user:bo")})
    return Principal("user", "amir", PROD, frozenset(roles), frozenset(groups), delegated=lent)


def vote(factor: str, authenticated_by: str = "key:k1") -> Vote:
    return Vote("apr_1", "user:amir", "approve", factor, 1.0, "a", "p", "", authenticated_by, "")


def test_a_member_has_their_own_groups_and_those_that_were_lent_to_them() -> None:
    assert memberships(person("approver"), (), ()) == {"finance": None, "security": "user:bo"}


def test_an_admin_has_none_whatever_their_other_roles() -> None:
    assert memberships(person("admin"), (), ()) == {}
    assert memberships(person("approver", "operator", "admin"), (), ()) == {}


@pytest.mark.parametrize(
    ("cast", "roles"),
    [(vote("finance"), ()), (vote("security", "key:k1 for user:bo"), ()), (vote(BREAK_GLASS), (BREAK_GLASS,))],
)
def test_a_vote_holds_until_its_caster_becomes_an_admin(cast: Vote, roles: tuple[str, ...]) -> None:
    assert still_holds(cast, person("approver", *roles), ())
    assert not still_holds(cast, person("approver", "admin", *roles), ())


def test_an_admin_is_refused_by_name_of_the_rule() -> None:
    refuse_admin(person("approver"))
    with pytest.raises(Denied) as caught:
        refuse_admin(person("approver", "admin"))
    assert caught.value.code == "admin_approves"
