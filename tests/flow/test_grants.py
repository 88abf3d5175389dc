"""Standing permission: exactly what was agreed to, as often as agreed, as long as agreed."""

import json
import threading
from typing import Any

import pytest

from clearway import Denied, Invalid, Run, skill, tool
from tests.flow.desk import refund_skill, refund_tool
from tests.road import Json, Road, Roads, allow, hold

CALL: Json = {"account": "9182", "amount_minor": 500}
BOUNDS: Json = {
    "account": {"equals": "9182"},
    "amount_minor": {"max": 1000},
    "currency": {"equals": "USD"},
    "note": {"any": True},
}
TERMS: Json = {"targets": ["account:9182"], "bounds": BOUNDS, "max_uses": 2, "ttl_s": 600.0, "reason": "a busy day"}


def a_road(roads: Roads, **options: Any) -> Road:
    return roads.build(
        tools=[refund_tool(roads.remote, **options.pop("tool", {}))],
        skills=[refund_skill()],
        policy={"refund": hold()},
        **options,
    )


def grant(road: Road, **terms: Any) -> Json:
    """Asked for by an operator, agreed to by both groups."""
    asked = road.as_user("olga").ask_grant("refund", **{**TERMS, **terms})
    road.vote("amir", approval_id=asked["approval_id"])
    return road.vote("sid", approval_id=asked["approval_id"])


def goes(road: Road, **arguments: Any) -> bool:
    """Whether the call went without asking; else it was held."""
    record = road.run("desk", **{**CALL, **arguments})
    assert record["status"] in ("done", "waiting")
    return record["status"] == "done"


def test_a_grant_covers_what_it_says_as_often_as_it_says(roads: Roads) -> None:
    road = a_road(roads)
    assert grant(road)["state"] == "consumed"
    assert goes(road)
    assert goes(road, amount_minor=1000, note="anything")
    assert not goes(road)
    assert len(road.remote.effects) == 2


@pytest.mark.parametrize(
    "other", [{"amount_minor": 1001}, {"amount_minor": -1}, {"account": "9183"}, {"currency": "EUR"}]
)
def test_t17_a_grant_does_not_cover_anything_else(roads: Roads, other: Json) -> None:
    road = a_road(roads)
    grant(road)
    assert not goes(road, **other)
    assert not road.remote.calls


def test_a_grant_needs_its_whole_quorum_and_not_the_one_who_asks(roads: Roads) -> None:
    road = a_road(roads)
    road.regroup("olga", "finance", roles=("operator",))
    asked = road.as_user("olga").ask_grant("refund", **TERMS)
    with pytest.raises(Denied):
        road.vote("olga", approval_id=asked["approval_id"])
    road.vote("amir", approval_id=asked["approval_id"])
    assert not goes(road)
    with pytest.raises(Denied):
        road.as_user("dana").ask_grant("refund", **TERMS)


def test_t17_an_expired_and_a_revoked_grant_cover_nothing(roads: Roads) -> None:
    road = a_road(roads)
    grant(road)
    road.time.advance(600.0)
    assert not goes(road)
    grant(road)
    (live,) = [g for g in road.app.reading().grants()["items"] if g["uses"] == 0][-1:]
    for each in road.app.reading().grants()["items"]:
        if each["state"] == "active":
            road.as_user("olga").revoke_grant(each["grant_id"], "over")
    assert live
    assert not goes(road)
    assert not road.remote.calls


def test_t17_a_grant_ends_with_the_release_and_with_the_tool(roads: Roads) -> None:
    grant(a_road(roads))
    assert not goes(a_road(roads, digest="release-2"))
    assert not goes(a_road(roads, tool={"description": "other"}))
    assert goes(a_road(roads))


def test_irreversible_actions_are_never_granted(roads: Roads) -> None:
    road = a_road(roads, tool={"irreversible": True})
    with pytest.raises(Invalid, match="irreversible"):
        road.as_user("olga").ask_grant("refund", **TERMS)
    grant(a_road(roads))
    assert not goes(road)


@pytest.mark.parametrize(
    "terms",
    [
        {"max_uses": 0},
        {"max_uses": 1000},
        {"ttl_s": 3601.0},
        {"ttl_s": 0.0},
        {"targets": []},
        {"reason": " "},
        {"bounds": {"account": {"equals": "9182"}}},
        {"bounds": {**BOUNDS, "amount_minor": {"max": "1000"}}},
        {"bounds": {**BOUNDS, "amount_minor": {"min": 1}}},
        {"bounds": {**BOUNDS, "note": {"any": False}}},
        {"bounds": {**BOUNDS, "amount_minor": {"max": True}}},
        {"bounds": {**BOUNDS, "amount_minor": 5}},
        {"bounds": {**BOUNDS, "amount_minor": {"max": 5, "any": True}}},
    ],
)
def test_a_grant_with_open_ends_cannot_be_asked_for(roads: Roads, terms: Json) -> None:
    with pytest.raises(Invalid):
        a_road(roads).as_user("olga").ask_grant("refund", **{**TERMS, **terms})


def test_t17_uses_are_counted_across_workers_that_claim_at_once(roads: Roads) -> None:
    road = a_road(roads)
    grant(road, max_uses=3)
    runs = [road.start("dana", "desk", **CALL) for _ in range(8)]
    workers = [road.another_worker() for _ in range(4)]
    threads = [threading.Thread(target=road.work, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    road.work()
    assert sorted(road.status(run) for run in runs) == ["done"] * 3 + ["waiting"] * 5
    assert len(road.remote.effects) == 3


@pytest.mark.parametrize(
    "change",
    [{"bounds": {name: {"any": True} for name in ("account", "amount_minor", "currency", "note")}}, {"max_uses": 99}],
)
def test_t17_a_grant_whose_row_was_changed_covers_nothing(roads: Roads, change: Json) -> None:
    road = a_road(roads)
    grant(road, max_uses=1)
    assert goes(road)
    ((column, value),) = change.items()
    assert road.sql(
        f"UPDATE grants SET uses = 0, {column} = :value", value=json.dumps(value) if isinstance(value, dict) else value
    )
    assert not goes(road)


def test_sensitive_bounds_are_stored_and_compared_as_tokens(roads: Roads) -> None:
    road = a_road(roads, tool={"sensitive": ["note"]})
    grant(road, bounds={**BOUNDS, "note": {"equals": "canary-77"}}, reason="for canary-77")
    assert goes(road, note="canary-77")
    assert not goes(road, note="canary-78")
    if road.project.settings.store_url.startswith("sqlite"):
        assert b"canary-77" not in road.stored_bytes()


@pytest.mark.parametrize(("said", "goes_through"), [("the caller", True), ("an e-mail", False)])
def test_t17_any_value_of_an_argument_that_matters_is_any_but_an_untrusted_one(
    roads: Roads, said: str, goes_through: bool
) -> None:
    @tool(impact="read")
    def read_email() -> str:
        return "late again"

    @skill(tools=["refund", read_email])
    async def desk(run: Run, account: str, amount_minor: int, note: str) -> str:
        mail = await run.call("read_email")
        await run.call(
            "refund", account=account, amount_minor=amount_minor, note=note if said == "the caller" else mail
        )
        return "done"

    tools = [refund_tool(roads.remote, consequential=["note"]), read_email]
    road = roads.build(tools=tools, skills=[desk], policy={"refund": hold(), "read_email": allow()})
    grant(road)
    assert goes(road, note="as agreed") is goes_through
