"""Models through pydantic-ai, against a server on this machine that speaks the protocol; prices; scripts."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from clearway.adapters.models.prices import ModelPrices
from clearway.adapters.models.providers import Providers, scripted
from clearway.adapters.models.pydantic_ai_client import PydanticAiModels
from clearway.model.agent import ModelPrice, ModelProvider
from clearway.model.errors import ClearwayError, ConfigError, ModelBusy, ModelFailed, Unavailable
from clearway.testing import (
    BODY,
    CUT,
    DROP,
    HANG,
    STATUS,
    FakeProvider,
    Message,
    ModelRequest,
    ScriptedModel,
    ToolDeclaration,
    ToolUse,
    Usage,
    call,
    calls,
    read_script,
    say,
)
from clearway.testing.provider import REDIRECT, completion

Json = dict[str, Any]
SCHEMA: Json = {"type": "object", "properties": {"account": {"type": "string"}}, "required": ["account"]}
REFUND = ToolDeclaration("billing.refund", "Pays back.", SCHEMA)


def asking(*messages: Message, **options: Any) -> ModelRequest:
    options = {"tools": (REFUND,), "timeout_s": 5.0, **options}
    return ModelRequest("local:small", "You refund.", messages or (Message("user", "Refund 9182"),), **options)


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider(ScriptedModel(lambda request: say("Hello there."))) as made:
        yield made


def answers(provider: FakeProvider, *turns: Any) -> None:
    provider.model = ScriptedModel(*turns)


def ask(provider: FakeProvider, request: ModelRequest, on_text: Any = None) -> Any:
    models = PydanticAiModels({"local": ModelProvider(provider.url)})
    return asyncio.run(models.ask(request, on_text))


def pieces_of(provider: FakeProvider, request: ModelRequest) -> tuple[Any, list[str]]:
    pieces: list[str] = []
    return ask(provider, request, pieces.append), pieces


# --- Loading what asks ---------------------------------------------------------------------------------------------

LOADS = """
import asyncio, sys
import clearway.app, clearway.cli.main
from clearway.adapters.models.providers import Providers
from clearway.testing import FakeProvider, Message, ModelRequest, ScriptedModel, say
from clearway.model.agent import ModelProvider

def loaded():
    return {name for name in sys.modules if name.partition(".")[0] in ("pydantic_ai", "openai", "httpx2")}

assert not loaded(), "whoever asks no model waits for the library, too"
with FakeProvider(ScriptedModel(say("Hello."))) as provider:
    models = Providers({"local": ModelProvider(provider.url)})
    assert not loaded()
    asyncio.run(models.prepare("local:small"))
    before = loaded()
    request = ModelRequest("local:small", "", (Message("user", "x"),), timeout_s=20.0)
    assert asyncio.run(models.ask(request)).text == "Hello."
    print(len(before), len(loaded() - before))
"""


def test_the_library_is_loaded_by_preparing_not_by_starting_and_not_by_asking() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", LOADS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    prepared, asked = map(int, done.stdout.split())
    assert prepared > 500
    assert asked < prepared / 20, "asking loads what preparing had left out"


# --- What is sent and what comes back ------------------------------------------------------------------------------


def test_words_and_usage_come_back(provider: FakeProvider) -> None:
    answers(provider, say("Hello there.", usage=Usage(120, 7, 20)))
    answer = ask(provider, asking())
    assert (answer.text, answer.finish_reason, answer.uses) == ("Hello there.", "stop", ())
    assert answer.usage == Usage(120, 7, 20)
    assert answer.response_id == "chatcmpl-fake"


def test_the_request_says_what_it_was_given_and_nothing_else(provider: FakeProvider) -> None:
    ask(provider, asking(max_output_tokens=77, temperature=0.5))
    (body,) = provider.bodies
    assert [m["role"] for m in body["messages"]] == ["system", "user"]
    assert body["model"] == "small"
    assert (body.get("max_completion_tokens") or body.get("max_tokens"), body["temperature"]) == (77, 0.5)
    assert body["tools"][0]["function"]["parameters"]["properties"] == SCHEMA["properties"]


def test_calls_of_several_tools_come_back_in_order_by_our_names(provider: FakeProvider) -> None:
    answers(provider, calls(("billing__refund", {"account": "1"}), ("other", {"x": [1, {"y": None}]}), text="hm"))
    for on_text in (None, lambda text: None):
        answer = ask(provider, asking(), on_text)
        assert [(use.name, use.arguments) for use in answer.uses] == [
            ("billing.refund", {"account": "1"}),
            ("other", {"x": [1, {"y": None}]}),
        ]
        assert (answer.text, answer.finish_reason) == ("hm", "tool_calls")


def test_a_conversation_with_calls_and_their_endings_is_told_whole(provider: FakeProvider) -> None:
    conversation = (
        Message("user", "Refund 9182"),
        Message("assistant", "", (ToolUse("c1", "billing.refund", {"account": "9182"}), ToolUse("c2", "x", {}))),
        Message("tool", '{"status": "done"}', answers="c1"),
        Message("tool", '{"status": "refused"}', answers="c2"),
    )
    ask(provider, asking(*conversation))
    (body,) = provider.bodies
    assert [m["role"] for m in body["messages"]] == ["system", "user", "assistant", "tool", "tool"]
    assert [m["tool_call_id"] for m in body["messages"][3:]] == ["c1", "c2"]
    assert body["messages"][2]["tool_calls"][0]["function"]["name"] == "billing__refund"


def test_text_comes_in_pieces_where_somebody_listens(provider: FakeProvider) -> None:
    answers(provider, say("The account of the customer is open.", usage=Usage(9, 8)))
    answer, pieces = pieces_of(provider, asking())
    assert len(pieces) > 3
    assert "".join(pieces) == answer.text == "The account of the customer is open."
    assert answer.usage == Usage(9, 8)
    assert provider.bodies[0]["stream"] is True


def test_a_structured_answer_comes_as_its_fields(provider: FakeProvider) -> None:
    answers(provider, call("final_answer", account="9182"))
    assert ask(provider, asking(tools=(), output_schema=SCHEMA)).output == {"account": "9182"}
    answers(provider, say("I'd rather talk."))
    with pytest.raises(ModelFailed) as failed:
        ask(provider, asking(tools=(), output_schema=SCHEMA))
    assert failed.value.code == "model_malformed"


def test_a_url_in_a_text_is_a_text_and_is_fetched_by_nobody(provider: FakeProvider) -> None:
    ask(provider, asking(Message("user", "See http://169.254.169.254/latest and data:image/png;base64,AAAA")))
    (body,) = provider.bodies
    content = body["messages"][1]["content"]
    assert isinstance(content, str)
    assert "169.254" in content


def test_a_redirect_is_not_followed(provider: FakeProvider) -> None:
    with FakeProvider(ScriptedModel(lambda request: say("I am elsewhere."))) as elsewhere:
        provider.fail(REDIRECT, f"{elsewhere.url}/chat/completions")
        with pytest.raises(ModelFailed) as failed:
            ask(provider, asking())
        assert elsewhere.asked == 0
    assert failed.value.code == "model_malformed"


def test_one_client_serves_any_number_of_event_loops(provider: FakeProvider) -> None:
    models = PydanticAiModels({"local": ModelProvider(provider.url)})
    for _ in range(3):
        assert asyncio.run(models.ask(asking())).text == "Hello there."


# --- What goes wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    ("fault", "value", "kind", "code", "sent"),
    [
        (STATUS, 429, ModelBusy, "http_429", False),
        (STATUS, 500, ModelBusy, "http_500", False),
        (STATUS, 503, ModelBusy, "http_503", False),
        (STATUS, 400, ModelFailed, "http_400", None),
        (STATUS, 401, ModelFailed, "http_401", None),
        (STATUS, 404, ModelFailed, "http_404", None),
        (DROP, None, ModelBusy, "model_away", True),
        (HANG, None, ModelBusy, "timeout", True),
        (BODY, "no JSON at all", ModelFailed, "model_malformed", None),
        (BODY, {"choices": []}, ModelFailed, "model_malformed", None),
        (BODY, {}, ModelFailed, "model_malformed", None),
    ],
)
def test_what_goes_wrong_is_said_in_our_words_and_tried_once(
    provider: FakeProvider,
    fault: str,
    value: Any,
    kind: type[ClearwayError],
    code: str,
    sent: bool | None,
    streams: bool,
) -> None:
    provider.fail(fault, value)
    with pytest.raises(kind) as failed:
        ask(provider, asking(timeout_s=0.3 if fault == HANG else 5.0), (lambda text: None) if streams else None)
    assert failed.value.code == code
    assert getattr(failed.value, "sent", None) == sent
    assert isinstance(failed.value, Unavailable) == failed.value.retryable
    assert provider.asked == 1, "retries are the runtime's"
    assert "as told" not in str(failed.value), "a provider's words may repeat what was sent"


def test_an_answer_that_breaks_off_is_none(provider: FakeProvider) -> None:
    provider.fail(CUT)
    with pytest.raises(ModelBusy) as failed:
        pieces_of(provider, asking())
    assert (failed.value.code, failed.value.sent) == ("model_away", True)


def test_a_provider_that_is_not_there_was_sent_nothing() -> None:
    models = PydanticAiModels({"local": ModelProvider("http://127.0.0.1:9/v1")})
    with pytest.raises(ModelBusy) as failed:
        asyncio.run(models.ask(asking()))
    assert not failed.value.sent


def test_a_provider_says_when_to_come_back(provider: FakeProvider) -> None:
    answers(provider, lambda request: ModelBusy("later", retry_after_s=12.0))
    with pytest.raises(ModelBusy) as failed:
        ask(provider, asking())
    assert failed.value.retry_after_s == pytest.approx(12.0)


@pytest.mark.parametrize(
    "arguments",
    [
        "not json",
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        "[1]",
        '"text"',
        "null",
        '{"a": ' + "9" * 5000 + "}",
        '{"a":' * 5000 + "1" + "}" * 5000,
        "{" + '"x":"' + "y" * 2_000_000 + '"}',
    ],
    ids=lambda text: text[:12],
)
def test_arguments_that_cannot_be_read_are_a_problem_of_the_call_not_of_the_answer(
    provider: FakeProvider, arguments: str
) -> None:
    answers(provider, lambda request: calls(("billing__refund", {})))
    whole = completion(calls(("billing__refund", {})), "small")
    whole["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] = arguments
    provider.fail(BODY, whole)
    (use,) = ask(provider, asking()).uses
    assert use.problem
    assert use.arguments == {}


def test_a_model_that_is_not_set_up_says_what_to_do(provider: FakeProvider) -> None:
    models = PydanticAiModels({"local": ModelProvider(provider.url, "LOCAL_KEY")}, {})
    with pytest.raises(ConfigError) as missing:
        asyncio.run(models.ask(asking()))
    assert "LOCAL_KEY" in str(missing.value)
    with pytest.raises(ConfigError):
        asyncio.run(models.ask(ModelRequest("nonesuch:x", "", (Message("user", "x"),))))
    assert provider.asked == 0


def test_a_key_is_sent_to_its_own_provider_only(provider: FakeProvider) -> None:
    models = PydanticAiModels({"local": ModelProvider(provider.url)}, {"OPENAI_API_KEY": "canary-key"})
    asyncio.run(models.ask(asking()))
    assert "canary-key" not in provider.seen
    assert "canary-key" not in str(provider.headers)


# --- Prices --------------------------------------------------------------------------------------------------------


def test_a_known_model_is_priced_offline_with_the_release_of_the_price_data() -> None:
    cost = ModelPrices().cost("openai:gpt-4o-mini", Usage(1_000_000, 1_000_000))
    assert cost.usd is not None
    assert 0.1 < cost.usd < 5
    assert cost.basis.startswith("genai-prices ")


def test_cached_tokens_cost_no_more_than_fresh_ones() -> None:
    fresh, cached = (ModelPrices().cost("openai:gpt-4o-mini", Usage(1000, 0, n)).usd for n in (0, 1000))
    assert fresh is not None
    assert cached is not None
    assert cached < fresh


@pytest.mark.parametrize("model", ["openai:nonesuch-9", "local:small", "nonesuch"])
def test_an_unknown_models_price_is_unknown_and_never_0(model: str) -> None:
    cost = ModelPrices().cost(model, Usage(10, 10))
    assert cost.usd is None
    assert cost.micro_usd is None
    assert "unknown" in cost.basis


def test_a_price_of_the_projects_own_goes_first_and_may_be_0() -> None:
    prices = ModelPrices({"local:small": ModelPrice(0.0, 0.0, "2026-09-01"), "openai:gpt-4o": ModelPrice(1, 2, "x")})
    assert prices.cost("local:small", Usage(10, 10)).usd == 0.0
    assert prices.cost("openai:gpt-4o", Usage(1_000_000, 1_000_000)).usd == 3.0


# --- Scripts -------------------------------------------------------------------------------------------------------


def test_a_script_in_a_file_answers_each_conversation_by_its_first_words(tmp_path: Path) -> None:
    path = tmp_path / "desk.json"
    turns = [{"calls": [{"tool": "refund", "arguments": {"account": "1"}}]}, {"text": "Done."}]
    path.write_text(json.dumps([{"when": "refund", "turns": turns}, {"when": "", "turns": [{"text": "Hm?"}]}]))
    declared = {"script": ModelProvider(script=path)}
    models = Providers(declared, {})
    first = ModelRequest("script:x", "", (Message("user", "please refund"),))
    assert asyncio.run(models.ask(first)).uses[0].name == "refund"
    second = ModelRequest("script:x", "", (*first.messages, Message("assistant", ""), Message("tool", "{}")))
    assert asyncio.run(models.ask(second)).text == "Done."
    assert asyncio.run(models.ask(ModelRequest("script:x", "", (Message("user", "hello"),)))).text == "Hm?"
    assert scripted(declared) == {"script"}


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"when": "x"}]', '[{"when": "x", "turns": [{"words": "y"}]}]'])
def test_a_file_that_is_no_script_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "desk.json"
    path.write_text(text)
    with pytest.raises(ConfigError):
        read_script(path)


def test_a_script_that_ended_says_so() -> None:
    with pytest.raises(ModelFailed) as failed:
        asyncio.run(ScriptedModel().ask(asking()))
    assert failed.value.code == "script_ended"


def test_a_script_is_served_from_the_command_line_and_takes_what_other_clients_send(tmp_path: Path) -> None:
    (tmp_path / "script.json").write_text('[{"when": "go", "turns": [{"text": "All is well."}]}]')
    words = [sys.executable, "-W", "error", "-m", "clearway.testing.provider"]
    with subprocess.Popen([*words, str(tmp_path / "script.json")], stdout=subprocess.PIPE, text=True) as served:
        try:
            assert served.stdout is not None
            url = f"{served.stdout.readline().strip()}/chat/completions"
            parts = {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "go now"}]}]}
            answer = httpx.post(url, json=parts)
            assert answer.json()["choices"][0]["message"]["content"] == "All is well."
            assert [httpx.post(url, content=body).status_code for body in ("no json", "[]", "{}")] == [400, 400, 400]
        finally:
            served.terminate()
    missing = subprocess.run([*words, str(tmp_path / "none.json")], capture_output=True, text=True)
    assert missing.returncode == 2
    assert "none.json:1: the script cannot be read" in missing.stderr
