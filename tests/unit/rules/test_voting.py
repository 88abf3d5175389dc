"""Who has a voice, as pure rules."""

from dataclasses import replace

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


@pytest.mark.parametrize("name", ["user:bo", "user:oidc.bo"])
def test_a_lent_membership_counts_for_nothing_where_a_login_of_its_giver_may_not_decide_or_has_voted(name: str) -> None:
    taker = replace(person("approver"), giver_kin=frozenset({("user:bo", "user:oidc.bo"), ("user:cy", "user:oidc.cy")}))
    cast, lent = Vote("apr_1", name, "approve", "finance", 1.0, "a", "p", "", "key:k2", ""), "key:k1 for user:bo"
    assert memberships(taker, ("user:cy", "user:oidc.cy"), ()) == {"finance": None, "security": "user:bo"}
    assert memberships(taker, (name,), ()) == {"finance": None}
    assert memberships(taker, (), (cast,)) == {"finance": None}
    assert still_holds(vote("security", lent), taker, ("user:cy", "user:oidc.cy"))
    assert not still_holds(vote("security", lent), taker, (name,))


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
