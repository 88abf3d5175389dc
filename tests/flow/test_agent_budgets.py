"""Budgets of tokens and money: reserved before a turn, settled after it, per run and per tenant and day."""

import asyncio
from typing import Any

import pytest

from clearway import Budget, Invalid
from clearway.cli.show_run import cost_line
from clearway.model.agent import ModelPrice
from clearway.model.identity import Scope
from clearway.operate.records import NO_MODEL
from clearway.project.model_settings import ModelSettings
from clearway.project.settings import Budget as Limit
from clearway.project.settings import LimitSettings
from clearway.testing import ModelBusy, ScriptedModel, Usage, calls, say
from tests.flow.test_agent import a_road, asking_skill
from tests.road import SCOPE, Json, Road, Roads

PRICES = ModelSettings(prices={"test:one": ModelPrice(1.0, 10.0, "2026-09-01"), "test:two": ModelPrice(2.0, 20.0, "x")})


def endless() -> ScriptedModel:
    """Reads another account in each turn."""
    return ScriptedModel(
        lambda request: calls(("read_account", {"account": str(len(request.messages))}), usage=Usage(1000, 100))
    )


def counters(road: Road, prefix: str, scope: Scope = SCOPE) -> dict[str, int]:
    return road.app.store.read(scope, lambda tx: tx.limits.counters(prefix))


def used(road: Road, run_id: str) -> Json:
    return road.record(run_id)["cost"]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_run_stops_before_the_turn_that_its_budget_of_tokens_may_not_cover(roads: Roads) -> None:
    model = endless()
    road = a_road(roads, model, {"budget": Budget(tokens=8_000, turns=50), "max_output_tokens": 500})
    record = road.run("desk")
    assert (record["status"], record["failure"]["code"]) == ("refused", "token_budget")
    assert 3_000 < record["cost"]["input_tokens"] + record["cost"]["output_tokens"] <= 8_000


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_the_last_answers_are_cut_to_what_is_left(roads: Roads) -> None:
    model = endless()
    road = a_road(roads, model, {"budget": Budget(tokens=8_000, turns=50), "max_output_tokens": 4000})
    road.run("desk")
    asked = [request.max_output_tokens for request in model.asked]
    assert asked[0] == 4000
    assert asked[-1] < 4000
    assert min(asked) >= 64


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_run_stops_before_the_turn_that_its_money_may_not_cover(roads: Roads) -> None:
    road = a_road(
        roads,
        endless(),
        {"budget": Budget(cost_usd=0.02, turns=50), "max_output_tokens": 500},
        model_settings=PRICES,
    )
    record = road.run("desk")
    assert (record["status"], record["failure"]["code"]) == ("refused", "cost_budget")
    turns = record["cost"]["turns"]
    assert turns >= 3
    assert record["cost"]["usd"] == pytest.approx(turns * (1000 * 1e-6 + 100 * 1e-5))
    assert record["cost"]["usd"] <= 0.02
    assert record["cost"]["basis"] == "clearway.toml, as of 2026-09-01"


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_price_that_is_not_known_is_unknown_and_never_0(roads: Roads) -> None:
    road = a_road(roads, ScriptedModel(say("Hello.")))
    record = road.run("desk")
    assert record["cost"]["usd"] is None
    assert record["cost"]["basis"].startswith("unknown")
    assert record["steps"][0]["turn"]["usd"] is None


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize("budget", ["run", "tenant"])
def test_a_money_budget_refuses_to_start_with_a_model_whose_price_is_not_known(roads: Roads, budget: str) -> None:
    model = ScriptedModel(say("Hello."))
    agent: Json = {"budget": Budget(cost_usd=1.0)} if budget == "run" else {}
    limits = LimitSettings() if budget == "run" else LimitSettings(tenant_day_budget=Limit(cost_usd=1.0))
    road = a_road(roads, model, agent, limits=limits)
    record = road.run("desk")
    assert (record["status"], record["failure"]["code"], model.asked) == ("refused", "price_unknown", [])
    road = a_road(roads, model, {**agent, "fallbacks": ["test:three"]}, limits=limits, model_settings=PRICES)
    assert road.run("desk")["failure"]["code"] == "price_unknown", "one of the models that may be asked has no price"
    road = a_road(roads, model, {**agent, "fallbacks": ["test:two"]}, limits=limits, model_settings=PRICES)
    assert road.run("desk")["status"] == "done"


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_the_projects_budget_of_a_run_holds_where_the_skills_is_larger(roads: Roads) -> None:
    limits = LimitSettings(run_budget=Limit(tokens=3_000, cost_usd=100.0, steps=2))
    road = a_road(roads, endless(), {"max_output_tokens": 100}, limits=limits, model_settings=PRICES)
    assert road.run("desk")["failure"]["code"] == "token_budget"
    limits = LimitSettings(run_budget=Limit(steps=1))
    road = a_road(roads, endless(), limits=limits)
    assert road.run("desk")["failure"]["code"] == "step_budget"


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_provider_that_tells_no_usage_is_counted_by_estimate(roads: Roads) -> None:
    road = a_road(roads, ScriptedModel(say("Hello.", usage=Usage())))
    record = road.run("desk")
    assert record["cost"]["input_tokens"] > 100
    assert record["cost"]["output_tokens"] >= 3
    assert record["steps"][0]["turn"]["usage_basis"].startswith("estimated")


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_try_that_may_have_been_billed_stays_counted_and_the_next_reserves_anew(roads: Roads) -> None:
    answers = iter([ModelBusy("slow", code="timeout", sent=True), say("Hello.")])
    road = a_road(roads, ScriptedModel(lambda request: next(answers)), {"max_output_tokens": 1000})
    record = road.run("desk")
    assert record["status"] == "done"
    assert record["cost"]["lost_tokens"] > 1000
    total = record["cost"]["lost_tokens"] + record["cost"]["input_tokens"] + record["cost"]["output_tokens"]
    assert counters(road, "tokens:") == {f"tokens:{int(road.time.now // 86400)}": total}
    tight = a_road(
        roads,
        ScriptedModel(lambda request: ModelBusy("slow", code="timeout", sent=True)),
        {"max_output_tokens": 1000, "budget": Budget(tokens=2500)},
    )
    assert tight.run("desk")["failure"]["code"] == "token_budget"


def test_a_tenants_day_binds_every_run_and_ends_with_the_day(roads: Roads) -> None:
    limits = LimitSettings(tenant_day_budget=Limit(tokens=4_000))
    road = a_road(roads, ScriptedModel(say("Hello.", usage=Usage(800, 200))), {"max_output_tokens": 300}, limits=limits)
    ends = [road.run("desk")["failure"] for _ in range(6)]
    codes = [end and end["code"] for end in ends]
    assert codes[:3] == [None, None, None]
    assert codes[-2:] == ["tenant_token_budget", "tenant_token_budget"]
    assert sum(counters(road, "tokens:").values()) <= 4_000
    road.time.advance(86400.0)
    assert road.run("desk")["status"] == "done"
    rita = road.as_user("rita").start("x", skill="desk")["run_id"]
    road.work()
    assert road.as_user("rita").run(rita)["status"] == "done", "another tenant's budget is its own"


class AllAtOnce:
    """Nobody is answered before each of `number` has asked, or was turned away."""

    def __init__(self, number: int) -> None:
        self._missing, self._answered = number, asyncio.Event()

    def came(self) -> None:
        self._missing -= 1
        if self._missing <= 0:
            self._answered.set()

    async def asked(self) -> None:
        self.came()
        await self._answered.wait()


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_reservation_is_replaced_by_what_was_used(roads: Roads) -> None:
    road = a_road(roads, ScriptedModel(say("Hello.", usage=Usage(70, 7))), model_settings=PRICES)
    road.run("desk")
    day = int(road.time.now // 86400)
    assert counters(road, "tokens:") == {f"tokens:{day}": 77}
    assert counters(road, "micro_usd:") == {f"micro_usd:{day}": 140}
    assert counters(road, "used|") == {
        f"used|{day}|desk|test:one|input_tokens": 70,
        f"used|{day}|desk|test:one|output_tokens": 7,
        f"used|{day}|desk|test:one|turns": 1,
        f"used|{day}|desk|test:one|micro_usd": 140,
    }


def test_t31_concurrent_runs_never_pass_the_tenants_day_together(roads: Roads) -> None:
    """Eight runs at once, each in the middle of its turn when the next one starts: what is reserved counts."""
    limits = LimitSettings(tenant_day_budget=Limit(tokens=6_000))
    reached: list[int] = []
    together = AllAtOnce(8)

    async def answer(request: Any) -> Any:
        day = int(road.time.now // 86400)
        reached.append(counters(road, "tokens:")[f"tokens:{day}"])
        await together.asked()
        return say("Hello.", usage=Usage(700, 500))

    road = a_road(roads, ScriptedModel(answer), {"max_output_tokens": 600}, limits=limits)
    run_ids = [road.start("dana", "desk") for _ in range(8)]

    async def all_at_once() -> None:
        async def carry_out(taken: Any) -> None:
            await road.app.workflow.handle_pass(*taken)
            if road.status(taken[0].run_id) == "refused":
                together.came()

        passes = []
        while (taken := road.queue.take(1)) is not None:
            passes.append(carry_out(taken))
        await asyncio.gather(*passes)

    asyncio.run(all_at_once())
    ends = [road.status(run_id) for run_id in run_ids]
    codes = {road.record(run_id)["failure"]["code"] for run_id in run_ids if road.status(run_id) == "refused"}
    total = sum(
        used(road, run_id).get("input_tokens", 0) + used(road, run_id).get("output_tokens", 0) for run_id in run_ids
    )
    assert codes == {"tenant_token_budget"}
    assert "done" in ends
    assert total <= 6_000
    assert max(reached) <= 6_000


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_t31_branches_of_one_skill_never_pass_its_budget_together(roads: Roads) -> None:
    import clearway

    together = AllAtOnce(8)

    @clearway.skill(model="test:one", budget=Budget(tokens=3_000), max_output_tokens=500)
    async def ask(run: clearway.Run) -> list[str]:
        async def one(number: int) -> str:
            try:
                return (await run.ask_model(f"question {number}")).text
            except clearway.ActionStopped as stopped:
                together.came()
                return stopped.code

        return list(await asyncio.gather(*(one(number) for number in range(8))))

    async def answer(request: Any) -> Any:
        await together.asked()
        return say("yes", usage=Usage(100, 400))

    road = roads.build(tools=[], skills=[ask], models=ScriptedModel(answer))
    record = road.run("ask")
    assert set(record["result"]) == {"yes", "token_budget"}
    assert record["cost"]["input_tokens"] + record["cost"]["output_tokens"] <= 3_000


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_asking_is_counted_for_a_python_skill_too(roads: Roads) -> None:
    model = ScriptedModel(lambda request: say("yes", usage=Usage(100, 10)))
    road = roads.build(tools=[], skills=[asking_skill()], models=model, prompts={"desk": "x"}, model_settings=PRICES)
    cost = road.run("ask", question="why")["cost"]
    assert (cost["turns"], cost["input_tokens"], cost["usd"]) == (2, 200, pytest.approx(0.0004))


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_costs_are_summed_by_day_skill_and_model(roads: Roads) -> None:
    road = a_road(roads, ScriptedModel(say("Hello.", usage=Usage(70, 7))), model_settings=PRICES)
    road.run("desk")
    road.run("desk")
    road.time.advance(86400.0)
    road.run("desk")
    reading = road.app.reading()
    rows = reading.costs(days=2)["items"]
    assert [(row["skill"], row["model"], row["turns"], row["input_tokens"], row["usd"]) for row in rows] == [
        ("desk", "test:one", 1, 70, 0.00014),
        ("desk", "test:one", 2, 140, 0.00028),
    ]
    assert rows[0]["day"] > rows[1]["day"]
    assert len(reading.costs()["items"]) == 1
    assert road.as_user("rita").costs(days=2)["items"] == []
    unpriced = a_road(roads, ScriptedModel(say("Hello.")), {"model": "test:nine"})
    unpriced.run("desk")
    assert next(row["usd"] for row in reading.costs()["items"] if row["model"] == "test:nine") is None
    with pytest.raises(Invalid):
        reading.costs(days=0)


def test_what_a_run_cost_is_told_in_one_line_and_an_unknown_price_is_not_0() -> None:
    cost: Json = {
        "turns": 2,
        "input_tokens": 120,
        "output_tokens": 30,
        "usd": 0.0021,
        "basis": "genai-prices 1",
        "lost_tokens": 0,
        "lost_usd": 0.0,
    }
    assert cost_line(cost) == "0.0021 USD, 120 + 30 tokens in 2 turns (genai-prices 1)"
    assert cost_line({**cost, "usd": None}).startswith("unknown price, 120 + 30 tokens")
    assert "900 tokens more may have been billed" in cost_line({**cost, "lost_tokens": 900})
    assert cost_line(NO_MODEL) == "0 USD (no model call was made)"
