"""Rate limits, kill switches, retries of runs and the idempotency of requests."""

from typing import Any

import pytest

from clearway import Conflict, Denied, Invalid, NotFound, RateLimit
from clearway.model.errors import IdempotencyMismatch, Limited
from clearway.model.ledger import LedgerState
from clearway.project.settings import Budget, LimitSettings
from tests.flow.desk import errand_skill, read_tool, refund_skill, refund_tool
from tests.road import Json, Road, Roads, allow, deny, hold

CALL: Json = {"account": "9182", "amount_minor": 500}


def a_road(roads: Roads, skill: Json | None = None, **options: Any) -> Road:
    tool = options.pop("tool", {})
    return roads.build(
        tools=[refund_tool(roads.remote, **tool), read_tool(roads.remote)],
        skills=[refund_skill(**(skill or {})), errand_skill("refund", "read_account")],
        policy={"refund": options.pop("refund", allow()), "read_account": allow()},
        **options,
    )


# --- Rate limits ---------------------------------------------------------------------------------------------------


def test_a_tools_rate_limit_is_waited_for_where_that_is_short_and_refused_where_it_is_long(roads: Roads) -> None:
    road = a_road(roads, tool={"rate_limit": RateLimit(1, per_s=5.0)})
    assert road.run("desk", **CALL)["status"] == "done"
    assert road.run("desk", **CALL)["status"] == "done"
    assert road.time.slept == [pytest.approx(5.0)]
    road = a_road(roads, tool={"rate_limit": RateLimit(1, per_s=500.0), "name": "refund"})
    road.run("desk", **CALL)
    record = road.run("desk", **CALL)
    assert (record["status"], record["failure"]["code"]) == ("refused", "rate_limited")
    assert not [e for e in record["events"] if e["kind"] == "action.started"]


def test_policy_is_asked_anew_after_waiting_for_a_rate_limit(roads: Roads, monkeypatch: pytest.MonkeyPatch) -> None:
    road = a_road(roads, tool={"rate_limit": RateLimit(1, per_s=5.0)})
    road.run("desk", **CALL)
    sleep = road.time.sleep

    async def tightened(seconds: float) -> None:
        road.rules.set("refund", deny())
        await sleep(seconds)

    monkeypatch.setattr(road.time, "sleep", tightened)
    assert road.run("desk", **CALL)["failure"]["code"] == "forbidden"
    assert len(road.remote.effects) == 1


def test_a_rate_limit_is_shared_by_all_workers_and_counts_reads_too(roads: Roads) -> None:
    limits = LimitSettings(tenant=RateLimit(2, per_s=1000.0))
    road = a_road(roads, limits=limits)
    assert road.run("errand", plan=[["refund", CALL]])["result"] == ["done"]
    road.restart()
    assert road.run("errand", plan=[["read_account", {"account": "1"}]])["result"] == ["done"]
    assert road.run("errand", plan=[["read_account", {"account": "1"}]])["result"] == ["rate_limited"]
    assert road.run("errand", plan=[["refund", CALL]])["result"] == ["rate_limited"]


def test_a_tenants_budget_of_steps_ends_with_the_day_and_counts_reads_and_effects(roads: Roads) -> None:
    road = a_road(roads, limits=LimitSettings(tenant_day_budget=Budget(steps=2)))
    assert road.run("errand", plan=[["read_account", {"account": "1"}]])["result"] == ["done"]
    assert road.run("errand", plan=[["refund", CALL]])["result"] == ["done"]
    road.restart()
    assert road.run("errand", plan=[["refund", CALL]])["result"] == ["rate_limited"]
    assert len(road.remote.effects) == 1
    road.time.advance(86400.0)
    assert road.run("errand", plan=[["refund", CALL]])["result"] == ["done"]


def test_a_denied_call_uses_up_no_rate_limit(roads: Roads) -> None:
    road = a_road(roads, tool={"rate_limit": RateLimit(1, per_s=1000.0)}, refund=deny())
    road.run("desk", **CALL)
    road.rules.set("refund", allow())
    assert road.run("desk", **CALL)["status"] == "done"


def test_a_skills_rate_limit_turns_requests_away_with_the_time_to_come_back(roads: Roads) -> None:
    road = a_road(roads, skill={"rate_limit": RateLimit(1, per_s=60.0)})
    road.run("desk", **CALL)
    with pytest.raises(Limited) as limited:
        road.start("dana", "desk", **CALL)
    assert limited.value.retry_after_s == pytest.approx(60.0)
    road.time.advance(60.0)
    assert road.run("desk", **CALL)["status"] == "done"


def test_a_rate_limit_of_one_tenant_is_not_anothers(roads: Roads) -> None:
    road = a_road(roads, tool={"rate_limit": RateLimit(1, per_s=1000.0)})
    road.run("desk", **CALL)
    rita = road.as_user("rita")
    run_id = rita.start("x", skill="desk", input=CALL)["run_id"]
    road.work()
    assert rita.run(run_id)["status"] == "done"


# --- Kill switches -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "id"), [("global", ""), ("environment", "dev"), ("tenant", "acme"), ("agent", "desk"), ("tool", "refund")]
)
def test_a_kill_switch_between_approval_and_send_stops_the_send(roads: Roads, kind: str, id: str) -> None:
    road = a_road(roads, refund=hold())
    run_id = road.start("dana", "desk", **CALL)
    road.work()
    road.vote("amir")
    road.with_key("olga").engage(kind, id, "something is wrong")
    road.work()
    assert (road.status(run_id), road.record(run_id)["failure"]["code"]) == ("refused", "kill_switch")
    assert not road.remote.calls


def test_a_kill_switch_of_something_else_stops_nothing(roads: Roads) -> None:
    road = a_road(roads)
    road.as_user("olga").engage("tool", "read_account", "wrong")
    road.as_user("olga").engage("agent", "errand", "wrong")
    assert road.run("desk", **CALL)["status"] == "done"


def test_a_kill_switch_stops_reads_too(roads: Roads) -> None:
    road = a_road(roads)
    road.as_user("olga").engage("tool", "read_account", "wrong")
    assert road.run("errand", plan=[["read_account", {"account": "1"}]])["result"] == ["kill_switch"]
    assert not road.remote.calls


def test_releasing_a_kill_switch_takes_two_different_people(roads: Roads) -> None:
    road = a_road(roads)
    olga, omar = road.as_user("olga"), road.as_user("omar")
    olga.engage("tool", "refund", "wrong")
    assert olga.release("tool", "refund", "mended")["engaged"]
    with pytest.raises(Conflict, match="second person"):
        olga.release("tool", "refund", "mended")
    assert road.run("desk", **CALL)["status"] == "refused"
    assert not omar.release("tool", "refund", "mended")["engaged"]
    assert road.run("desk", **CALL)["status"] == "done"


def test_engaging_again_starts_the_release_over(roads: Roads) -> None:
    road = a_road(roads)
    olga, omar = road.as_user("olga"), road.as_user("omar")
    olga.engage("tool", "refund", "wrong")
    olga.release("tool", "refund", "mended")
    omar.engage("tool", "refund", "not at all")
    assert omar.release("tool", "refund", "now")["engaged"]


def test_the_global_kill_switch_takes_a_key_and_shared_ones_a_role_of_their_own(roads: Roads) -> None:
    road = a_road(roads)
    with pytest.raises(Denied, match="API key"):
        road.as_user("olga").engage("global", "", "wrong")
    road.with_key("olga").engage("global", "", "wrong")
    with pytest.raises(Denied, match="API key"):
        road.as_user("omar").release("global", "", "mended")
    road.regroup("omar", roles=("operator",))
    for kind, id in (("global", ""), ("environment", "dev")):
        with pytest.raises(Denied, match="every tenant"):
            road.with_key("omar").engage(kind, id, "wrong")


def test_only_operators_of_that_tenant_and_environment_touch_its_kill_switches(roads: Roads) -> None:
    road = a_road(roads)
    with pytest.raises(Denied):
        road.as_user("dana").engage("tool", "refund", "because")
    for kind, id in (("tenant", "rival"), ("environment", "prod")):
        with pytest.raises(Denied):
            road.as_user("olga").engage(kind, id, "theirs")
        with pytest.raises(Denied):
            road.as_user("olga").release(kind, id, "theirs")
    road.as_user("rita").engage("tool", "refund", "rival's own")
    assert road.run("desk", **CALL)["status"] == "done"


@pytest.mark.parametrize(("kind", "id"), [("toool", "refund"), ("global", "x"), ("tool", ""), ("tool", "refnud")])
def test_a_kill_switch_that_would_stop_nothing_is_refused(roads: Roads, kind: str, id: str) -> None:
    with pytest.raises((Invalid, NotFound)):
        a_road(roads).as_user("olga").engage(kind, id, "wrong")


def test_engaging_lists_what_is_under_way(roads: Roads) -> None:
    road = a_road(roads)
    road.die_at("started")
    run_id = road.start("dana", "desk", **CALL)
    road.work()
    road.restart()
    road.as_user("olga").engage("tool", "refund", "wrong")
    line = road.app.reading().audit_export()["lines"][-1]
    assert road.step(run_id).key in str(line)


# --- Requests and runs ---------------------------------------------------------------------------------------------


def test_the_same_key_is_the_same_run_and_another_body_is_refused(roads: Roads) -> None:
    road = a_road(roads)
    dana = road.as_user("dana")
    first = dana.start("refund it", skill="desk", input=CALL, key="order-1")
    road.work()
    again = dana.start("refund it", skill="desk", input=CALL, key="order-1")
    assert (again["run_id"], again["new"]) == (first["run_id"], False)
    for text, input in (("refund it", {**CALL, "amount_minor": 501}), ("refund them", CALL)):
        with pytest.raises(IdempotencyMismatch):
            dana.start(text, skill="desk", input=input, key="order-1")
    with pytest.raises(IdempotencyMismatch):
        road.as_user("eli").start("refund it", skill="desk", input=CALL, key="order-1")
    road.work()
    assert len(road.remote.effects) == 1


def test_a_key_equal_in_two_tenants_is_two_runs(roads: Roads) -> None:
    road = a_road(roads)
    first = road.as_user("dana").start("x", skill="desk", input=CALL, key="order-1")
    second = road.as_user("rita").start("x", skill="desk", input={**CALL, "amount_minor": 1}, key="order-1")
    assert first["run_id"] != second["run_id"]
    road.work()
    assert sorted(e.tenant for e in road.remote.effects) == ["acme", "rival"]


@pytest.mark.parametrize("key", ["", "a b", "ü", "x" * 201, "line\nbreak"])
def test_a_malformed_key_is_refused(roads: Roads, key: str) -> None:
    with pytest.raises(Invalid):
        a_road(roads).as_user("dana").start("x", skill="desk", input=CALL, key=key)


def test_a_retried_run_keeps_its_ids_and_keys_and_repeats_nothing_that_was_done(roads: Roads) -> None:
    road = a_road(roads)
    road.remote.do("succeed", "rejected")
    plan = [["refund", CALL], ["refund", {"account": "2", "amount_minor": 2}]]

    from clearway import skill

    @skill(tools=["refund"])
    async def both(run: Any) -> None:
        for name, arguments in plan:
            await run.call(name, **arguments)

    road = roads.build(tools=[refund_tool(roads.remote)], skills=[both], policy={"refund": allow()})
    run_id = road.start("dana", "both")
    road.work()
    assert road.status(run_id) == "failed"
    before = [e.key for e in road.entries(run_id)]
    with pytest.raises(Denied):
        road.as_user("dana").retry(run_id, "please")
    road.as_user("olga").retry(run_id, "the card works again")
    road.work()
    assert road.status(run_id) == "done"
    assert [e.key for e in road.entries(run_id)] == before
    assert [e.arguments["account"] for e in road.remote.effects] == ["9182", "2"]


def test_only_what_failed_can_be_retried_and_only_what_goes_on_cancelled(roads: Roads) -> None:
    road = a_road(roads)
    record = road.run("desk", **CALL)
    for attempt in (road.as_user("olga").retry, road.as_user("olga").cancel):
        with pytest.raises(Conflict):
            attempt(record["run_id"], "again")


def test_others_runs_are_cancelled_by_operators_only(roads: Roads) -> None:
    road = a_road(roads, refund=hold())
    run_id = road.start("dana", "desk", **CALL)
    road.work()
    with pytest.raises(Denied):
        road.as_user("eli").cancel(run_id, "stop")
    road.as_user("olga").cancel(run_id, "stop")
    road.work()
    assert road.status(run_id) == "cancelled"


def test_a_run_whose_user_is_gone_or_whose_skill_is_missing_fails_and_says_so(roads: Roads) -> None:
    road = a_road(roads, refund=hold())
    run_id, second = road.start("dana", "desk", **CALL), road.start("eli", "desk", **CALL)
    road.work()
    road.dismiss("dana")
    road.vote("amir", approval_id=road.approvals_of(run_id)[0].approval_id)
    road.work()
    assert road.record(run_id)["failure"]["code"] == "user_gone"
    later = roads.build(tools=[refund_tool(roads.remote)], skills=[], policy={"refund": hold()})
    later.vote("amir", approval_id=later.approvals_of(second)[0].approval_id)
    later.work()
    assert later.record(second)["failure"]["code"] == "skill_missing"
    assert not roads.remote.calls


def test_a_defect_of_ours_ends_the_run_visibly(roads: Roads, caplog: pytest.LogCaptureFixture) -> None:
    road = a_road(roads)
    loader: Any = road.app.workflow.loader
    secret = "-".join(("canary", "4111"))

    class Broken:
        def find(self, name: str, scope: Any) -> Any:
            raise RuntimeError(secret)

    object.__setattr__(loader, "directory", Broken())
    record = road.run("desk", **CALL)
    assert (record["status"], record["failure"]["code"]) == ("failed", "internal")
    assert secret not in caplog.text


def test_nobody_runs_two_passes_of_one_run_at_a_time(roads: Roads) -> None:
    road = a_road(roads, refund=hold())
    run_id = road.start("dana", "desk", **CALL)
    road.work()
    other = road.another_worker()
    road.worker.at("started", lambda: road.work_beside(other))
    road.vote("amir")
    road.sql("UPDATE road_queue SET due = 0 WHERE state = 'queued'")
    road.work()
    assert (road.status(run_id), len(road.remote.effects)) == ("done", 1)
    assert road.step(run_id).state is LedgerState.SUCCEEDED
