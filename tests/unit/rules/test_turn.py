"""What of a model's calls is proposed at all, and what a turn may take: value in, value out."""

from typing import Any

import pytest

from clearway.model.chat import Message, ModelRequest, ToolUse, Usage
from clearway.rules.turn import (
    LONGEST_NAME,
    MOST_CALLS,
    MOST_DEPTH,
    MOST_SAME,
    Past,
    counted,
    depth_over,
    estimated_input,
    is_answered,
    judge,
    likeness,
    reveal,
)

NOTHING = Past({})


def use(tool: str = "refund", /, **arguments: Any) -> ToolUse:
    return ToolUse("x", tool, arguments)


def codes(*uses: ToolUse, past: Past = NOTHING) -> list[str]:
    return [proposed.code for proposed in judge(uses, past)]


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_different_calls_are_proposed_whatever_their_tools() -> None:
    assert codes(use(account="1"), use(account="2"), use("no_such_tool")) == ["", "", ""]


def test_calls_beyond_what_one_answer_may_hold_are_refused_and_a_flood_of_them_is_not_kept() -> None:
    found = codes(*(use(account=str(n)) for n in range(10_000)))
    assert found[:MOST_CALLS] == [""] * MOST_CALLS
    assert set(found[MOST_CALLS:]) == {"too_many_calls"}
    assert len(found) == 4 * MOST_CALLS


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"a": nested(MOST_DEPTH + 1)}, "arguments_too_large"),
        ({"a": nested(MOST_DEPTH - 3)}, ""),
        ({"a": "x" * 70_000}, "arguments_too_large"),
        ({"a": 2**53}, "malformed_arguments"),
        ({"a": float("nan")}, "malformed_arguments"),
        ({"a": "\ud800"}, "malformed_arguments"),
        ({"a": 2**53 - 1}, ""),
    ],
    ids=str,
)
def test_arguments_that_cannot_be_stored_are_refused_and_not_kept(arguments: Any, code: str) -> None:
    (proposed,) = judge([ToolUse("x", "refund", arguments)], NOTHING)
    assert proposed.code == code
    assert proposed.use.arguments == ({} if code else arguments)


def test_a_problem_of_the_arguments_is_said_and_cut() -> None:
    (proposed,) = judge([ToolUse("x", "refund", {}, "no JSON " * 1000)], NOTHING)
    assert proposed.code == "malformed_arguments"
    assert len(proposed.message) < 300


def test_the_same_call_stands_once_in_an_answer_and_a_few_times_in_a_run() -> None:
    alike = likeness(use(account="1", amount=1))
    assert codes(use(account="1", amount=1), use(amount=1, account="1")) == ["", "repeated_call"]
    assert codes(use(account="1", amount=1), past=Past({alike: MOST_SAME - 1})) == [""]
    assert codes(use(account="1", amount=1), past=Past({alike: MOST_SAME})) == ["repeated_call"]


def test_an_effect_that_was_carried_out_is_not_proposed_again() -> None:
    alike = likeness(use(account="1"))
    assert codes(use(account="1"), past=Past({alike: 1}, {alike})) == ["repeated_call"]


def test_a_tools_name_is_kept_as_far_as_it_can_be_stored() -> None:
    (proposed,) = judge([use("x\ud800" * 5000)], NOTHING)
    assert len(proposed.use.name) == LONGEST_NAME
    proposed.use.name.encode()


def test_depth_is_looked_at_without_recursion() -> None:
    assert depth_over(nested(100_000), 32)
    assert not depth_over(nested(31), 32)


def asking(text: str, **options: Any) -> ModelRequest:
    return ModelRequest("a:b", "system", (Message("user", text),), **options)


@pytest.mark.parametrize("text", ["word " * 1000, "9182736455 " * 300, "漢字" * 500, "a1b2c3d4" * 400])
def test_more_is_reserved_than_usual_tokenizers_make(text: str) -> None:
    """A token for four characters of English, two of digits, one for each ideograph."""
    worst = {"w": 1.3 * 1000, "9": len(text) / 2.5, "漢": len(text), "a": len(text) / 2}[text[0]]
    assert estimated_input(asking(text)) >= worst


def test_what_a_provider_does_not_count_is_counted_by_estimate() -> None:
    assert counted(Usage(5, 6), asking("x"), "yes", ()) == (Usage(5, 6), True)
    usage, is_said = counted(Usage(), asking("x"), "yes" * 100, ())
    assert not is_said
    assert usage.output_tokens >= 100
    assert usage.input_tokens > 5


def test_only_declared_fields_are_shown_raw_at_any_depth() -> None:
    raw = {"card": "4111", "people": [{"name": "Ann", "card": "5500"}], "4111": "x"}
    masked = {"card": "<C:1>", "people": [{"name": "<P:1>", "card": "<C:2>"}], "<C:1>": "x"}
    assert reveal(masked, raw, {"card"}) == {
        "card": "4111",
        "people": [{"name": "<P:1>", "card": "5500"}],
        "<C:1>": "x",
    }
    assert reveal(masked, raw, ()) == masked


@pytest.mark.parametrize(
    ("step", "turns", "answered"),
    [
        ("t1.c1", {"t1", "t2"}, True),
        ("t1.c1", {"t1"}, False),
        ("s1", {"t1", "t2"}, False),
        ("t1.c1.undo", {"t2"}, False),
    ],
)
def test_an_ending_is_taken_as_given_once_the_next_turn_is_recorded(step: str, turns: set[str], answered: bool) -> None:
    assert is_answered(step, turns) is answered
