"""Recorded models: redacted before a byte is written, replayed strictly by the request."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from clearway.adapters.keyring import Keyring
from clearway.adapters.sealer import KeyringSealer
from clearway.model.errors import ConfigError
from clearway.model.identity import Scope
from clearway.rules.redact import Redaction
from clearway.rules.shapes import Shapes
from clearway.testing import (
    FakeProvider,
    Message,
    ModelRequest,
    NotRecorded,
    RecordedModel,
    Recorder,
    ScriptedModel,
    ToolUse,
    Usage,
    call,
    project_models,
    say,
)

CARD, MAIL = "4111 1111 1111 1111", "ann.lee@example.com"


def asking(text: str, **options: Any) -> ModelRequest:
    return ModelRequest("openai:x", "You refund.", (Message("user", text),), **options)


def record(path: Path, *turns: Any) -> Recorder:
    return Recorder(path, ScriptedModel(*turns))


def test_what_was_recorded_is_said_again_without_the_model(tmp_path: Path) -> None:
    path = tmp_path / "desk.jsonl"
    recorder = record(path, call("refund", account="9182"), say("Done.", usage=Usage(5, 6)))
    first = asking("Refund 9182")
    second = ModelRequest(
        "openai:x",
        "You refund.",
        (
            *first.messages,
            Message("assistant", "", (ToolUse("c", "refund", {"account": "9182"}),)),
            Message("tool", "{}"),
        ),
    )
    said = [asyncio.run(recorder.ask(one)) for one in (first, second)]
    replayed = RecordedModel(path)
    assert [asyncio.run(replayed.ask(one)) for one in (first, second)] == said


def test_no_personal_data_is_written_and_the_same_request_still_finds_its_answer(tmp_path: Path) -> None:
    path = tmp_path / "desk.jsonl"
    request = asking(f"Refund the card {CARD} of {MAIL}")
    asyncio.run(record(path, say(f"I wrote to {MAIL} about {CARD}.")).ask(request))
    written = path.read_text()
    assert "4111" not in written
    assert MAIL not in written
    answer = asyncio.run(RecordedModel(path).ask(request))
    assert answer.text == f"I wrote to {MAIL} about {CARD.replace(' ', '')}."
    with pytest.raises(NotRecorded):
        asyncio.run(RecordedModel(path).ask(asking(f"Refund the card {CARD} of bob@example.com")))


def test_what_one_store_recorded_is_said_again_to_another_one_in_its_own_tokens(tmp_path: Path) -> None:
    def conversation(mail: str, card: str, approval: str) -> ModelRequest:
        told = json.dumps({"status": "pending", "approval": f"apr_{approval * 20}", "paid_with": card})
        uses = (ToolUse("c", "pay", {"to": mail, "card": card}),)
        messages = (Message("user", f"Pay {mail}"), Message("assistant", "", uses), Message("tool", told, answers="c"))
        return ModelRequest("openai:x", "You pay.", messages)

    mail, card, path = "<EMAIL:1aaaabbbbccccdddd>", "<CARD:1aaaabbbbccccdddd>", tmp_path / "desk.jsonl"
    say_again = call("mail", to=mail, text=f"{card} waits for apr_{'a' * 20}; <EMAIL:1zzzzzzzzzzzzzzzz>")
    asyncio.run(record(path, say("x"), say_again).ask(conversation(mail, card, "a")))
    here = "<EMAIL:1eeeeffffgggghhhh>", "<CARD:1eeeeffffgggghhhh>", "b"
    answer = asyncio.run(RecordedModel(path).ask(conversation(*here)))
    assert answer.uses[0].arguments == {
        "to": here[0],
        "text": f"{here[1]} waits for apr_{'b' * 20}; <EMAIL:1zzzzzzzzzzzzzzzz>",
    }
    mixed = conversation(here[0], here[0].replace("EMAIL", "CARD"), "b")
    asyncio.run(RecordedModel(path).ask(mixed))
    with pytest.raises(NotRecorded):
        asyncio.run(RecordedModel(path).ask(conversation(here[0], here[0], "b")))


def test_a_project_s_own_providers_are_recorded(tmp_path: Path) -> None:
    with FakeProvider(ScriptedModel(say("All is well."))) as provider:
        settings = f'[project]\nname = "desk"\n\n[models.providers.local]\nbase_url = "{provider.url}"\n'
        (tmp_path / "clearway.toml").write_text(settings)
        request = ModelRequest("local:small", "You help.", (Message("user", "Is all well?"),))
        said = asyncio.run(Recorder(tmp_path / "said.jsonl", project_models(tmp_path)).ask(request))
    assert (said.text, provider.asked) == ("All is well.", 1)
    assert asyncio.run(RecordedModel(tmp_path / "said.jsonl").ask(request)) == said


def test_another_request_or_one_time_too_many_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "desk.jsonl"
    asyncio.run(record(path, say("Done.")).ask(asking("Refund 9182")))
    replayed = RecordedModel(path)
    for other in (asking("Refund 9183"), asking("Refund 9182", max_output_tokens=5)):
        with pytest.raises(NotRecorded):
            asyncio.run(replayed.ask(other))
    asyncio.run(replayed.ask(asking("Refund 9182", timeout_s=1.0)))
    with pytest.raises(NotRecorded, match="more often than it was recorded"):
        asyncio.run(replayed.ask(asking("Refund 9182")))


def test_stand_ins_of_another_keyring_are_refused_with_the_way_out(tmp_path: Path) -> None:
    """A stand-in has a form of its field and bears no type, so that nothing could stand for it in the file."""
    path = tmp_path / "desk.jsonl"
    shapes = Shapes(frozenset(["reference"]), {"properties": {"reference": {"pattern": "^[a-z]+-[a-z]+-[0-9]{4}$"}}})

    def request(keyring: str) -> ModelRequest:
        sealer = KeyringSealer(Keyring.open_or_create(tmp_path / keyring / "keyring.json"))
        masker = Redaction(sealer).masker(Scope("acme", "dev"), ["reference"])
        return asking(json.dumps(masker.mask({"reference": "quagmire-falcon-7731"}, (), shapes)))

    asyncio.run(record(path, say("Done.")).ask(request("one")))
    assert asyncio.run(RecordedModel(path).ask(request("one"))).text == "Done."
    with pytest.raises(NotRecorded) as refused:
        asyncio.run(RecordedModel(path).ask(request("another")))
    assert "test with the one that it was recorded with" in refused.value.remedy


def test_the_same_request_gets_its_answers_in_the_order_of_the_recording(tmp_path: Path) -> None:
    path, answers = tmp_path / "desk.jsonl", iter([say("one"), say("two")])
    recorder = record(path, lambda request: next(answers))
    for _ in range(2):
        asyncio.run(recorder.ask(asking("x")))
    again = Recorder(path, ScriptedModel(say("three")))
    asyncio.run(again.ask(asking("x")))
    replayed = RecordedModel(path)
    assert [asyncio.run(replayed.ask(asking("x"))).text for _ in range(3)] == ["one", "two", "three"]


@pytest.mark.parametrize("text", ["", "nonsense", '{"version": "other"}', json.dumps({"version": 1})])
def test_a_file_that_is_no_recording_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "desk.jsonl"
    path.write_text(text)
    with pytest.raises(ConfigError):
        RecordedModel(path)
