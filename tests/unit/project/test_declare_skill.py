"""`@skill`: a skill's input is checked like a tool's arguments."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from clearway.model.errors import Invalid
from clearway.project.declare import skill, tool


@tool(impact="read")
def read_account(account: str) -> str:
    return account


@dataclass
class Item:
    name: str
    weight: float


@skill(
    tools=[read_account, "other_tool"],
    examples=["please look at 9182"],
    keywords=["look"],
    owner="support",
    sensitive=["account"],
    max_steps=5,
)
async def desk(run: Any, account: str, text: str, item: Item | None = None) -> tuple[Any, ...]:
    """Looks at an account."""
    return run, account, text, item


def test_a_declaration_becomes_a_spec() -> None:
    spec = desk.spec
    assert (spec.name, spec.description, spec.owner) == ("desk", "Looks at an account.", "support")
    assert spec.tools == {"read_account", "other_tool"}
    assert (spec.examples, spec.keywords, spec.sensitive) == (("please look at 9182",), ("look",), {"account"})
    assert spec.file.endswith("test_declare_skill.py")
    assert spec.line > 1
    assert set(spec.schema["properties"]) == {"account", "text", "item"}


def test_the_request_text_fills_in_where_the_input_has_none() -> None:
    assert desk.spec.validate({"account": "1"}, "hello")["text"] == "hello"
    assert desk.spec.validate({"account": "1", "text": "own"}, "hello")["text"] == "own"
    with pytest.raises(Invalid, match="argument text is missing"):
        desk.spec.validate({"account": "1"})


def test_a_skill_without_a_text_parameter_is_not_given_one() -> None:
    @skill
    async def plain(run: Any, account: str) -> None: ...

    assert plain.spec.validate({"account": "1"}, "hello") == {"account": "1"}


def test_the_function_gets_the_run_and_typed_input() -> None:
    canonical = desk.spec.validate({"account": "1", "text": "t", "item": {"name": "n", "weight": 1.0}})
    run, account, text, item = asyncio.run(desk.spec.function("run", **canonical))
    assert (run, account, text, item) == ("run", "1", "t", Item("n", 1.0))
    assert type(item.weight) is float


def test_the_function_stays_callable() -> None:
    assert asyncio.run(desk(None, "1", "t")) == (None, "1", "t", None)
