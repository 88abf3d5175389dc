"""What takes two different people: whose votes count when it is decided."""

from dataclasses import replace

import pytest

from clearway.model.identity import Principal, Scope
from clearway.rules.two_people import people, still_held, vote_of

PROD, DEV, OTHER = Scope("acme", "prod"), Scope("acme", "dev"), Scope("globex", "prod")
DI = Principal("user", "di", PROD, frozenset({"operator"}))
DI_AT_NIGHT = replace(DI, id="di2", person="di")


def held(vote: str, *known: Principal, scope: Scope = PROD) -> bool:
    def find(name: str, where: Scope) -> Principal | None:
        return next((one for one in known if one.name == name and one.scope == where), None)

    return still_held([vote], scope, find, lambda one: "operator" in one.roles) == (vote,)


@pytest.mark.parametrize("voter", [DI, DI_AT_NIGHT, replace(DI, scope=OTHER)])
def test_a_vote_counts_while_the_login_that_cast_it_has_the_right_where_it_cast_it(voter: Principal) -> None:
    vote = vote_of(voter)
    assert held(vote, voter)
    assert held(vote, voter, scope=DEV), "wherever the second vote is cast"
    assert not held(vote)
    assert not held(vote, replace(voter, roles=frozenset({"viewer"})))
    assert not held(vote, replace(voter, scope=DEV))
    assert not held(vote, replace(voter, person="somebody_else")), "the login is another person's by now"
    assert people([vote]) == ("user:di",)


def test_a_vote_of_before_that_names_a_person_only_is_looked_up_in_the_scope_of_the_second_one() -> None:
    assert held("user:di", DI)
    assert not held("user:di", DI, scope=DEV)
    assert not held("user:di or something", DI)
