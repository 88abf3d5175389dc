"""Putting releases in force and taking them back, on both databases."""

import threading

import pytest

from clearway.model.errors import ClearwayError, Conflict, Denied
from clearway.model.identity import Scope
from tests.releases.conftest import PROD, House

DEV = Scope("acme", "dev")
OTHER = Scope("globex", "prod")


def two(house: House) -> tuple[str, str]:
    """A release in force, and a signed one that differs in a policy."""
    first = house.cut()
    house.sign_all(first)
    house.rollout.promote(house.who("olga"), first, "the first")
    house.edit("policies/desk.cedar", lambda text: text + "\n// wider\n")
    second = house.cut()
    house.sign_all(second)
    return first, second


def active(house: House, scope: Scope = PROD) -> str | None:
    return house.rollout.status(scope)["active"]


def test_an_unsigned_release_is_not_put_in_force_outside_of_dev(house: House) -> None:
    digest = house.cut()
    with pytest.raises(Conflict) as conflict:
        house.rollout.promote(house.who("olga"), digest, "quickly")
    assert conflict.value.code == "unsigned"
    assert active(house) is None
    tried = house.rollout.promote(house.who("olga", DEV), digest, "to try it")
    assert active(house, DEV) == digest
    names = [duty["duty"] for duty in tried["unsigned"]]
    assert names
    events = house.store.read(DEV, lambda tx: tx.audit.read())
    assert events[-1].payload is not None
    assert (events[-1].kind, events[-1].payload["unsigned"]) == ("release.promoted", names)
    house.sign_all(digest)
    assert house.rollout.promote(house.who("olga"), digest, "signed")["unsigned"] == []


def test_a_promotion_holds_in_its_own_tenant_and_environment_only(house: House) -> None:
    first, _ = two(house)
    assert active(house) == first
    assert active(house, DEV) is None
    assert active(house, OTHER) is None


def test_a_signed_release_is_promoted_and_rolled_back_by_one_action(house: House) -> None:
    first, second = two(house)
    assert house.rollout.promote(house.who("olga"), second, "a wider policy")["active"] == second
    back = house.rollout.rollback(house.who("olga"), "it refuses everything")
    assert (back["active"], back["rolled_back"], back["generation"]) == (first, second, 3)
    kinds = [move["kind"] for move in house.rollout.status(PROD)["moves"]]
    assert kinds == ["rollback", "promote", "promote"]


def test_the_incident_owner_needs_nobodys_leave_and_others_may_not(house: House) -> None:
    _, second = two(house)
    house.rollout.promote(house.who("olga"), second, "a wider policy")
    with pytest.raises(Denied):
        house.rollout.rollback(house.who("sam"), "I don't like it")
    assert active(house) == second


def test_a_rollback_goes_to_a_release_that_was_in_force(house: House) -> None:
    _, second = two(house)
    with pytest.raises(Conflict) as conflict:
        house.rollout.rollback(house.who("olga"), "back", to=second)
    assert conflict.value.code == "never_in_force"
    with pytest.raises(Conflict) as conflict:
        house.rollout.rollback(house.who("olga"), "back")
    assert conflict.value.code == "nothing_before"


def test_who_rolls_back_again_never_gets_what_was_rolled_back(house: House) -> None:
    digests: list[str] = []
    for number in range(3):
        house.edit("policies/desk.cedar", lambda text, n=number: f"{text}\n// {n}\n")
        digests.append(house.cut())
        house.sign_all(digests[-1])
        house.rollout.promote(house.who("olga"), digests[-1], "on")
    first, second, third = digests

    def back() -> str:
        return str(house.rollout.rollback(house.who("olga"), "refuses everything")["active"])

    assert [back(), back()] == [second, first]
    with pytest.raises(Conflict) as conflict:
        back()
    assert conflict.value.code == "nothing_before"
    house.sign_all(third)
    house.rollout.promote(house.who("olga"), third, "mended elsewhere")
    assert back() == first


def test_t34_a_rollback_to_a_revoked_release_is_refused_without_two_people(house: House) -> None:
    first, second = two(house)
    house.rollout.promote(house.who("olga"), second, "a wider policy")
    house.shelf.revoke(house.who("bo"), first, "it leaked cards")
    for to in (first, None):
        with pytest.raises(Conflict) as conflict:
            house.rollout.rollback(house.who("olga"), "back", to=to)
        assert conflict.value.code in ("revoked", "nothing_before")
    house.shelf.reinstate(house.who("bo"), first, "better than this")
    with pytest.raises(Conflict):
        house.rollout.rollback(house.who("olga"), "back", to=first)
    house.shelf.reinstate(house.who("olga"), first, "agreed")
    assert house.rollout.rollback(house.who("olga"), "back", to=first)["active"] == first


def test_what_is_in_force_is_not_revoked(house: House) -> None:
    first, _ = two(house)
    with pytest.raises(Conflict) as conflict:
        house.shelf.revoke(house.who("bo"), first, "bad")
    assert conflict.value.code == "in_force"


def test_a_rollback_ends_a_canary_first(house: House) -> None:
    first, second = two(house)
    started = house.rollout.canary(house.who("olga"), second, 0.1, "carefully")
    assert (started["active"], started["canary"], started["canary_share"]) == (first, second, 0.1)
    back = house.rollout.rollback(house.who("olga"), "it mis-routes")
    assert (back["active"], back["canary"], back["rolled_back"]) == (first, None, second)


def test_a_shadow_needs_no_signature_and_a_canary_does(house: House) -> None:
    first, _ = two(house)
    house.edit("policies/desk.cedar", lambda text: text + "\n// unsigned\n")
    third = house.cut()
    assert house.rollout.shadow(house.who("olga"), third, "let us see")["shadow"] == third
    with pytest.raises(Conflict) as conflict:
        house.rollout.canary(house.who("olga"), third, 0.5, "carefully")
    assert conflict.value.code == "unsigned"
    assert active(house) == first


def test_of_many_who_promote_at_once_each_move_is_one_generation(house: House) -> None:
    first, second = two(house)
    failures: list[ClearwayError] = []

    def swing(target: str) -> None:
        try:
            house.rollout.promote(house.who("olga"), target, "at once")
        except ClearwayError as error:
            failures.append(error)

    threads = [threading.Thread(target=swing, args=(target,)) for target in (first, second) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    status = house.rollout.status(PROD)
    generations = [move["generation"] for move in status["moves"]]
    assert generations == list(range(status["generation"], 0, -1))
    assert {failure.code for failure in failures} <= {"in_force", "moved", "store_locked"}


def test_whoever_asked_for_a_release_back_and_left_the_owners_does_not_count_when_the_second_one_asks(
    house: House,
) -> None:
    digest = house.cut()
    house.shelf.revoke(house.who("olga"), digest, "leaks account numbers")
    asked = house.shelf.reinstate(house.who("olga"), digest, "mended")
    assert asked["revoked"]["reinstate_votes"] == ["user:olga"]
    kept = house.project
    house.edit("ownership.toml", lambda text: text.replace('"olga"', '"dana"'))
    still = house.shelf.reinstate(house.who("amir"), digest, "agreed")
    assert still["revoked"]["reinstate_votes"] == ["user:amir"]
    house.project = kept
    assert house.shelf.reinstate(house.who("olga"), digest, "mended, still")["revoked"] is None
