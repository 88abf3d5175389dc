"""What is known before and after a move: a rollback's plan, what it voided, a canary's evidence, who may what."""

from typing import Any

import pytest

from clearway.model.errors import Conflict, Denied, NotFound
from clearway.model.event import Event
from clearway.model.run import Run, RunStatus
from clearway.operate.releases.canaries import canary_record
from clearway.operate.releases.history import canaries, move_record
from clearway.operate.releases.plan import rollback_plan
from clearway.operate.releases.standing import Standings, live
from clearway.rules.releases.guard import Ended, Guard, Terms
from tests.contract.examples import run as a_run
from tests.releases.conftest import PROD, House
from tests.releases.test_rollout import two

Json = dict[str, Any]


def plan(house: House, to: str | None = None) -> Json:
    return house.store.read(PROD, lambda tx: rollback_plan(tx, house.shelf, to))


def move(house: House, generation: int) -> Json:
    return house.store.read(PROD, lambda tx: move_record(tx, generation))


def started(house: House, release: str, number: int, status: RunStatus = RunStatus.RUNNING) -> Run:
    now = house.store.read(PROD, lambda tx: tx.now)
    ended = now + 3.0 if status.is_final else None
    made = a_run(number, release=release, status=status, created_at=now, finished_at=ended)
    house.store.write(PROD, lambda tx: tx.runs.insert(made))
    return made


def test_without_a_promotion_there_is_nothing_to_roll_back(house: House) -> None:
    found = plan(house)
    assert (found["from"], found["to"], found["generation"]) == (None, None, 0)
    assert found["refused"]["code"] == "nothing_before"
    assert house.store.read(PROD, live) == {"digest": None, "generation": 0}


def test_a_plan_is_what_the_rollback_then_does_and_changes_nothing_itself(house: House) -> None:
    first, second = two(house)
    house.rollout.promote(house.who("olga"), second, "a wider policy")
    under_way, other = started(house, second, 1), started(house, first, 2)
    head = house.store.read(PROD, lambda tx: tx.audit.head())
    found = plan(house)
    assert house.store.read(PROD, lambda tx: tx.audit.head()) == head
    assert (found["from"]["digest"], found["to"]["digest"], found["generation"]) == (second, first, 2)
    assert (found["refused"], found["ends_canary"], found["held_for"]) == (None, False, "operations")
    assert [run["run_id"] for run in found["runs"]] == [under_way.run_id]
    assert found["counts"] == {"runs": 1, "approvals": 0, "grants": 0}
    assert [one["digest"] for one in found["earlier"]] == [first]
    back = house.rollout.rollback(house.who("olga"), "back", seen=2)
    assert (back["rolled_back"], back["active"]) == (second, first)
    assert [run["run_id"] for run in back["runs"]] == [under_way.run_id]
    assert other.run_id not in str(back)


def test_a_plan_to_a_revoked_release_says_that_it_is_refused(house: House) -> None:
    first, second = two(house)
    house.rollout.promote(house.who("olga"), second, "a wider policy")
    house.shelf.revoke(house.who("bo"), first, "it leaked cards")
    found = plan(house, first)
    assert (found["to"], found["refused"]["code"]) == (None, "revoked")
    assert plan(house)["refused"]["code"] == "nothing_before"


def test_what_was_moved_since_somebody_looked_is_a_conflict_for_every_act(house: House) -> None:
    first, second = two(house)
    olga = house.who("olga")
    house.rollout.promote(olga, second, "a wider policy", seen=1)
    acts = (
        lambda: house.rollout.promote(olga, first, "x", seen=1),
        lambda: house.rollout.canary(olga, first, 0.5, "x", seen=1),
        lambda: house.rollout.shadow(olga, first, "x", seen=1),
        lambda: house.rollout.rollback(olga, "x", seen=1),
    )
    for act in acts:
        with pytest.raises(Conflict, match=r"promote by user:olga \(move 2\)") as refused:
            act()
        assert refused.value.code == "moved"
    assert house.rollout.status(PROD)["generation"] == 2


def test_a_move_is_found_among_many_events_with_what_it_voided(house: House) -> None:
    first, second = two(house)
    house.store.write(PROD, lambda tx: tx.audit.append([Event("run.started", {"n": n}) for n in range(700)]))
    house.rollout.promote(house.who("olga"), second, "a wider policy")
    under_way = started(house, second, 1)
    house.rollout.rollback(house.who("olga"), "it refuses everything", runs="cancel")
    house.store.write(PROD, lambda tx: tx.audit.append([Event("run.started", {"n": n}) for n in range(700)]))
    found = move(house, 3)
    assert (found["kind"], found["digest"], found["from"], found["runs"]) == ("rollback", first, second, "cancel")
    assert (found["by"], found["reason"], found["before"]["digest"]) == ("user:olga", "it refuses everything", second)
    assert (found["cleared"]["runs"], found["cleared"]["fate"]) == ([under_way.run_id], "cancel")
    promoted = move(house, 2)
    assert (promoted["kind"], promoted["cleared"], promoted["from"]) == ("promote", None, None)
    assert found["seq"] > promoted["seq"] > 700
    for number in (0, 4):
        with pytest.raises(NotFound):
            move(house, number)


def test_a_canary_that_ends_leaves_its_share_and_its_evidence(house: House) -> None:
    first, second = two(house)
    olga = house.who("olga")
    house.rollout.canary(olga, second, 0.25, "carefully", Terms(route_shift=0.05))
    guard = Guard.begin(Terms(route_shift=0.05))
    for number in range(30):
        guard.note_route(differs=number % 3 == 0)
        guard.note_end(Ended(False, False, False, 1.0), canary=False)
        guard.note_end(Ended(number % 2 == 0, False, False, 2.0), canary=True)
        guard.note_look(1_700_000_000.0 + number)
    house.store.write(PROD, lambda tx: tx.releases.note_guard(2, guard.as_json()))
    started(house, second, 1, RunStatus.FAILED)
    started(house, second, 2, RunStatus.DONE)
    started(house, first, 3)
    found = house.store.read(PROD, canary_record)
    assert (found["canary"], found["active"], found["share"], found["by"]) == (second, first, 0.25, "user:olga")
    measures = {one["name"]: one for one in found["measures"]}
    assert set(measures) == {"routes", "failures", "denials", "approvals", "durations", "costs"}
    assert (measures["routes"]["compared"], measures["routes"]["canary"]) == (30, 10)
    assert (measures["failures"]["canary"], measures["failures"]["control"]) == (15, 0)
    assert (measures["costs"]["compared"], measures["costs"]["log_e"]) == (0, 0.0)
    assert measures["denials"]["log_e"] <= 0 < measures["routes"]["log_e"]
    assert max(one["log_e"] for one in found["measures"]) >= found["enough"], "seeded past the threshold"
    assert found["advice"] == "roll_back"
    assert [point["looks"] for point in found["course"]] == list(range(1, 31))
    assert found["course"][0]["at"].startswith("2023-11-14T22:13:20")
    assert found["course"][-1]["log_e"]["failures"] == round(measures["failures"]["log_e"], 2)
    assert [(arm["release"], arm["runs"], arm["failed"]) for arm in found["arms"]] == [(second, 2, 1), (first, 1, 0)]
    house.rollout.shadow(olga, second, "as well")
    assert house.store.read(PROD, canary_record)["since"] == found["since"], "a shadow that joins begins no canary"
    house.rollout.rollback(olga, "it mis-routes")
    ended = move(house, 4)["ended_canary"]
    assert (ended["release"], ended["share"], ended["requests"]) == (second, 0.25, 30)
    assert ended["log_e"]["failures"] == measures["failures"]["log_e"]
    assert house.store.read(PROD, canary_record) == {"canary": None, "active": first, "generation": 4}
    house.rollout.canary(olga, second, 0.5, "again")
    house.rollout.promote(olga, second, "it holds")
    past = house.store.read(PROD, lambda tx: canaries(tx.releases.moves()))
    assert [(one["canary"], one["control"], one["outcome"]) for one in past] == [
        (second, first, "promoted"),
        (second, first, "rolled back"),
    ]
    assert [one["began"]["generation"] for one in past] == [5, 2]


def test_each_release_stands_somewhere_and_offers_what_its_reader_may_do(house: House) -> None:
    first, second = two(house)
    house.edit("policies/desk.cedar", lambda text: text + "\n// unsigned\n")
    third = house.cut()
    house.rollout.promote(house.who("olga"), second, "a wider policy")
    standings = Standings(house.shelf, frozenset({"dev"}))

    def one(who: str, digest: str) -> Any:
        return house.store.read(PROD, lambda tx: standings.one(tx, house.who(who), digest))

    places = {
        row["digest"]: row
        for row in house.store.read(PROD, lambda tx: standings.page(tx, limit=9, cursor=None))["items"]
    }
    assert {digest: row["place"] for digest, row in places.items()} == {first: "earlier", second: "active", third: ""}
    assert [duty["duty"] for duty in places[third]["duties"]] == ["policy"]
    assert places[second]["duties"] == []
    assert one("olga", second).acts == {"revoke": "It is in force: roll back first."}
    assert one("olga", first).acts["rollback"] == ""
    assert one("olga", third).acts == {
        "promote": "It is not signed for what it changes.",
        "canary": "It is not signed for what it changes.",
        "shadow": "",
        "revoke": "",
    }
    assert set(one("sam", third).acts) == {"promote", "canary", "shadow"}, "not of the incident or policy owners"
    assert one("dana", third).why_not_sign.startswith("You cut it")
    assert (one("bo", third).why_not_sign, one("bo", third).to_sign) == ("", ("policy",))
    house.shelf.revoke(house.who("bo"), third, "no")
    assert one("olga", third).acts == {"reinstate": ""}
    house.shelf.reinstate(house.who("olga"), third, "well")
    assert one("olga", third).acts == {"reinstate": "A second person has to reinstate it too."}
    with pytest.raises(Denied):
        house.store.read(PROD, lambda tx: standings.require(tx, house.who("sam"), "rollback"))
