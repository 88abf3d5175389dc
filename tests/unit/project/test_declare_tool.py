"""`@tool`: what a declaration makes of a function, and which declarations are refused."""

import asyncio
import dataclasses
import inspect
import re
from datetime import date
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr
from typing_extensions import TypedDict

from clearway.model.context import ToolContext
from clearway.model.errors import ConfigError, Invalid
from clearway.model.signals import Rejected
from clearway.model.tool import Compensation, Impact, RateLimit, Retry, Target
from clearway.project.declare import skill, tool
from clearway.project.parameters import Sensitive


class Payer(BaseModel):
    iban: Annotated[str, Sensitive()]
    share: int = 1


@dataclasses.dataclass
class Address:
    street: str
    number: int = 1


class Tags(TypedDict):
    first: str


class Speed(Enum):
    SLOW = "slow"
    FAST = "fast"


@tool(
    impact="external",
    targets="account:{account}",
    summary="Refund {amount_minor|money:currency} to account {account}",
    sensitive=["card_number"],
    owner="billing",
)
def refund(
    context: ToolContext,
    account: Annotated[str, Field(min_length=1)],
    amount_minor: int,
    currency: Literal["USD", "EUR"] = "USD",
    card_number: str | None = None,
) -> tuple[Any, ...]:
    """Refunds a payment."""
    return context, account, amount_minor, currency, card_number


@tool
async def everything(
    payer: Payer,
    address: Address,
    tags: Tags,
    when: date = date(2026, 1, 31),
    speed: Speed = Speed.SLOW,
    json: list[int] | None = None,
    model_config: bool = False,
) -> tuple[Any, ...]:
    return payer, address, tags, when, speed, json, model_config


def test_a_declaration_becomes_a_spec() -> None:
    spec = refund.spec
    assert (spec.name, spec.description, spec.impact, spec.owner) == (
        "refund",
        "Refunds a payment.",
        Impact.EXTERNAL,
        "billing",
    )
    assert spec.takes_context
    assert spec.money == ("amount_minor", "currency")
    assert spec.sensitive == {"card_number"}
    assert spec.schema["required"] == ["account", "amount_minor"]
    assert "context" not in spec.schema["properties"]
    assert spec.schema["additionalProperties"] is False
    assert spec.targets({"account": "9182"}) == [Target("account", "9182")]


def test_a_tool_without_an_impact_is_external_and_without_targets_has_none() -> None:
    assert everything.spec.impact is Impact.EXTERNAL
    assert everything.spec.targets({}) == []


def test_the_function_stays_callable() -> None:
    assert refund(None, "9182", 5) == (None, "9182", 5, "USD", None)  # pyright: ignore[reportArgumentType]
    assert refund.__name__ == "refund"


def test_the_wrapper_is_a_coroutine_function_exactly_where_the_function_is() -> None:
    assert inspect.iscoroutinefunction(everything.spec.function)
    assert not inspect.iscoroutinefunction(refund.spec.function)


def test_defaults_are_filled_and_the_function_gets_typed_values() -> None:
    canonical = everything.spec.validate(
        {"payer": Payer(iban="DE02"), "address": {"street": "Main"}, "tags": {"first": "a"}, "speed": Speed.FAST}
    )
    assert canonical == {
        "payer": {"iban": "DE02", "share": 1},
        "address": {"street": "Main", "number": 1},
        "tags": {"first": "a"},
        "when": "2026-01-31",
        "speed": "fast",
        "json": None,
        "model_config": False,
    }
    got = asyncio.run(everything.spec.function(**canonical))
    assert got == (Payer(iban="DE02"), Address("Main"), {"first": "a"}, date(2026, 1, 31), Speed.FAST, None, False)


def test_the_context_goes_before_the_arguments() -> None:
    context = ToolContext("acme", "dev", "r1", "s1", "k")
    got = refund.spec.function(context, **refund.spec.validate({"account": "1", "amount_minor": 5}))
    assert got == (context, "1", 5, "USD", None)


def test_nothing_was_sent_where_the_wrapper_is_given_other_arguments() -> None:
    with pytest.raises(Rejected):
        refund.spec.function(None, account="1")


def test_nested_marks_count_by_the_name_of_their_field() -> None:
    assert everything.spec.sensitive == {"iban"}


def test_a_mark_inside_a_list_counts_for_the_parameter() -> None:
    @tool
    def notify(people: list[Annotated[str, Sensitive()]], cause: Annotated[str, Sensitive]) -> None: ...

    assert notify.spec.sensitive == {"people", "cause"}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({}, "argument account is missing; argument amount_minor is missing"),
        ({"account": "1", "amount_minor": "7007"}, "argument amount_minor should be an integer"),
        ({"account": "1", "amount_minor": 7007.0}, "argument amount_minor should be an integer"),
        ({"account": "1", "amount_minor": True}, "argument amount_minor should be an integer"),
        ({"account": "1", "amount_minor": None}, "argument amount_minor should be an integer"),
        ({"account": "1", "amount_minor": float("nan")}, "argument amount_minor holds a number that is not finite"),
        ({"account": "1", "amount_minor": 2**53}, "argument amount_minor holds an integer of 2^53 or more"),
        ({"account": 7007, "amount_minor": 1}, "argument account should be a string"),
        ({"account": "", "amount_minor": 1}, "argument account should be at least 1 characters long"),
        ({"account": "\ud8007007", "amount_minor": 1}, "argument account holds half of a surrogate pair"),
        ({"account": "1", "amount_minor": 1, "currency": "7007"}, "argument currency should be 'USD' or 'EUR'"),
        ({"account": "1", "amount_minor": 1, "acount": "7007"}, 'there is no argument acount. Did you mean "account"'),
        ({"account": "1", "amount_minor": 1, "7007": 1}, "an argument has a name that none of the parameters has"),
        ({"account": "1", "amount_minor": 1, 7007: 1}, "an argument has a name that none of the parameters has"),
        ({"account": object(), "amount_minor": 1}, "argument account has no JSON form"),
        ({"account": {7007: 1}, "amount_minor": 1}, "argument account holds an object with a key that is no string"),
        ([7007], "the arguments should be an object"),
    ],
)
def test_t27_wrong_arguments_are_named_and_never_echoed(raw: Any, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        refund.spec.validate(raw)
    assert caught.value.code == "arguments"
    assert message in caught.value.message
    assert "7007" not in str(caught.value)
    assert "account: string" in caught.value.remedy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"payer": {"iban": "7007", "shares": 1}}, "argument payer has a part that is not declared"),
        ({"payer": {"iban": 7007}}, "argument payer.iban should be a string"),
        ({"payer": {"iban": "x", "share": "7007"}}, "argument payer.share should be an integer"),
        ({"address": {"street": "x", "house": 7007}}, "argument address has a part that is not declared"),
        ({"address": {}}, "argument address.street is missing"),
        ({"tags": {"first": "a", "second": "7007"}}, "argument tags has a part that is not declared"),
        ({"when": "7007"}, "argument when should be a date (2026-01-31)"),
        ({"speed": "7007"}, "argument speed should be 'slow' or 'fast'"),
        ({"json": [1, "7007"]}, "argument json.1 should be an integer"),
    ],
)
def test_nested_values_are_as_strict(change: dict[str, Any], message: str) -> None:
    raw: dict[str, Any] = {"payer": {"iban": "x"}, "address": {"street": "x"}, "tags": {"first": "a"}, **change}
    with pytest.raises(Invalid) as caught:
        everything.spec.validate(raw)
    assert message in caught.value.message
    assert "7007" not in str(caught.value)


def test_t49_depth_is_bounded() -> None:
    @tool
    def take(payload: dict[str, Any]) -> None: ...

    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"d": deep}
    with pytest.raises(Invalid, match="nested over 32 levels deep"):
        take.spec.validate({"payload": deep})


def test_a_check_of_the_project_refuses_without_its_words() -> None:
    from pydantic import AfterValidator

    def even(value: int) -> int:
        if value % 2:
            raise ValueError(f"{value} is odd")
        return value

    @tool
    def pay(amount_minor: Annotated[int, AfterValidator(even)]) -> None: ...

    with pytest.raises(Invalid, match="is not a value that the declaration allows") as caught:
        pay.spec.validate({"amount_minor": 7007})
    assert "7007" not in str(caught.value)


def test_the_digest_covers_name_description_schema_and_impact() -> None:
    def make(**options: Any) -> str:
        def pay(amount_minor: int) -> None:
            """Pays."""

        return tool(**options)(pay).spec.digest

    def wider(amount_minor: int | None) -> None:
        """Pays."""

    digests = {
        make(),
        make(name="other"),
        make(description="Pays twice."),
        make(impact="read"),
        tool(name="pay")(wider).spec.digest,
    }
    assert len(digests) == 5
    assert make() == make(summary="Pay", owner="x", timeout_s=1)


def test_targets_may_be_a_function_or_several_templates() -> None:
    def both(arguments: Any) -> list[str]:
        return [f"account:{arguments['a']}", "ledger:main"]

    @tool(targets=both)
    def one(a: str) -> None: ...

    @tool(targets=["account:{a}", "pair:{a}/{b}"])
    def two(a: str, b: int) -> None: ...

    assert one.spec.targets({"a": "1"}) == ["account:1", "ledger:main"]
    assert two.spec.targets({"a": "x:y", "b": 2}) == [Target("account", "x:y"), Target("pair", "x:y/2")]


@pytest.mark.parametrize("value", [None, "", True, ["9182"], {"a": 1}])
def test_what_names_no_target_is_refused(value: Any) -> None:
    with pytest.raises(Invalid) as caught:
        refund.spec.targets({"account": value})
    assert caught.value.code == "target"


class Unresolvable: ...


def _declare(body: str, decorator: str = "tool") -> None:
    names = {
        "tool": tool,
        "skill": skill,
        "Any": Any,
        "ToolContext": ToolContext,
        "Sensitive": Sensitive,
        "Retry": Retry,
        "Annotated": Annotated,
        "RateLimit": RateLimit,
        "Compensation": Compensation,
        "SecretStr": SecretStr,
        "Unresolvable": Unresolvable,
    }
    exec(compile(f"@{decorator}\n{body}", "tools/broken.py", "exec"), names)


@pytest.mark.parametrize(
    ("decorator", "body", "message"),
    [
        ("tool", "def f(a): ...", "parameter a has no type"),
        ("tool", "def f(*a: int): ...", "cannot be given by name"),
        ("tool", "def f(**a: int): ...", "cannot be given by name"),
        ("tool", "def f(a: int, /): ...", "cannot be given by name"),
        ("tool", "def f(a: 'Missing'): ...", "cannot be resolved"),
        ("tool", "def f(a: Unresolvable): ...", "has no JSON form"),
        ("tool", "def f(a: set[str]): ...", "is a set"),
        ("tool", "def f(a: complex): ...", "JSON has no complex numbers. Use str"),
        ("tool", "def f(a: list[complex | None]): ...", "JSON has no complex numbers"),
        ("tool", "def f(a: SecretStr): ...", "SecretStr"),
        ("tool", "def f(a: str = None): ...", "default of parameter a does not fit"),
        ("tool", "def f(a: int = True): ...", "default of parameter a does not fit"),
        ("tool", "def f(a: int, context: ToolContext): ...", "not the first one"),
        ("tool", "def f(reason: str): ...", "is called reason"),
        ("tool", "def f(tool: str): ...", "is called tool"),
        ("tool", "def F(): ...", "name is not well formed"),
        ("tool", "class c: ...", "not an ordinary function"),
        ("tool", "def f(): yield 1", "not an ordinary function"),
        ("tool", "async def f(): yield 1", "not an ordinary function"),
        ("tool(name='rm -rf')", "def f(): ...", "name is not well formed"),
        ("tool(impact='extrenal')", "def f(): ...", 'Did you mean "external"'),
        ("tool(sumary='x')", "def f(): ...", 'Did you mean "summary"'),
        ("tool(summary='{acount}')", "def f(account: str): ...", 'Did you mean "account"'),
        ("tool(summary='{')", "def f(): ...", 'single "{"'),
        ("tool(targets='account:{acount}')", "def f(account: str): ...", 'Did you mean "account"'),
        ("tool(targets='{account}')", "def f(account: str): ...", "neither a function nor a template"),
        ("tool(targets=[1])", "def f(account: str): ...", "neither a function nor a template"),
        ("tool(sensitive='card')", "def f(card: str): ...", "one text instead of several"),
        ("tool(sensitive=['crad'])", "def f(card: str): ...", 'Did you mean "card"'),
        ("tool(timeout_s=0)", "def f(): ...", "timeout_s is not over 0"),
        ("tool(result_trust='truted')", "def f(): ...", "Did you mean"),
        ("tool(result_trust={'id': 'endorsed'})", "def f(): ...", "a trust that there is not"),
        ("tool(consequential=['paye'])", "def f(payee: str): ...", 'Did you mean "payee"'),
        ("skill(request='nobody')", "async def f(run): ...", "a trust that there is not"),
        ("tool(retry=Retry(attempts=0))", "def f(): ...", "no attempts"),
        ("tool(rate_limit=RateLimit(0, 60))", "def f(): ...", "lets nothing through"),
        ("tool(impact='read', irreversible=True)", "def f(): ...", "declared a read"),
        ("tool(irreversible=True, compensate=Compensation('undo', dict))", "def f(): ...", "declared irreversible"),
        ("tool", "def f(amount_minor: str, currency: str): ...", "amount_minor is not an int"),
        ("skill", "def f(run): ...", "Write async def"),
        ("skill", "async def f(): ...", "no parameter for the run"),
        ("skill", "async def f(account: str): ...", "account, has the type of a value, and would be given the run"),
        ("skill", "async def f(a: Annotated[int, 1] | None): ...", "Put the run before it: async def f(run: Run"),
        ("skill", "async def f(a: list[str]): ...", "would be given the run"),
        ("skill", "async def f(run, a): ...", "parameter a has no type"),
        ("skill", "async def f(run, context: ToolContext): ...", "not the first one"),
        ("skill(tools='refund')", "async def f(run): ...", "tools is not a list"),
        ("skill(tools=[print])", "async def f(run): ...", "neither a tool nor a name"),
        ("skill(examples='one')", "async def f(run): ...", "one text instead of several"),
        ("skill(max_steps=0)", "async def f(run): ...", "max_steps is under 1"),
        ("skill(deadline_s=-1)", "async def f(run): ...", "deadline_s is not over 0"),
        ("skill(tool=[])", "async def f(run): ...", 'Did you mean "tools"'),
    ],
)
def test_a_wrong_declaration_names_its_line_and_says_what_to_write(decorator: str, body: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _declare(body, decorator)
    assert message in str(caught.value)
    assert caught.value.remedy
    if "class" not in body:
        assert str(caught.value).startswith("tools/broken.py:1: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retry": 3}, "retry should be a Retry, not of type int. Write retry=Retry(attempts=3)."),
        ({"timeout_s": "5"}, "timeout_s should be a number of seconds, not of type str. Write timeout_s=30."),
        ({"timeout_s": True}, "timeout_s should be a number of seconds, not of type bool."),
        ({"timeout_s": None}, "timeout_s should be a number of seconds, not of type NoneType."),
        ({"rate_limit": (10, 60)}, "rate_limit should be a RateLimit, not of type tuple."),
        ({"irreversible": "no"}, "irreversible should be True or False, not of type str."),
        ({"owner": 5}, "owner should be a text, not of type int."),
        ({"targets": 5}, "value of another type"),
    ],
)
def test_an_option_of_another_type_is_a_configuration_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        _declare("def f(): ...", f"tool(**{options!r})")


class Word(str):
    """A string of a kind of its own."""


class Rank(IntEnum):
    LOW = 1


class Colour(StrEnum):
    RED = "red"


class Amount(int): ...


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Word("x"), "x"),
        (Rank.LOW, 1),
        (Colour.RED, "red"),
        (Amount(3), 3),
        (date(2026, 1, 31), "2026-01-31"),
        ((1, ["a"]), [1, ["a"]]),
        (Payer(iban="x"), {"iban": "x", "share": 1}),
        (Address("x"), {"street": "x", "number": 1}),
        ({"k": Speed.FAST}, {"k": "fast"}),
    ],
)
def test_typed_values_of_a_skill_are_taken_as_json(value: Any, plain: Any) -> None:
    @tool
    def take(free: Any) -> None: ...

    canonical = take.spec.validate({"free": value})["free"]
    assert canonical == plain
    assert type(canonical) is type(plain)
