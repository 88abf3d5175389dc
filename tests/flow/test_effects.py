"""Retries, and effects whose ending is not known."""

from typing import Any

import pytest

from clearway import Compensation, Idempotency, InDoubt, Retry, ToolContext, skill, tool
from clearway.model.ledger import LedgerState
from tests.flow.desk import (
    errand_skill,
    keyed,
    looked_up,
    read_tool,
    refund_skill,
    refund_tool,
)
from tests.road import Json, Road, Roads, allow, deny, hold

CALL: Json = {"account": "9182", "amount_minor": 500}


def a_road(roads: Roads, **tool_options: Any) -> Road:
    return roads.build(
        tools=[refund_tool(roads.remote, **tool_options)], skills=[refund_skill()], policy={"refund": allow()}
    )


# --- Retries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("passing", ["refuse connection", "not sent", "throttle", "try later"])
def test_what_was_certainly_not_done_is_tried_again_with_the_same_key(roads: Roads, passing: str) -> None:
    road = a_road(roads)
    road.remote.do(passing)
    record = road.run("desk", **CALL)
    assert record["status"] == "done"
    assert record["steps"][0]["attempts"] == 2
    assert len({key for _, key in road.remote.calls}) == 1
    assert len(road.remote.effects) == 1


@pytest.mark.parametrize("final", ["bad request", "conflict", "rejected"])
def test_a_definite_refusal_by_the_other_side_is_not_tried_again(roads: Roads, final: str) -> None:
    road = a_road(roads)
    road.remote.do(final)
    record = road.run("desk", **CALL)
    assert (record["status"], record["steps"][0]["state"]) == ("failed", "failed_final")
    assert len(road.remote.calls) == 1


def test_attempts_are_capped(roads: Roads) -> None:
    road = a_road(roads, retry=Retry(attempts=3))
    road.remote.do(then="refuse connection")
    record = road.run("desk", **CALL)
    assert (record["status"], len(road.remote.calls)) == ("failed", 3)
    assert record["failure"]["code"] == "ConnectionRefusedError"


def test_a_retry_waits_as_long_as_it_was_asked_to(roads: Roads) -> None:
    road = a_road(roads)
    road.remote.do("throttle")
    road.run("desk", **CALL)
    assert road.time.slept == [3.0]


def test_pauses_grow_and_vary(roads: Roads) -> None:
    road = a_road(roads, retry=Retry(attempts=3, base_s=1.0, max_s=10.0))
    road.remote.do("refuse connection", "refuse connection")
    road.run("desk", **CALL)
    first, second = road.time.slept
    assert 0.5 <= first <= 1.0 <= second <= 2.0


def test_a_pause_longer_than_the_time_that_is_left_ends_the_step_at_once(roads: Roads) -> None:
    road = a_road(roads)
    road.remote.do("throttle for long")
    record = road.run("desk", **CALL)
    assert (record["status"], record["steps"][0]["state"]) == ("failed", "failed_final")
    assert not road.time.slept


def test_nothing_is_sent_when_less_than_the_minimum_of_time_is_left(roads: Roads) -> None:
    @skill(tools=["refund"], deadline_s=10.0)
    async def slow(run: Any) -> None:
        roads.time.advance(9.8)
        await run.call("refund", **CALL)

    road = roads.build(tools=[refund_tool(roads.remote, min_send_s=0.5)], skills=[slow], policy={"refund": allow()})
    record = road.run("slow")
    assert (record["status"], record["failure"]["code"]) == ("refused", "deadline")
    assert not road.remote.calls


def test_waiting_for_people_does_not_use_up_the_deadline(roads: Roads) -> None:
    road = roads.build(
        tools=[refund_tool(roads.remote)], skills=[refund_skill(deadline_s=10.0)], policy={"refund": hold()}
    )
    run_id = road.start("dana", "desk", **CALL)
    road.work()
    road.time.advance(1000.0)
    road.vote("amir")
    road.work()
    assert road.status(run_id) == "done"


def test_policy_speaks_anew_before_each_attempt(roads: Roads) -> None:
    road = a_road(roads)
    road.remote.do(then="refuse connection")
    road.remote.before = lambda tool, arguments: road.rules.set("refund", deny())
    record = road.run("desk", **CALL)
    assert (record["failure"]["code"], len(road.remote.calls)) == ("forbidden", 1)


def test_a_read_is_tried_again_also_after_a_time_out(roads: Roads) -> None:
    road = roads.build(
        tools=[read_tool(roads.remote)], skills=[errand_skill("read_account")], policy={"read_account": allow()}
    )
    road.remote.do("time out before", "500 before")
    record = road.run("errand", plan=[["read_account", {"account": "1"}]])
    assert record["result"] == ["done"]
    assert (record["steps"][0]["attempts"], record["steps"][0]["state"]) == (3, "succeeded")


def test_a_read_that_was_begun_is_not_gone_on_with_when_policy_no_longer_allows_it(roads: Roads) -> None:
    road = roads.build(
        tools=[read_tool(roads.remote)], skills=[errand_skill("read_account")], policy={"read_account": allow()}
    )
    road.remote.do("500 before")
    road.remote.before = lambda tool, arguments: road.rules.set("read_account", deny())
    assert road.run("errand", plan=[["read_account", {"account": "1"}]])["result"] == ["forbidden"]
    assert len(road.remote.calls) == 1


@pytest.mark.parametrize("kind", ["read", "effect"])
def test_a_dependency_that_always_fails_is_hardly_called_more_often_than_asked(roads: Roads, kind: str) -> None:
    name = "read_account" if kind == "read" else "refund"
    arguments = {"account": "1"} if kind == "read" else CALL
    road = roads.build(
        tools=[read_tool(roads.remote), refund_tool(roads.remote)],
        skills=[errand_skill(name, max_steps=1000, deadline_s=1e9)],
        policy={name: allow()},
    )
    road.remote.do(then="refuse connection")
    road.run("errand", plan=[[name, arguments]] * 60)
    before = len(road.remote.calls)
    road.run("errand", plan=[[name, arguments]] * 40)
    assert len(road.remote.calls) - before <= 44
    road.remote.do()
    road.run("errand", plan=[[name, arguments]] * 20)
    road.remote.do("refuse connection")
    assert road.run("errand", plan=[[name, arguments]])["steps"][0]["attempts"] == 2


@pytest.mark.parametrize("how", ["exits", "cancels itself", "raises a group", "raises something opaque"])
def test_a_tool_that_ends_in_any_way_at_all_leaves_its_worker_whole_and_its_effect_in_doubt(
    roads: Roads, how: str
) -> None:
    import asyncio

    class Opaque(Exception):
        @property
        def response(self) -> Any:
            raise RuntimeError("not now")

    endings = {
        "exits": SystemExit(3),
        "cancels itself": asyncio.CancelledError(),
        "raises a group": BaseExceptionGroup("all of it", [KeyError("x"), SystemExit(1)]),
        "raises something opaque": Opaque(),
    }

    @tool(impact="external")
    async def odd() -> None:
        raise endings[how]

    @tool(impact="external", name="odd_thread")
    def odd_thread() -> None:
        raise endings[how]

    road = roads.build(
        tools=[odd, odd_thread],
        skills=[errand_skill("odd", "odd_thread")],
        policy={"odd": allow(), "odd_thread": allow()},
    )
    for name in ("odd", "odd_thread"):
        record = road.run("errand", plan=[[name, {}]])
        assert (record["status"], record["steps"][0]["state"]) == ("unknown", "unknown")


# --- In doubt ------------------------------------------------------------------------------------------------------

DOUBTS = ["commit then time out", "commit then 500", "500 before", "time out before", "unavailable", "in doubt"]


@pytest.mark.parametrize("doubt", DOUBTS)
def test_an_effect_in_doubt_without_a_way_out_waits_for_people_and_is_not_sent_again(roads: Roads, doubt: str) -> None:
    road = a_road(roads)
    road.remote.do(doubt)
    record = road.run("desk", **CALL)
    road.later(100_000.0)
    assert (road.status(record["run_id"]), len(road.remote.calls)) == ("unknown", 1)
    assert road.step(record["run_id"]).state is LedgerState.UNKNOWN


@pytest.mark.parametrize("doubt", DOUBTS)
def test_a_resend_with_the_same_key_leaves_one_effect_where_the_other_side_honours_keys(
    roads: Roads, doubt: str
) -> None:
    road = a_road(roads, idempotency=keyed())
    road.remote.do(doubt)
    record = road.run("desk", **CALL)
    assert record["status"] == "done"
    assert len(road.remote.effects) == 1
    assert len({key for _, key in road.remote.calls}) == 1
    assert road.time.slept, "a resend waits, too"


def test_a_resend_stops_where_the_window_of_the_other_side_ends(roads: Roads) -> None:
    road = a_road(roads, idempotency=keyed(window_s=60.0), timeout_s=30.0)
    road.remote.do(then="time out before")
    road.remote.before = lambda tool, arguments: road.time.advance(31.0)
    record = road.run("desk", **CALL)
    assert (record["status"], len(road.remote.calls)) == ("unknown", 1)


@pytest.mark.parametrize("answer", ["bad request", "conflict", "throttle", "refuse connection", "not sent", "rejected"])
def test_that_a_resend_was_refused_says_nothing_about_the_first_send(roads: Roads, answer: str) -> None:
    road = a_road(roads, idempotency=keyed())
    road.remote.do("commit then time out", then=answer)
    record = road.run("desk", **CALL)
    assert (record["status"], record["steps"][0]["state"]) == ("unknown", "unknown")
    assert len(road.remote.effects) == 1


def test_a_resend_needs_the_policy_in_force(roads: Roads) -> None:
    road = a_road(roads, idempotency=keyed())
    road.remote.do("time out before")
    road.remote.before = lambda tool, arguments: road.rules.set("refund", hold())
    record = road.run("desk", **CALL)
    assert (record["status"], len(road.remote.calls)) == ("unknown", 1)


def test_a_resend_of_what_was_approved_needs_the_approval_to_stand(roads: Roads) -> None:
    road = roads.build(
        tools=[refund_tool(roads.remote, idempotency=keyed())], skills=[refund_skill()], policy={"refund": hold()}
    )
    road.remote.do("time out before")
    road.remote.before = lambda tool, arguments: road.regroup("amir")
    run_id = road.start("dana", "desk", **CALL)
    road.work()
    road.vote("amir")
    road.work()
    assert (road.status(run_id), len(road.remote.calls)) == ("unknown", 1)
    road.remote.before = lambda tool, arguments: None
    road.regroup("amir", "finance")
    road.restart()
    road.sql("UPDATE road_queue SET state = 'queued' WHERE wake_id LIKE :id", id="%decided")
    road.work()
    assert (road.status(run_id), len(road.remote.effects)) == ("done", 1)


def test_a_resend_is_stopped_by_the_kill_switch(roads: Roads) -> None:
    road = a_road(roads, idempotency=keyed())
    road.remote.do("time out before")
    road.remote.before = lambda tool, arguments: road.as_user("olga").engage("tool", "refund", "stop") and None
    record = road.run("desk", **CALL)
    assert (record["status"], len(road.remote.calls)) == ("unknown", 1)


def test_a_lookup_that_finds_the_effect_settles_it(roads: Roads) -> None:
    road = a_road(roads, idempotency=looked_up(roads.remote))
    road.remote.do("commit then time out")
    record = road.run("desk", **CALL)
    assert (record["status"], record["result"]["ref"]) == ("done", "re_1")
    assert road.step(record["run_id"]).remote_ref == "re_1"
    assert len(road.remote.calls) == 1


def test_not_found_counts_only_after_the_settle_delay_and_then_it_is_sent_again(roads: Roads) -> None:
    road = a_road(roads, idempotency=looked_up(roads.remote, settle_delay_s=60.0))
    road.remote.do("time out before")
    record = road.run("desk", **CALL)
    assert record["status"] == "unknown"
    road.later(59.0)
    assert len(road.remote.calls) == 1
    road.later(2.0)
    assert (road.status(record["run_id"]), len(road.remote.calls), len(road.remote.effects)) == ("done", 2, 1)


def test_what_became_visible_within_the_settle_delay_is_not_sent_again(roads: Roads) -> None:
    road = a_road(roads, idempotency=looked_up(roads.remote, settle_delay_s=60.0))
    road.remote.do("commit then time out")
    hidden, road.remote._answers = road.remote._answers, {}
    road.remote.lookup_works = True
    with pytest.MonkeyPatch.context() as not_yet:
        not_yet.setattr(road.remote, "has", lambda key: None)
        record = road.run("desk", **CALL)
    assert record["status"] == "unknown"
    road.later(61.0)
    assert (road.status(record["run_id"]), len(road.remote.calls), len(road.remote.effects)) == ("done", 1, 1)
    assert hidden == {}


def test_a_lookup_that_cannot_be_asked_is_asked_again_later_and_later(roads: Roads) -> None:
    road = a_road(roads, idempotency=looked_up(roads.remote))
    road.remote.lookup_works = False
    road.remote.do("commit then time out")
    record = road.run("desk", **CALL)
    assert record["status"] == "unknown"
    road.later(3600.0)
    assert 5 <= road.remote.lookups <= 15
    road.remote.lookup_works = True
    road.later(601.0)
    assert (road.status(record["run_id"]), len(road.remote.effects)) == ("done", 1)


def test_a_lookup_works_also_when_the_runs_own_time_is_over(roads: Roads) -> None:
    road = roads.build(
        tools=[refund_tool(roads.remote, idempotency=looked_up(roads.remote))],
        skills=[refund_skill(deadline_s=5.0)],
        policy={"refund": allow()},
    )
    road.remote.do("commit then time out")
    road.remote.before = lambda tool, arguments: road.time.advance(6.0)
    record = road.run("desk", **CALL)
    assert road.step(record["run_id"]).state is LedgerState.SUCCEEDED


def test_a_lookup_that_answers_nonsense_is_as_good_as_none(roads: Roads) -> None:
    road = a_road(roads, idempotency=Idempotency(lookup=lambda key, arguments: True))
    road.remote.do("commit then time out")
    record = road.run("desk", **CALL)
    road.later(5000.0)
    assert (road.status(record["run_id"]), len(road.remote.calls)) == ("unknown", 1)


def test_a_call_that_is_still_at_work_after_its_time_out_is_not_taken_for_one_that_never_happened(roads: Roads) -> None:
    import threading

    go_on, effects = threading.Event(), list[str]()

    @tool(impact="external", timeout_s=0.05, idempotency=looked_up(roads.remote))
    def slow(ctx: ToolContext) -> str:
        go_on.wait(20.0)
        effects.append(ctx.idempotency_key)
        return roads.remote.call(ctx, "slow")["ref"]

    road = roads.build(tools=[slow], skills=[errand_skill("slow")], policy={"slow": allow()})
    record = road.run("errand", plan=[["slow", {}]])
    assert record["status"] == "unknown"
    road.later(10.0)
    assert road.remote.lookups >= 2
    go_on.set()
    threads: Any = road.app.workflow.gate.executor
    threads._threads.shutdown(wait=True)
    road.later(1000.0)
    assert (road.status(record["run_id"]), len(effects)) == ("done", 1)


@pytest.mark.parametrize("stopped_for_s", [1.0, 3.0])
def test_not_found_does_not_count_while_a_stopped_worker_may_still_send(roads: Roads, stopped_for_s: float) -> None:
    road = a_road(roads, idempotency=looked_up(roads.remote))
    road.remote.ignores_keys_of = {"refund"}
    other = road.another_worker()

    def meanwhile() -> None:
        road.queue.recover()
        road.work_beside(other)
        road.time.advance(stopped_for_s)
        road.work_beside(other)

    road.worker.at("started", meanwhile)
    run_id = road.start("dana", "desk", **CALL)
    road.work()
    road.later(3600.0)
    assert (road.status(run_id), len(road.remote.effects)) == ("done", 1)


def test_a_person_says_that_it_happened(roads: Roads) -> None:
    road = a_road(roads)
    road.remote.do("commit then time out")
    record = road.run("desk", **CALL)
    key = record["steps"][0]["key"]
    road.as_user("olga").resolve(key, happened=True, reason="seen in the console", remote_ref="re_1")
    road.work()
    assert (road.status(record["run_id"]), len(road.remote.calls)) == ("done", 1)
    assert road.step(record["run_id"]).remote_ref == "re_1"


def test_a_person_says_that_it_did_not_happen_and_it_is_decided_and_sent_anew(roads: Roads) -> None:
    road = a_road(roads)
    road.remote.do("time out before")
    record = road.run("desk", **CALL)
    asked = len(road.rules.asked)
    road.as_user("olga").resolve(record["steps"][0]["key"], happened=False, reason="not in the console")
    road.work()
    assert (road.status(record["run_id"]), len(road.remote.effects)) == ("done", 1)
    assert len(road.rules.asked) > asked


def test_what_did_not_happen_asks_for_approval_again_once_the_old_one_has_run_out(roads: Roads) -> None:
    road = roads.build(tools=[refund_tool(roads.remote)], skills=[refund_skill()], policy={"refund": hold()})
    road.remote.do("time out before")
    run_id = road.start("dana", "desk", **CALL)
    road.work()
    road.vote("amir")
    road.work()
    road.time.advance(301.0)
    road.as_user("olga").resolve(road.step(run_id).key, happened=False, reason="not there")
    road.work()
    assert road.status(run_id) == "waiting"
    road.vote("bo")
    road.work()
    assert (road.status(run_id), len(road.remote.effects)) == ("done", 1)


def test_an_effect_in_doubt_blocks_the_same_in_its_run_but_not_elsewhere(roads: Roads) -> None:
    import asyncio

    @skill(tools=["refund"])
    async def twice(run: Any) -> list[str]:
        first = asyncio.ensure_future(run.propose("refund", **CALL))
        await asyncio.wait([first])
        return ["never reached"]

    road = roads.build(tools=[refund_tool(roads.remote)], skills=[twice, refund_skill()], policy={"refund": allow()})
    road.remote.do("time out before")
    record = road.run("twice")
    assert record["status"] == "unknown"
    assert road.run("desk", **CALL)["status"] == "done"


def test_a_call_left_begun_by_a_dead_worker_blocks_its_parallel_twin(roads: Roads) -> None:
    import asyncio

    @skill(tools=["refund"])
    async def twins(run: Any) -> list[str]:
        endings = await asyncio.gather(run.propose("refund", **CALL), run.propose("refund", **CALL))
        return [getattr(each, "code", "done") for each in endings]

    road = roads.build(tools=[refund_tool(roads.remote)], skills=[twins], policy={"refund": allow()})
    road.die_on_write(3, committed=False)
    run_id = road.start("dana", "twins")
    assert not road.work()
    assert not road.remote.effects
    road.restart()
    road.work()
    assert road.step(run_id, "s1").state is LedgerState.UNKNOWN
    assert not road.remote.effects
    assert (road.step(run_id, "s2").detail or {})["code"] == "in_doubt"


def test_a_person_who_resolves_while_a_pass_looks_it_up_does_not_strand_the_run(roads: Roads) -> None:
    def look_up(key: str, arguments: Any) -> Any:
        if not resolved:
            resolved.append(key)
            road.as_user("olga").resolve(key, happened=True, reason="seen")
        raise TimeoutError

    resolved: list[str] = []
    road = a_road(roads, idempotency=Idempotency(lookup=look_up))
    road.remote.do("commit then time out")
    record = road.run("desk", **CALL)
    assert (record["status"], len(road.remote.effects)) == ("done", 1)


def test_targets_that_cannot_be_resolved_leave_an_effect_in_doubt_in_doubt(roads: Roads) -> None:
    broken: list[bool] = []

    def targets(arguments: Any) -> list[str]:
        if broken:
            raise ConnectionError
        return ["account:1"]

    road = a_road(roads, idempotency=looked_up(roads.remote), targets=targets)
    road.remote.lookup_works = False
    road.remote.do("commit then time out")
    record = road.run("desk", **CALL)
    broken.append(True)
    road.later(10.0)
    assert (road.status(record["run_id"]), road.step(record["run_id"]).state) == ("unknown", LedgerState.UNKNOWN)
    broken.clear()
    road.remote.lookup_works = True
    road.later(3600.0)
    assert (road.status(record["run_id"]), len(road.remote.effects)) == ("done", 1)


def test_a_removed_tool_leaves_its_effect_in_doubt_to_people(roads: Roads) -> None:
    road = a_road(roads, idempotency=looked_up(roads.remote))
    road.remote.lookup_works = False
    road.remote.do("commit then time out")
    record = road.run("desk", **CALL)
    later = roads.build(tools=[], skills=[refund_skill()])
    later.later(10.0)
    assert later.status(record["run_id"]) == "unknown"
    later.as_user("olga").resolve(record["steps"][0]["key"], happened=True, reason="seen")
    later.work()
    assert later.status(record["run_id"]) == "done"


def test_a_cancelled_run_leaves_no_call_begun(roads: Roads) -> None:
    road = a_road(roads)
    road.die_at("started")
    run_id = road.start("dana", "desk", **CALL)
    road.work()
    road.restart()
    road.as_user("dana").cancel(run_id, "stop")
    road.work()
    assert (road.status(run_id), road.step(run_id).state) == ("cancelled", LedgerState.UNKNOWN)
    road.as_user("olga").resolve(road.step(run_id).key, happened=False, reason="not there")
    road.work()
    assert road.step(run_id).state is LedgerState.FAILED_FINAL


# --- Business keys -------------------------------------------------------------------------------------------------


def by_invoice() -> Idempotency:
    return Idempotency(business_key=lambda arguments: arguments["account"] or None)


def test_the_same_effect_planned_in_another_run_gets_the_first_ones_result(roads: Roads) -> None:
    road = a_road(roads, idempotency=by_invoice())
    first, second = road.run("desk", **CALL), road.run("desk", **CALL)
    assert first["result"] == second["result"]
    assert len(road.remote.effects) == 1
    assert second["steps"][0]["code"] == "business_duplicate"


def test_another_effect_under_the_same_business_key_is_refused(roads: Roads) -> None:
    road = a_road(roads, idempotency=by_invoice())
    road.run("desk", **CALL)
    second = road.run("desk", **{**CALL, "amount_minor": 501})
    assert (second["status"], second["failure"]["code"]) == ("refused", "business_key_mismatch")
    assert len(road.remote.effects) == 1


def test_a_business_key_in_doubt_blocks_other_runs(roads: Roads) -> None:
    road = a_road(roads, idempotency=by_invoice())
    road.remote.do("commit then time out")
    road.run("desk", **CALL)
    second = road.run("desk", **CALL)
    assert second["failure"]["code"] == "business_key_in_flight"
    assert len(road.remote.calls) == 1


def test_what_failed_for_sure_frees_its_business_key(roads: Roads) -> None:
    road = a_road(roads, idempotency=by_invoice())
    road.remote.do("rejected")
    assert road.run("desk", **CALL)["status"] == "failed"
    assert road.run("desk", **CALL)["status"] == "done"


def test_calls_without_a_business_key_have_nothing_in_common(roads: Roads) -> None:
    road = a_road(roads, idempotency=Idempotency(business_key=lambda arguments: None))
    road.run("desk", **CALL)
    assert road.run("desk", **{**CALL, "amount_minor": 7})["status"] == "done"
    assert len(road.remote.effects) == 2


# --- Compensation --------------------------------------------------------------------------------------------------


def undoing(roads: Roads, name: str, **options: Any) -> Any:
    return refund_tool(
        roads.remote,
        name=name,
        compensate=Compensation(
            "take_back",
            lambda arguments, result: {"account": arguments["account"], "amount_minor": arguments["amount_minor"]},
        ),
        **options,
    )


def a_road_with_undoing(roads: Roads, **options: Any) -> Road:
    tools = [
        undoing(roads, "pay"),
        undoing(roads, "ship"),
        refund_tool(roads.remote, name="take_back"),
        refund_tool(roads.remote, name="last"),
    ]

    @skill(tools=["pay", "ship", "last"])
    async def order(run: Any) -> None:
        await run.call("pay", account="1", amount_minor=1)
        await run.call("ship", account="2", amount_minor=2)
        await run.call("last", account="3", amount_minor=3)

    return roads.build(
        tools=tools, skills=[order], policy=dict.fromkeys(("pay", "ship", "take_back", "last"), allow()), **options
    )


def test_a_failure_is_undone_in_reverse_order_through_the_gate(roads: Roads) -> None:
    road = a_road_with_undoing(roads)
    road.rules.set("last", deny())
    record = road.run("order")
    assert record["status"] == "refused"
    assert [e.tool for e in road.remote.effects] == ["pay", "ship", "take_back", "take_back"]
    assert [e["account"] for e in road.remote.done("take_back")] == ["2", "1"]
    assert record["failure"]["compensated"] == ["s2: done", "s1: done"]
    assert [s["kind"] for s in record["steps"]].count("compensation") == 2


def test_an_undoing_is_held_denied_and_approved_as_any_action(roads: Roads) -> None:
    road = a_road_with_undoing(roads)
    road.rules.set("last", deny())
    road.rules.set("take_back", lambda action: hold() if action.arguments["account"] == "2" else deny())
    run_id = road.start("dana", "order")
    road.work()
    assert road.status(run_id) == "waiting"
    road.vote("amir")
    road.work()
    assert road.record(run_id)["failure"]["compensated"] == ["s2: done", "s1: refused"]
    assert [e["account"] for e in road.remote.done("take_back")] == ["2"]


def test_a_cancelled_run_is_undone(roads: Roads) -> None:
    road = a_road_with_undoing(roads)
    road.rules.set("last", hold())
    run_id = road.start("dana", "order")
    road.work()
    road.as_user("dana").cancel(run_id, "changed my mind")
    road.work()
    assert road.status(run_id) == "cancelled"
    assert [e["account"] for e in road.remote.done("take_back")] == ["2", "1"]


def test_a_cancellation_in_the_middle_of_a_pass_is_kept_and_undone(roads: Roads) -> None:
    road = a_road_with_undoing(roads)
    road.remote.before = lambda tool, arguments: (
        road.as_user("dana").cancel(run_id, "stop") and None if tool == "last" else None
    )
    run_id = road.start("dana", "order")
    road.work()
    assert road.status(run_id) == "cancelled"
    assert [e["account"] for e in road.remote.done("take_back")] == ["2", "1"]


def test_what_was_done_is_undone_also_when_the_runs_time_is_over(roads: Roads) -> None:
    road = a_road_with_undoing(roads)
    road.remote.before = lambda tool, arguments: road.time.advance(400.0) if tool == "ship" else None
    record = road.run("order")
    assert record["failure"]["code"] == "deadline"
    assert [e["account"] for e in road.remote.done("take_back")] == ["2", "1"]


def test_one_compensation_that_cannot_be_made_does_not_stop_the_others(roads: Roads) -> None:
    def wrong(arguments: Any, result: Any) -> Any:
        raise KeyError("no such thing")

    tools = [
        undoing(roads, "pay"),
        refund_tool(roads.remote, name="ship", compensate=Compensation("take_back", wrong)),
        refund_tool(roads.remote, name="take_back"),
    ]

    @skill(tools=["pay", "ship"])
    async def order(run: Any) -> None:
        await run.call("pay", account="1", amount_minor=1)
        await run.call("ship", account="2", amount_minor=2)
        raise ValueError

    road = roads.build(tools=tools, skills=[order], policy=dict.fromkeys(("pay", "ship", "take_back"), allow()))
    record = road.run("order")
    assert record["failure"]["compensated"] == ["s2: not undone, its compensation raised KeyError", "s1: done"]


def test_a_run_that_was_undone_or_may_have_been_cannot_be_retried(roads: Roads) -> None:
    from clearway import Conflict

    road = a_road_with_undoing(roads)
    road.rules.set("last", deny())
    record = road.run("order")
    with pytest.raises(Conflict, match="undone"):
        road.as_user("olga").retry(record["run_id"], "again")


def test_a_worker_that_dies_while_undoing_undoes_each_once(roads: Roads) -> None:
    road = a_road_with_undoing(roads)
    road.rules.set("last", deny())
    run_id = road.start("dana", "order")
    road.die_at("settled", nth=3)
    assert not road.work()
    road.restart()
    road.work()
    assert road.status(run_id) == "refused"
    assert [e["account"] for e in road.remote.done("take_back")] == ["2", "1"]


def test_a_signal_whose_code_is_no_code_is_recorded_by_its_name(roads: Roads) -> None:
    @tool(impact="external")
    async def chatty() -> None:
        raise InDoubt("card 4111 1111 1111 1111 was, perhaps, charged")

    road = roads.build(tools=[chatty], skills=[errand_skill("chatty")], policy={"chatty": allow()})
    assert road.run("errand", plan=[["chatty", {}]])["steps"][0]["code"] == "InDoubt"
