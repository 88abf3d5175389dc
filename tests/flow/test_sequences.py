"""Sequence conditions: read before write, at most so many, after X no Y; counted with the claim."""

import threading
from typing import Any

import pytest

from clearway import Done, Run, ToolContext, skill, tool
from clearway.adapters.cedar import CedarPolicy, PolicyFile
from tests.road import Roads

EVERYTHING_ELSE = """
@id("reads") permit(principal, action in Action::"impact:read", resource);
@id("exports") permit(principal, action == Action::"export_customers", resource);
"""
AT_MOST = """
@id("at-most-two") permit(principal, action == Action::"refund", resource)
when { context.count.user_day < 2 };
"""


def make(roads: Roads, policy: str) -> Any:
    @tool(impact="read", targets="booking:{booking}")
    def get_reservation(ctx: ToolContext, booking: str) -> dict[str, Any]:
        return roads.remote.call(ctx, "read_reservation", booking=booking)

    @tool(impact="internal_write", targets="booking:{booking}")
    def cancel_reservation(ctx: ToolContext, booking: str) -> dict[str, Any]:
        return roads.remote.call(ctx, "cancel_reservation", booking=booking)

    @tool(impact="external", targets="account:{account}")
    def refund(ctx: ToolContext, account: str, amount_minor: int) -> dict[str, Any]:
        return roads.remote.call(ctx, "refund", account=account, amount_minor=amount_minor)

    @tool(impact="read")
    def export_customers(ctx: ToolContext) -> list[str]:
        return ["a"]

    @tool(impact="external")
    def send_email(ctx: ToolContext, text: str) -> dict[str, Any]:
        return roads.remote.call(ctx, "send_email", text=text)

    tools = {
        each.spec.name: each for each in (get_reservation, cancel_reservation, refund, export_customers, send_email)
    }

    @skill(tools=list(tools.values()), max_steps=50)
    async def script(run: Run, calls: list[dict[str, Any]]) -> list[str]:
        """Makes the calls one after the other; what becomes of each."""
        endings: list[str] = []
        for call in calls:
            arguments = {name: value for name, value in call.items() if name != "tool"}
            ending = await run.propose(call["tool"], **arguments)
            endings.append("done" if isinstance(ending, Done) else ending.code)
        return endings

    rules = CedarPolicy(
        {name: each.spec for name, each in tools.items()}, ["script"], ["dev", "prod"], [PolicyFile("p.cedar", policy)]
    )
    assert rules.check() == []
    return roads.build(tools=list(tools.values()), skills=[script], rules=rules)


def run(road: Any, *calls: dict[str, Any], by: str = "dana") -> Any:
    return road.run("script", by=by, calls=list(calls))["result"]


def refund(amount: int = 100, account: str = "9182") -> dict[str, Any]:
    return {"tool": "refund", "account": account, "amount_minor": amount}


def test_a_write_needs_a_read_of_the_same_target_before(roads: Roads) -> None:
    road = make(
        roads,
        EVERYTHING_ELSE + '@id("cancel") permit(principal, action == Action::"cancel_reservation", resource) '
        'when { context.done_on_target.contains("get_reservation") };',
    )
    cancel, read = {"tool": "cancel_reservation", "booking": "A1"}, {"tool": "get_reservation", "booking": "A1"}
    assert run(road, cancel) == ["no_permit"]
    assert run(road, read, cancel) == ["done", "done"]
    assert run(road, {**read, "booking": "B2"}, cancel) == ["done", "no_permit"]
    assert road.remote.done("cancel_reservation") == [{"booking": "A1"}]


def test_a_read_of_another_run_does_not_count(roads: Roads) -> None:
    road = make(
        roads,
        EVERYTHING_ELSE + '@id("cancel") permit(principal, action == Action::"cancel_reservation", resource) '
        'when { context.done.contains("get_reservation") };',
    )
    assert run(road, {"tool": "get_reservation", "booking": "A1"}) == ["done"]
    assert run(road, {"tool": "cancel_reservation", "booking": "A1"}) == ["no_permit"]


def test_after_an_export_nothing_is_sent_in_that_run(roads: Roads) -> None:
    road = make(
        roads,
        EVERYTHING_ELSE + '@id("mail") permit(principal, action == Action::"send_email", resource);'
        '@id("no-leak") forbid(principal, action == Action::"send_email", resource) '
        'when { context.begun.contains("export_customers") };',
    )
    mail = {"tool": "send_email", "text": "hello"}
    assert run(road, mail, {"tool": "export_customers"}, mail) == ["done", "done", "forbidden"]
    assert run(road, mail) == ["done"]


def test_at_most_so_many_in_a_window_for_each_user(roads: Roads) -> None:
    road = make(roads, EVERYTHING_ELSE + AT_MOST)
    assert run(road, refund(), refund(101), refund(102)) == ["done", "done", "no_permit"]
    assert run(road, refund()) == ["no_permit"]
    assert run(road, refund(), by="eli") == ["done"]
    roads.time.advance(86_400.5)
    assert run(road, refund(), refund(101), refund(102)) == ["done", "done", "no_permit"]


@pytest.mark.parametrize("period", ["run", "user_hour", "target_day", "tenant_week"])
def test_each_period_counts_what_it_says(roads: Roads, period: str) -> None:
    road = make(
        roads,
        EVERYTHING_ELSE + f'@id("p") permit(principal, action == Action::"refund", resource) '
        f"when {{ context.count.{period} < 1 }};",
    )
    assert run(road, refund(), refund(101)) == ["done", "no_permit"]
    expected = {"run": "done", "user_hour": "done", "target_day": "no_permit", "tenant_week": "no_permit"}
    assert run(road, refund(102), by="eli") == [expected[period]]
    other_account = {"run": "done", "user_hour": "no_permit", "target_day": "done", "tenant_week": "no_permit"}
    assert run(road, refund(103, "7777")) == [other_account[period]]
    roads.time.advance(3600.5)
    assert run(road, refund(104), by="eli") == [{**expected, "user_hour": "done"}[period]]


def test_a_sum_over_a_window_is_not_passed(roads: Roads) -> None:
    road = make(
        roads,
        EVERYTHING_ELSE + '@id("p") permit(principal, action == Action::"refund", resource) '
        "when { context.sum.amount_minor.target_day + context.arguments.amount_minor <= 1000 };",
    )
    assert run(road, refund(600), refund(600), refund(400)) == ["done", "no_permit", "done"]
    assert run(road, refund(1), by="eli") == ["no_permit"]
    assert run(road, refund(1000, "7777")) == ["done"]


def test_what_was_denied_or_certainly_did_not_happen_eats_no_budget(roads: Roads) -> None:
    road = make(roads, EVERYTHING_ELSE + AT_MOST)
    roads.remote.do("bad request", "rejected", "conflict")
    assert run(road, refund(1), refund(2), refund(3)) == ["http_400", "card_declined", "http_409"]
    assert run(road, refund(4), refund(5), refund(6), refund(7)) == ["done", "done", "no_permit", "no_permit"]
    roads.time.advance(86_400.5)
    assert run(road, refund(8), refund(9)) == ["done", "done"]


def test_what_is_in_doubt_has_happened_until_a_person_says_otherwise(roads: Roads) -> None:
    road = make(roads, EVERYTHING_ELSE + AT_MOST)
    roads.remote.do("time out before")
    run_id = road.start("dana", "script", calls=[refund(1, "1111")])
    road.work()
    assert road.status(run_id) == "unknown"
    assert run(road, refund(2), refund(3)) == ["done", "no_permit"]
    row = road.step(run_id)
    road.as_user("olga").resolve(row.key, happened=False, reason="looked it up")
    road.work()
    assert road.record(run_id)["result"] == ["done"]
    assert run(road, refund(4)) == ["no_permit"]


def test_a_retry_of_the_same_step_counts_once(roads: Roads) -> None:
    road = make(roads, EVERYTHING_ELSE + AT_MOST)
    roads.remote.do("try later", "refuse connection")
    assert run(road, refund(1), refund(2), refund(3)) == ["done", "done", "no_permit"]


def test_a_worker_that_dies_over_a_counted_effect_leaves_it_counted(roads: Roads) -> None:
    road = make(roads, EVERYTHING_ELSE + AT_MOST)
    run_id = road.start("dana", "script", calls=[refund(1, "1111")])
    road.die_at("started")
    road.work()
    road.restart()
    road.work()
    assert road.status(run_id) == "unknown"
    assert run(road, refund(2), refund(3)) == ["done", "no_permit"]


def test_reads_are_counted_where_a_policy_counts_them(roads: Roads) -> None:
    road = make(
        roads,
        '@id("p") permit(principal, action == Action::"get_reservation", resource) when { context.count.run < 2 };',
    )
    read = {"tool": "get_reservation", "booking": "A1"}
    assert run(road, read, read, read) == ["done", "done", "no_permit"]
    assert run(road, read) == ["done"]


def test_an_approved_action_that_is_over_the_limit_by_then_does_not_run(roads: Roads) -> None:
    road = make(
        roads,
        '@id("p") @obligation("require_approval") @approvers("finance") '
        'permit(principal, action == Action::"refund", resource) when { context.count.tenant_day < 1 };',
    )
    first = road.start("dana", "script", calls=[refund(1)])
    second = road.start("eli", "script", calls=[refund(2)])
    road.work()
    for one in road.pending():
        road.vote("amir", approval_id=str(one["approval_id"]))
    road.work()
    assert sorted([road.record(first)["result"][0], road.record(second)["result"][0]]) == ["done", "no_permit"]
    assert len(road.remote.done("refund")) == 1


def test_what_a_policy_reads_and_nobody_looked_up_is_a_deny(roads: Roads) -> None:
    road = make(roads, EVERYTHING_ELSE + AT_MOST)
    road.policy.history_read = lambda tool: frozenset()
    assert run(road, refund()) == ["policy_error"]


# --- Concurrent runs -------------------------------------------------------------------------------------------------

RACERS = 16


@pytest.mark.parametrize(
    ("condition", "amount", "fit"),
    [
        ("context.count.user_day < 5", 100, 5),
        ("context.sum.amount_minor.tenant_day + context.arguments.amount_minor <= 1000", 300, 3),
        ("context.count.target_hour < 1", 100, 1),
    ],
)
def test_sixteen_concurrent_runs_overrun_no_limit(roads: Roads, condition: str, amount: int, fit: int) -> None:
    road = make(
        roads,
        EVERYTHING_ELSE + f'@id("p") permit(principal, action == Action::"refund", resource) when {{ {condition} }};',
    )
    workers = [road.another_worker() for _ in range(RACERS)]
    runs = [road.start("dana", "script", calls=[refund(amount)]) for _ in range(RACERS)]
    taken = [(worker, road.queue.take(worker.number)) for worker in workers]
    gate = threading.Barrier(RACERS)

    def carry_out(worker: Any, ref: Any, pass_id: str) -> None:
        gate.wait()
        assert road.carry_out(ref, pass_id, worker=worker)

    racers = [threading.Thread(target=carry_out, args=(worker, *pass_)) for worker, pass_ in taken if pass_]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len(road.remote.done("refund")) == fit
    endings = sorted(road.record(run_id)["result"][0] for run_id in runs)
    assert endings == ["done"] * fit + ["no_permit"] * (RACERS - fit)
