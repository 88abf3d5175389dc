"""Agents: a model's turns and calls, durable, gated, tokenized, within budgets."""

import asyncio
import json
from typing import Any

import pytest

import clearway
from clearway import Budget
from clearway.project.declare import Skill
from clearway.testing import ModelBusy, ModelFailed, ScriptedModel, call, calls, say
from tests.flow.desk import read_tool, refund_tool
from tests.road import SCOPE, Json, Road, Roads, allow, deny, hold

PROMPTS = {"desk": "You refund."}


def an_agent(**options: Any) -> Skill[..., Any]:
    options = {"name": "desk", "model": "test:one", "tools": ["refund", "read_account"], **options}

    @clearway.agent(**options)
    def desk(account: str = "", note: str = "") -> None:
        """Refunds."""

    return desk


def a_road(roads: Roads, model: Any, agent: Json | None = None, **options: Any) -> Road:
    tool = options.pop("tool", {})
    return roads.build(
        tools=[refund_tool(roads.remote, **tool), read_tool(roads.remote)],
        skills=[an_agent(**(agent or {}))],
        policy={"refund": options.pop("refund", allow()), "read_account": options.pop("read", allow())},
        models=model,
        prompts=PROMPTS,
        **options,
    )


REFUND: Json = {"account": "9182", "amount_minor": 500}


def test_a_model_reads_acts_and_answers(roads: Roads) -> None:
    model = ScriptedModel(call("read_account", account="9182"), call("refund", **REFUND), say("Refunded 5 dollars."))
    road = a_road(roads, model)
    record = road.run("desk", account="9182")
    assert (record["status"], record["result"]) == ("done", "Refunded 5 dollars."), record["failure"]
    assert [(s["step"], s["kind"], s["state"]) for s in record["steps"]] == [
        ("t1", "turn", "succeeded"),
        ("t1.c1", "call", "succeeded"),
        ("t2", "turn", "succeeded"),
        ("t2.c1", "call", "succeeded"),
        ("t3", "turn", "succeeded"),
    ]
    assert road.remote.done("refund") == [REFUND]


def ask_of(model: ScriptedModel, turn: int) -> Json:
    """What the model was told of the calls of the turn before, by step."""
    told: Json = {}
    for message in model.asked[turn].messages:
        if message.role == "tool":
            told[message.answers.removeprefix("call_").replace("_", ".")] = json.loads(message.text)
    return told


# --- Endings are data ----------------------------------------------------------------------------------------------


def test_a_refusal_comes_back_as_data_and_the_run_goes_on(roads: Roads) -> None:
    model = ScriptedModel(call("refund", **REFUND), say("I may not."))
    road = a_road(roads, model, refund=deny())
    record = road.run("desk")
    assert record["result"] == "I may not."
    assert ask_of(model, 1)["t1.c1"]["status"] == "refused"
    assert ask_of(model, 1)["t1.c1"]["code"] == "forbidden"
    assert not road.remote.effects


def test_a_failure_comes_back_as_data(roads: Roads) -> None:
    model = ScriptedModel(call("refund", **REFUND), say("The gateway declined."))
    road = a_road(roads, model)
    road.remote.do("rejected")
    assert road.run("desk")["status"] == "done"
    assert ask_of(model, 1)["t1.c1"] | {"message": ""} == {"status": "failed", "code": "card_declined", "message": ""}


def test_a_pending_approval_is_no_refusal_the_run_waits_and_the_model_is_asked_once_it_is_decided(roads: Roads) -> None:
    model = ScriptedModel(call("refund", **REFUND), say("Refunded."))
    road = a_road(roads, model, {"pending": "wait"}, refund=hold())
    run_id = road.start("dana", "desk")
    road.work()
    assert (road.status(run_id), len(model.asked)) == ("waiting", 1)
    road.vote("amir")
    road.work()
    assert (road.status(run_id), len(model.asked)) == ("done", 2)
    assert ask_of(model, 1)["t1.c1"]["status"] == "done"
    assert len(road.remote.effects) == 1


def test_while_one_call_waits_for_people_the_others_of_its_turn_go_on(roads: Roads) -> None:
    model = ScriptedModel(
        calls(("read_account", {"account": "1"}), ("refund", REFUND), ("read_account", {"account": "2"})), say("Done.")
    )
    road = a_road(roads, model, {"pending": "wait"}, refund=hold())
    run_id = road.start("dana", "desk")
    road.work()
    states = {entry.step_id: entry.state.value for entry in road.entries(run_id)}
    assert states == {"t1": "succeeded", "t1.c1": "succeeded", "t1.c2": "held", "t1.c3": "succeeded"}
    assert road.status(run_id) == "waiting"
    road.vote("amir")
    road.work()
    assert road.status(run_id) == "done"
    assert [ask_of(model, 1)[f"t1.c{n}"]["result"]["account"] for n in (1, 2, 3)] == ["1", "9182", "2"]
    assert [s["step"] for s in road.record(run_id)["steps"]] == ["t1", "t1.c1", "t1.c2", "t1.c3", "t2"]
    assert [key for tool, key in road.remote.calls if tool == "read_account"] == [
        entry.key for entry in road.entries(run_id) if entry.tool == "read_account"
    ]


def test_effects_of_one_turn_happen_one_by_one_in_the_order_of_the_answer(roads: Roads) -> None:
    wanted = [{"account": str(n), "amount_minor": n} for n in range(1, 6)]
    model = ScriptedModel(calls(*(("refund", one) for one in wanted)), say("Done."))
    road = a_road(roads, model)
    assert road.run("desk")["status"] == "done"
    assert road.remote.done("refund") == wanted


def test_a_rejection_ends_the_action_for_good(roads: Roads) -> None:
    model = ScriptedModel(
        call("refund", **REFUND), call("refund", **REFUND, note="please"), call("refund", **REFUND), say("I give up.")
    )
    road = a_road(roads, model, {"pending": "wait"}, refund=hold())
    run_id = road.start("dana", "desk")
    road.work()
    road.vote("amir", "reject", comment="not this one")
    road.work()
    assert road.status(run_id) == "waiting", "worded anew it is another action, which people are asked about anew"
    road.vote("amir", "reject", comment="nor this one")
    road.work()
    assert road.record(run_id)["result"] == "I give up."
    told = ask_of(model, 3)
    assert [told[f"t{n}.c1"]["code"] for n in (1, 2, 3)] == ["rejected", "rejected", "rejected_before"]
    assert not road.remote.effects


def test_a_call_in_doubt_parks_the_run_and_the_model_hears_of_it_once_it_is_settled(roads: Roads) -> None:
    model = ScriptedModel(call("refund", **REFUND), say("Refunded."))
    road = a_road(roads, model)
    road.remote.do("commit then time out")
    run_id = road.start("dana", "desk")
    road.work()
    assert (road.status(run_id), len(model.asked)) == ("unknown", 1)
    road.as_user("olga").resolve(
        road.step(run_id, "t1.c1").key, happened=True, reason="seen at the bank", result={"ref": "re_1"}
    )
    road.work()
    assert (road.status(run_id), len(road.remote.effects)) == ("done", 1)


def test_what_people_edited_is_said_to_the_model(roads: Roads) -> None:
    model = ScriptedModel(call("refund", **REFUND), say("Refunded less."))
    road = a_road(roads, model, {"pending": "wait"}, refund=hold())
    run_id = road.start("dana", "desk")
    road.work()
    road.edit("amir", account="9182", amount_minor=100)
    road.work()
    road.vote("bo")
    road.work()
    assert road.status(run_id) == "done"
    assert ask_of(model, 1)["t1.c1"]["arguments"]["amount_minor"] == 100
    assert road.remote.done("refund") == [{"account": "9182", "amount_minor": 100}]


def test_a_run_that_ends_without_an_answer_undoes_what_its_tools_say_how_to_undo(roads: Roads) -> None:
    undo = clearway.Compensation("take_back", lambda arguments, result: {**arguments, "note": "undone"})
    refund, take_back = refund_tool(roads.remote, compensate=undo), refund_tool(roads.remote, name="take_back")
    answers: list[Any] = [call("refund", **REFUND), *[say("")] * 4]
    road = roads.build(
        tools=[refund, take_back],
        skills=[an_agent(tools=["refund"])],
        policy={"refund": allow(), "take_back": allow()},
        models=ScriptedModel(*answers),
        prompts=PROMPTS,
    )
    record = road.run("desk")
    assert (record["status"], record["failure"]["code"]) == ("refused", "fruitless_turns")
    assert record["failure"]["compensated"] == ["t1.c1: done"]
    assert [effect.tool for effect in road.remote.effects] == ["refund", "take_back"]
    assert [s["step"] for s in record["steps"]][-1] == "t1.c1.undo"


# --- Durable turns -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("probe", ["turn_started", "turn_asked", "turn_settled", "started", "sent", "settled"])
def test_a_worker_that_dies_anywhere_asks_for_no_recorded_answer_again(roads: Roads, probe: str) -> None:
    model = ScriptedModel(call("read_account", account="1"), call("refund", **REFUND), say("Done."))
    road = a_road(roads, model, tool={"idempotency": clearway.Idempotency(remote_dedup_window_s=3600)})
    run_id = road.start("dana", "desk")
    road.die_at(probe, 2 if probe.startswith("turn") else 1)
    assert not road.work()
    recorded = {e.step_id for e in road.app.store.read(SCOPE, lambda tx: tx.ledger.of_run(run_id)) if e.result}
    before = len(model.asked)
    road.restart()
    road.work()
    assert road.status(run_id) == "done", road.record(run_id)["failure"]
    asked = [sum(m.role == "assistant" for m in request.messages) for request in model.asked]
    for turn in (name for name in recorded if "." not in name):
        number = int(turn[1:]) - 1
        assert number not in asked[before:], f"{turn} was asked for again"
    assert len(road.remote.effects) == 1
    lost = 1 if probe == "turn_asked" else 0
    assert len(model.asked) == 3 + lost, "only an answer that was lost before its commit is asked for again"


def test_a_lost_answer_stays_counted(roads: Roads) -> None:
    model = ScriptedModel(say("Done."))
    road = a_road(roads, model)
    run_id = road.start("dana", "desk")
    road.die_at("turn_asked")
    assert not road.work()
    road.restart()
    road.work()
    cost = road.record(run_id)["cost"]
    assert (cost["turns"], cost["input_tokens"], cost["output_tokens"]) == (1, 100, 20)
    assert cost["lost_tokens"] > 4096


def test_a_retried_run_asks_no_answered_turn_again(roads: Roads) -> None:
    answers: list[Any] = [call("refund", **REFUND), ModelFailed("no")]
    model = ScriptedModel(lambda request: answers[sum(m.role == "assistant" for m in request.messages)])
    road = a_road(roads, model, refund=deny())
    record = road.run("desk")
    assert (record["status"], record["failure"]["code"]) == ("failed", "model_failed")
    road.rules.set("refund", allow())
    answers[1] = say("Done.")
    road.as_user("olga").retry(record["run_id"], "again")
    road.work()
    assert (road.status(record["run_id"]), len(model.asked)) == ("done", 3)
    assert len(road.remote.effects) == 1, "nobody had answered to that refusal yet, so it is decided anew"


def test_a_retried_run_takes_up_nothing_that_a_model_has_taken_as_given(roads: Roads) -> None:
    answers: list[Any] = [call("refund", **REFUND), call("read_account", account="1"), ModelFailed("no")]
    model = ScriptedModel(lambda request: answers[sum(m.role == "assistant" for m in request.messages)])
    road = a_road(roads, model, refund=deny())
    record = road.run("desk")
    assert record["status"] == "failed"
    road.rules.set("refund", allow())
    answers[2] = say("I may not, so I only looked.")
    road.as_user("olga").retry(record["run_id"], "again")
    road.work()
    assert (road.status(record["run_id"]), len(model.asked)) == ("done", 4)
    assert not road.remote.effects
    assert road.step(record["run_id"], "t1.c1").state.value == "refused"


# --- Python skills -------------------------------------------------------------------------------------------------


def asking_skill(**options: Any) -> Skill[..., Any]:
    options = {"name": "ask", "model": "test:one", **options}

    @clearway.skill(**options)
    async def ask(run: clearway.Run, question: str) -> list[str]:
        replies: list[str] = []
        for number in range(2):
            try:
                reply = await run.ask_model(f"{question} {number}", system="Answer.", prompt="desk")
                replies.append(reply.text)
            except clearway.ActionStopped as stopped:
                replies.append(stopped.code)
        return replies

    return ask


def test_a_python_skill_asks_a_model_durably(roads: Roads) -> None:
    model = ScriptedModel(lambda request: say(request.messages[0].text.upper()))
    road = roads.build(tools=[], skills=[asking_skill()], models=model, prompts=PROMPTS)
    run_id = road.start("dana", "ask", question="why")
    road.die_at("turn_settled")
    assert not road.work()
    road.restart()
    road.work()
    assert (road.record(run_id)["result"], len(model.asked)) == (["WHY 0", "WHY 1"], 2)
    assert model.asked[0].system == "You refund.\n\nAnswer."


def test_a_python_skill_deals_with_a_model_that_does_not_answer_and_with_a_budget_that_is_used_up(roads: Roads) -> None:
    model = ScriptedModel(lambda request: ModelFailed("no"))
    road = roads.build(tools=[], skills=[asking_skill()], models=model)
    assert road.run("ask", question="why")["result"] == ["unknown_prompt", "unknown_prompt"]
    road = roads.build(tools=[], skills=[asking_skill()], models=model, prompts=PROMPTS)
    assert road.run("ask", question="why")["result"] == ["model_failed", "model_failed"]
    model = ScriptedModel(lambda request: say("yes"))
    road = roads.build(tools=[], skills=[asking_skill(budget=Budget(turns=1))], models=model, prompts=PROMPTS)
    assert road.run("ask", question="why")["result"] == ["yes", "turn_budget"]


def test_a_skill_that_asks_something_else_on_a_replay_is_told_so(roads: Roads) -> None:
    words = iter(["one", "two"])

    @clearway.skill(model="test:one")
    async def ask(run: clearway.Run) -> None:
        await run.ask_model(next(words))
        await run.sleep(1)

    road = roads.build(tools=[], skills=[ask], models=ScriptedModel(lambda request: say("yes")))
    run_id = road.start("dana", "ask")
    road.later(5)
    assert road.record(run_id)["failure"]["code"] == "idempotency_mismatch"


# --- Providers -----------------------------------------------------------------------------------------------------


class Chooses:
    """Answers by the model that is asked."""

    def __init__(self, **by_name: Any) -> None:
        self.by_name, self.asked = by_name, list[str]()

    async def prepare(self, model: str) -> None:
        """Nothing to load."""

    async def ask(self, request: Any, on_text: Any = None) -> Any:
        self.asked.append(request.model)
        answer = self.by_name[request.model.partition(":")[2]]
        return (
            await ScriptedModel(*answer).ask(request, on_text) if isinstance(answer, tuple) else await answer(request)
        )


def test_a_busy_model_is_asked_again_then_the_next_one_and_the_record_says_why(roads: Roads) -> None:
    model = Chooses(one=(ModelBusy("busy", code="http_503"),), two=(say("Hello."),))
    road = a_road(roads, model, {"fallbacks": ["test:two"]})
    record = road.run("desk")
    assert (record["status"], model.asked) == ("done", ["test:one"] * 3 + ["test:two"])
    turn = record["steps"][0]["turn"]
    assert turn["model"] == "test:two"
    assert [(one["model"], one["code"]) for one in turn["tries"]] == [("test:one", "http_503")] * 3
    assert len(road.time.slept) == 2


def test_a_provider_that_names_a_time_is_waited_for_if_that_is_short(roads: Roads) -> None:
    answers = iter([ModelBusy("busy", retry_after_s=7.0), say("Hello.")])
    road = a_road(roads, ScriptedModel(lambda request: next(answers)))
    assert road.run("desk")["status"] == "done"
    assert road.time.slept == [7.0]
    model = Chooses(one=(ModelBusy("busy", retry_after_s=3600.0),), two=(say("Hello."),))
    road = a_road(roads, model, {"fallbacks": ["test:two"]})
    assert road.run("desk")["status"] == "done"
    assert model.asked == ["test:one", "test:two"]


def test_a_request_that_a_provider_refuses_is_not_repeated_there(roads: Roads) -> None:
    model = Chooses(one=(ModelFailed("no", code="http_400"),), two=(say("Hello."),))
    road = a_road(roads, model, {"fallbacks": ["test:two"]})
    assert road.run("desk")["status"] == "done"
    assert model.asked == ["test:one", "test:two"]


def test_where_no_model_answers_the_run_fails_and_says_who_was_asked(roads: Roads) -> None:
    secret = "canary-4111"
    road = a_road(roads, ScriptedModel(lambda request: RuntimeError(secret)))
    record = road.run("desk")
    assert (record["status"], record["failure"]["code"]) == ("failed", "model_failed")
    assert "test:one: RuntimeError" in record["failure"]["message"]
    assert secret not in str(record)


class SlowToLoad(ScriptedModel):
    """Loading what asks takes an hour by the event loop's clock, which time-outs go by."""

    async def prepare(self, model: str) -> None:
        loop = asyncio.get_running_loop()
        loop.time = lambda now=loop.time: now() + 3600
        for _ in range(3):  # what is due by now is done
            await asyncio.sleep(0)


def test_loading_the_library_is_no_part_of_a_turns_time(roads: Roads) -> None:
    model = SlowToLoad(say("Hello."))
    record = a_road(roads, model, {"budget": Budget(wall_s=86_400)}).run("desk")
    assert (record["status"], record["result"]) == ("done", "Hello."), record["failure"]
    assert len(model.asked) == 1


def test_retries_of_a_model_come_out_of_its_retry_budget(roads: Roads) -> None:
    model = ScriptedModel(lambda request: ModelBusy("busy"))
    road = a_road(roads, model, {"budget": Budget(wall_s=10_000_000)})
    for _ in range(52):
        road.run("desk")
    assert len(model.asked) < 52 * 3, "a provider that is down is not asked three times by everybody for ever"


# --- Streaming -----------------------------------------------------------------------------------------------------


def test_text_comes_to_listeners_as_it_comes_tokenized_and_whole(roads: Roads) -> None:
    words = "The customer's address is 'ann.lee@example.com', as written. " * 20
    road = a_road(roads, ScriptedModel(say(words)))
    run_id = road.start("dana", "desk")
    heard: list[Any] = []
    stop = road.app.pieces.listen(run_id, heard.append)
    road.work()
    stop()
    whole = "".join(piece.text for piece in heard)
    assert len(heard) > 5
    assert "ann.lee" not in whole
    assert whole == road.record(run_id)["steps"][0]["result"]["text"]
    assert not any(piece.restart for piece in heard)
