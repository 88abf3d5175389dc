"""Recorded models: redacted before a byte is written, replayed strictly by the request."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from clearway.model.errors import ConfigError
from clearway.testing import (
    Message,
    ModelRequest,
    NotRecorded,
    RecordedModel,
    Recorder,
    ScriptedModel,
    ToolUse,
    Usage,
    call,
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
    assert answer.text.startswith("I wrote to <EMAIL:1")
    with pytest.raises(NotRecorded):
        asyncio.run(RecordedModel(path).ask(asking(f"Refund the card {CARD} of bob@example.com")))


def test_another_request_or_one_time_too_many_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "desk.jsonl"
    asyncio.run(record(path, say("Done.")).ask(asking("Refund 9182")))
    replayed = RecordedModel(path)
    for other in (asking("Refund 9183"), asking("Refund 9182", max_output_tokens=5)):
        with pytest.raises(NotRecorded):
            asyncio.run(replayed.ask(other))
    asyncio.run(replayed.ask(asking("Refund 9182", timeout_s=1.0)))
    with pytest.raises(NotRecorded):
        asyncio.run(replayed.ask(asking("Refund 9182")))


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
