"""Skills as people write them: side by side, catching everything, not quite deterministic."""

import asyncio
import itertools
from typing import Any

import pytest

from clearway import Run, skill
from clearway.model.ledger import LedgerState
from tests.flow.desk import AnySkill, read_tool, refund_tool
from tests.road import Json, Road, Roads, allow, deny, hold


def a_road(roads: Roads, *skills: AnySkill, **options: Any) -> Road:
    policy = {"refund": allow(), "held": hold(), "denied": deny(), "read_account": allow(), **options.pop("policy", {})}
    tools = [refund_tool(roads.remote, name=name) for name in ("refund", "held", "denied")]
    return roads.build(tools=[*tools, read_tool(roads.remote)], skills=skills, policy=policy, **options)


TOOLS = ["refund", "held", "denied", "read_account"]


def to(account: int) -> Json:
    return {"account": str(account), "amount_minor": account}


def test_one_call_waits_and_its_siblings_finish(roads: Roads) -> None:
    @skill(tools=TOOLS)
    async def side_by_side(run: Run) -> list[str]:
        done = await asyncio.gather(run.call("held", **to(1)), run.call("refund", **to(2)), run.call("refund", **to(3)))
        return [each["account"] for each in done]

    road = a_road(roads, side_by_side)
    run_id = road.start("dana", "side_by_side")
    road.work()
    assert road.status(run_id) == "waiting"
    assert [e.state for e in road.entries(run_id)].count(LedgerState.SUCCEEDED) == 2
    road.vote("amir")
    road.work()
    assert road.record(run_id)["result"] == ["1", "2", "3"]
    assert len(road.remote.effects) == 3


def test_branches_of_several_calls_keep_their_steps_whatever_the_turns_they_take(roads: Roads) -> None:
    passes: list[int] = []

    @skill(tools=TOOLS)
    async def branches(run: Run) -> list[str]:
        async def branch(number: int, pauses: int) -> str:
            await run.call("read_account", account=str(number))
            for _ in range(pauses if len(passes) % 2 else 3 - pauses):
                await asyncio.sleep(0)
            await run.call("refund", **to(number))
            return str((await run.call("held", **to(number)))["account"])

        passes.append(1)
        return list(await asyncio.gather(branch(1, 0), branch(2, 3), branch(3, 1)))

    road = a_road(roads, branches)
    run_id = road.start("dana", "branches")
    for _ in range(30):
        road.work()
        if not road.pending():
            break
        road.vote("amir", approval_id=road.pending()[0]["approval_id"])
    assert road.record(run_id)["result"] == ["1", "2", "3"]
    assert len(road.remote.effects) == 6
    assert {e.step_id for e in road.entries(run_id)} == {f"s{n}{rest}" for n in (1, 2, 3) for rest in ("", ".2", ".3")}


def test_a_task_group_says_which_call_stopped_it(roads: Roads) -> None:
    @skill(tools=TOOLS)
    async def group(run: Run) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(run.call("refund", **to(1)))
            tasks.create_task(run.call("denied", **to(2)))

    record = a_road(roads, group).run("group")
    assert (record["status"], record["failure"]["code"], record["failure"]["step"]) == ("refused", "forbidden", "s2")


def test_a_task_group_with_a_held_call_waits_and_goes_on(roads: Roads) -> None:
    @skill(tools=TOOLS)
    async def group(run: Run) -> str:
        async with asyncio.TaskGroup() as tasks:
            one = tasks.create_task(run.call("held", **to(1)))
            tasks.create_task(run.call("refund", **to(2)))
        return str(one.result()["account"])

    road = a_road(roads, group)
    run_id = road.start("dana", "group")
    road.work()
    road.vote("amir")
    road.work()
    assert (road.status(run_id), len(road.remote.effects)) == ("done", 2)


@pytest.mark.parametrize("caught", [Exception, BaseException])
def test_a_skill_that_catches_everything_does_not_take_a_wait_for_an_ending(
    roads: Roads, caught: type[BaseException]
) -> None:
    @skill(tools=TOOLS)
    async def stubborn(run: Run) -> str:
        try:
            await run.call("held", **to(1))
        except caught:
            await run.call("refund", **to(2))
            return "the other way"
        return "as asked"

    road = a_road(roads, stubborn)
    run_id = road.start("dana", "stubborn")
    road.work()
    assert (road.status(run_id), road.remote.effects) == ("waiting", [])
    road.vote("amir")
    road.work()
    assert road.record(run_id)["result"] == "as asked"
    assert [e.tool for e in road.remote.effects] == ["held"]


def test_a_skill_that_gathers_exceptions_does_not_take_a_wait_for_a_result(roads: Roads) -> None:
    @skill(tools=TOOLS)
    async def gatherer(run: Run) -> int:
        done = await asyncio.gather(run.call("held", **to(1)), run.call("denied", **to(2)), return_exceptions=True)
        failed = sum(isinstance(each, Exception) for each in done)
        await run.call("refund", account="3", amount_minor=failed + 100)
        return failed

    road = a_road(roads, gatherer)
    run_id = road.start("dana", "gatherer")
    road.work()
    assert (road.status(run_id), road.remote.effects) == ("waiting", [])
    road.vote("amir")
    road.work()
    assert road.record(run_id)["result"] == 1
    assert road.remote.done("refund") == [{"account": "3", "amount_minor": 101}]


def test_a_skill_that_never_takes_no_for_an_answer_is_stopped_by_its_step_budget(roads: Roads) -> None:
    @skill(tools=TOOLS, max_steps=5)
    async def endless(run: Run) -> None:
        while True:
            await run.propose("denied", **to(1))

    record = a_road(roads, endless).run("endless")
    assert (record["status"], record["failure"]["code"], record["failure"]["step"]) == ("refused", "step_budget", "s6")
    assert len(record["steps"]) == 5


def test_calls_within_the_budget_are_made_also_side_by_side(roads: Roads) -> None:
    @skill(tools=TOOLS, max_steps=2)
    async def three(run: Run) -> None:
        await asyncio.gather(*(run.call("refund", **to(number)) for number in (1, 2, 3)))

    record = a_road(roads, three).run("three")
    assert record["failure"]["code"] == "step_budget"
    assert len(roads.remote.effects) == 2


def test_sleeps_count_against_the_step_budget(roads: Roads) -> None:
    @skill(tools=TOOLS, max_steps=2)
    async def sleeper(run: Run) -> None:
        for _ in range(3):
            await run.sleep(0.0)

    road = a_road(roads, sleeper)
    run_id = road.start("dana", "sleeper")
    road.later(1.0)
    assert road.record(run_id)["failure"]["code"] == "step_budget"


def test_a_sleep_outlives_the_worker(roads: Roads) -> None:
    @skill(tools=TOOLS)
    async def nightly(run: Run) -> str:
        await run.sleep(3600.0)
        return str((await run.call("refund", **to(1)))["account"])

    road = a_road(roads, nightly)
    run_id = road.start("dana", "nightly")
    road.work()
    assert road.status(run_id) == "sleeping"
    road.restart()
    road.later(3599.0)
    assert (road.status(run_id), road.remote.effects) == ("sleeping", [])
    road.later(2.0)
    assert road.record(run_id)["result"] == "1"


def test_a_timer_that_fires_early_is_set_again(roads: Roads) -> None:
    @skill(tools=TOOLS)
    async def nightly(run: Run) -> str:
        await run.sleep(100.0)
        return "awake"

    road = a_road(roads, nightly)
    run_id = road.start("dana", "nightly")
    road.work()
    road.sql("UPDATE road_queue SET due = 0 WHERE state = 'queued'")
    road.work()
    assert road.status(run_id) == "sleeping"
    road.later(101.0)
    assert road.record(run_id)["result"] == "awake"


def test_a_skill_that_is_not_deterministic_is_told_what_to_do_and_sends_nothing(roads: Roads) -> None:
    amounts = itertools.count(1)

    @skill(tools=TOOLS)
    async def dice(run: Run) -> None:
        try:
            await run.call("refund", account="1", amount_minor=next(amounts))
        except Exception:
            await run.call("refund", account="1", amount_minor=777)
        await run.call("held", **to(1))

    road = a_road(roads, dice)
    run_id = road.start("dana", "dice")
    road.work()
    road.vote("amir")
    road.work()
    failure = road.record(run_id)["failure"]
    assert (road.status(run_id), failure["code"]) == ("failed", "idempotency_mismatch")
    assert "run.now, run.uuid" in failure["message"]
    assert road.remote.done("refund") == [{"account": "1", "amount_minor": 1}]
    assert not road.remote.done("held")


def test_a_call_where_a_sleep_was_recorded_is_told_what_to_do(roads: Roads) -> None:
    turns = itertools.count()

    @skill(tools=TOOLS)
    async def turncoat(run: Run) -> None:
        if next(turns):
            await run.sleep(1.0)
        else:
            await run.call("refund", **to(1))
        await run.call("held", **to(1))

    road = a_road(roads, turncoat)
    run_id = road.start("dana", "turncoat")
    road.work()
    road.vote("amir")
    road.work()
    assert road.record(run_id)["failure"]["code"] == "idempotency_mismatch"


def test_times_and_ids_of_the_run_are_the_same_at_each_replay(roads: Roads) -> None:
    notes: list[str] = []

    @skill(tools=TOOLS)
    async def dated(run: Run) -> None:
        note = f"{run.now.isoformat()} {run.uuid('x')}"
        notes.append(note)
        await run.call("refund", account="1", amount_minor=1, note=note)
        await run.call("held", **to(1))

    road = a_road(roads, dated)
    run_id = road.start("dana", "dated")
    road.work()
    road.time.advance(500.0)
    road.vote("amir")
    road.work()
    assert road.status(run_id) == "done"
    assert len(notes) == 2
    assert len(set(notes)) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("4111111111111111"), "skill_error"),
        (SystemExit(1), "skill_error"),
        (asyncio.CancelledError(), "skill_error"),
        (TimeoutError(), "skill_error"),
    ],
)
def test_a_skill_that_raises_ends_its_run_and_no_other(roads: Roads, error: BaseException, code: str) -> None:
    @skill(tools=TOOLS, owner="support")
    async def raiser(run: Run) -> None:
        raise error

    @skill(tools=TOOLS)
    async def fine(run: Run) -> str:
        return "fine"

    road = a_road(roads, raiser, fine)
    record = road.run("raiser")
    assert (record["status"], record["failure"]["code"]) == ("failed", code)
    assert record["failure"]["message"] == f"The skill raised {type(error).__name__}."
    assert record["failure"]["owner"] == "support"
    assert road.run("fine")["result"] == "fine"


def test_a_call_that_nobody_awaits_is_called_as_the_skill_calls_it(roads: Roads) -> None:
    """By Python, in its warning; and what it would have begun is not begun, hence not warned of beside it."""
    names: list[str] = []

    @skill(tools=TOOLS)
    async def forgetful(run: Run) -> None:
        for made in (run.call("read_account", account="1"), run.propose("read_account", account="1")):
            names.append(made.__qualname__)
            made.close()

    assert a_road(roads, forgetful).run("forgetful")["status"] == "done"
    assert names == ["run.call", "run.propose"]


def test_a_result_that_is_no_json_fails_the_run(roads: Roads) -> None:
    @skill(tools=TOOLS)
    async def odd(run: Run) -> Any:
        return {1, 2}

    record = a_road(roads, odd).run("odd")
    assert (record["status"], record["failure"]["code"]) == ("failed", "not_canonical")


def test_a_skill_that_leaves_calls_behind_sends_nothing_after_its_end(roads: Roads) -> None:
    left: list[Any] = []

    @skill(tools=TOOLS)
    async def careless(run: Run) -> str:
        async def background() -> None:
            while True:
                await run.call("refund", **to(1))

        left.append(asyncio.ensure_future(background()))
        await run.call("refund", **to(2))
        return "done"

    road = a_road(roads, careless)
    run_id = road.start("dana", "careless")
    road.work()
    sent = len(road.remote.effects)
    assert road.status(run_id) == "done"
    assert all(e.state is LedgerState.SUCCEEDED for e in road.entries(run_id))
    assert sent == len(road.entries(run_id)) <= 4


def test_a_store_that_fails_for_a_moment_is_not_the_skills_to_handle(roads: Roads) -> None:
    from clearway import Unavailable

    @skill(tools=TOOLS)
    async def forgiving(run: Run) -> str:
        try:
            await run.call("refund", **to(1))
        except Exception:
            return "gave up"
        return "done"

    road = a_road(roads, forgiving)
    run_id = road.start("dana", "forgiving")
    store: Any = road.app.store
    write, broken = store.awrite, itertools.count()

    async def failing(scope: Any, work: Any) -> Any:
        if next(broken) == 1:
            raise Unavailable("locked")
        return await write(scope, work)

    store.awrite = failing
    assert not road.work()
    road.queue.recover()
    road.work()
    assert (road.record(run_id)["result"], len(road.remote.effects)) == ("done", 1)


def test_a_settlement_whose_answer_was_lost_is_found_as_it_was_written(roads: Roads) -> None:
    from clearway import Unavailable

    @skill(tools=TOOLS)
    async def simple(run: Run) -> str:
        return str((await run.call("refund", **to(1)))["account"])

    road = a_road(roads, simple)
    run_id = road.start("dana", "simple")
    store: Any = road.app.store
    write, number = store.awrite, itertools.count(1)

    async def deaf(scope: Any, work: Any) -> Any:
        done = await write(scope, work)
        if next(number) == 3:
            raise Unavailable("the answer to the commit was lost")
        return done

    store.awrite = deaf
    road.work()
    assert (road.status(run_id), len(road.remote.effects)) == ("done", 1)


def test_a_tool_that_is_not_listed_and_one_that_does_not_exist_are_refused(roads: Roads) -> None:
    @skill(tools=["read_account"])
    async def curious(run: Run) -> list[str]:
        names = ("refund", "no_such", "Drop\x1b[2J Table")
        return [getattr(await run.propose(name, **to(1)), "code", "done") for name in names]

    road = a_road(roads, curious)
    record = road.run("curious")
    assert record["result"] == ["tool_not_allowed", "unlisted_tool", "unlisted_tool"]
    assert [s["tool"] for s in record["steps"]] == ["refund", "no_such", r"Drop\u{1B}[2J Table"]
    assert not road.remote.calls


def test_arguments_that_a_skill_changes_after_the_call_are_sent_as_they_were(roads: Roads) -> None:
    from clearway import ToolContext, tool

    sent: list[list[str]] = []

    @tool(impact="external", targets=lambda arguments: arguments["lines"].append("x") or ["order:1"])
    async def order(ctx: ToolContext, lines: list[str]) -> list[str]:
        sent.append(list(lines))
        lines.append("changed by the tool")
        return lines

    @skill(tools=["order"])
    async def changing(run: Run) -> None:
        lines = ["a"]
        call = asyncio.ensure_future(run.call("order", lines=lines))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        lines.append("changed by the skill")
        await call

    road = roads.build(tools=[order], skills=[changing], policy={"order": allow()})
    record = road.run("changing")
    assert sent == [["a"]]
    assert record["steps"][0]["arguments"] == {"lines": ["a"]}


@pytest.mark.parametrize("reason", ["\ud800 lone", "x" * 100_000, "\x00\x1b[31m"])
def test_a_reason_that_cannot_be_stored_as_it_is_hinders_nothing(roads: Roads, reason: str) -> None:
    @skill(tools=TOOLS)
    async def talker(run: Run) -> None:
        await run.call("refund", reason=reason, **to(1))

    road = a_road(roads, talker)
    record = road.run("talker")
    assert record["status"] == "done"
    assert all(len(str(e["payload"].get("claimed_reason", ""))) < 5000 for e in record["events"])
