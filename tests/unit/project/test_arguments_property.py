"""Threat 50: matcher and executor see the same canonical value, whatever form it was sent in."""

import asyncio
import json
import unicodedata
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from clearway.model.errors import Invalid
from clearway.project.declare import tool
from clearway.rules.canonical import canonical


class Part(BaseModel):
    name: str
    count: int = 1


@tool
def take(
    text: str,
    number: int,
    flag: bool,
    kind: Literal["a", "b", 1],
    part: Part | None,
    many: list[int | str],
    keyed: dict[str, bool | None],
    free: Any = None,
) -> dict[str, Any]:
    return {
        "text": text,
        "number": number,
        "flag": flag,
        "kind": kind,
        "part": part.model_dump() if part else None,
        "many": many,
        "keyed": keyed,
        "free": free,
    }


texts = st.text(max_size=12) | st.sampled_from(["é", "e\u0301", "Å", "\u212b", "ﬁ", "I", "\u0131", "x.", "x"])
numbers = st.integers(-(2**53), 2**53)
scalars = st.none() | st.booleans() | numbers | st.floats() | texts
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
proper = st.fixed_dictionaries(
    {
        "text": texts,
        "number": numbers,
        "flag": st.booleans(),
        "kind": st.sampled_from(["a", "b", 1]),
        "part": st.none() | st.fixed_dictionaries({"name": texts}, optional={"count": numbers}),
        "many": st.lists(numbers | texts, max_size=3),
        "keyed": st.dictionaries(texts, st.none() | st.booleans(), max_size=3),
    },
    optional={"free": anything},
)
improper = st.builds(
    lambda good, key, value: {**good, key: value}, proper, st.sampled_from(list("pqnkm")) | texts, anything
)
replaced = st.builds(
    lambda good, key, value: {**good, key: value},
    proper,
    st.sampled_from(["text", "number", "flag", "kind", "part", "many", "keyed"]),
    anything,
)


def _validated(raw: dict[str, Any]) -> dict[str, Any] | None:
    try:
        return take.spec.validate(raw)
    except Invalid:
        return None


@given(proper | replaced | improper)
def test_t50_validation_is_a_fixed_point(raw: dict[str, Any]) -> None:
    once = _validated(raw)
    if once is not None:
        assert canonical(take.spec.validate(once)) == canonical(once)
        assert canonical(take.spec.validate(json.loads(canonical(once)))) == canonical(once)


@given(proper | replaced)
def test_t50_the_function_gets_exactly_the_canonical_value(raw: dict[str, Any]) -> None:
    once = _validated(raw)
    if once is not None:
        got = take.spec.function(**once)
        assert canonical(got) == canonical(once)
        assert all(type(got[name]) is type(once[name]) for name in once)


@given(proper)
def test_t50_nothing_but_the_form_of_strings_changes(raw: dict[str, Any]) -> None:
    once = _validated(raw)
    if once is None:
        return
    assert once["text"] == unicodedata.normalize("NFC", raw["text"])
    assert (once["number"], once["flag"], once["kind"]) == (raw["number"], raw["flag"], raw["kind"])
    assert [type(item) for item in once["many"]] == [type(item) for item in raw["many"]]


BASE: dict[str, Any] = {
    "text": "x", "number": 1, "flag": True, "kind": "a", "part": None, "many": [], "keyed": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"text": "é"}, {"text": "e\u0301"}),
        ({"text": "\u212b"}, {"text": "Å"}),
        ({"keyed": {"é": None}}, {"keyed": {"e\u0301": None}}),
    ],
)
def test_t50_two_spellings_of_a_text_are_one_value(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert canonical(take.spec.validate(BASE | one)) == canonical(take.spec.validate(BASE | other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"text": "USD"}, {"text": "usd"}),
        ({"text": "host"}, {"text": "host."}),
        ({"text": "x"}, {"text": "x "}),
        ({"text": "fi"}, {"text": "ﬁ"}),
        ({"many": ["1"]}, {"many": [1]}),
        ({"free": True}, {"free": 1}),
    ],
)
def test_t50_case_dots_and_types_stay_different(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert canonical(take.spec.validate(BASE | one)) != canonical(take.spec.validate(BASE | other))


@pytest.mark.parametrize(
    "change",
    [
        {"number": 1.0}, {"number": True}, {"number": "1"}, {"flag": 1}, {"flag": "true"}, {"kind": 1.0},
        {"many": [1.0]}, {"many": [True]}, {"many": (True,)}, {"text": 1}, {"Text": "x"},
        {"keyed": {"é": None, "e\u0301": None}}, {"keyed": {1: None}}, {"part": {"name": "x", "count": 1.0}},
    ],
)  # fmt: skip
def test_t50_what_only_resembles_the_type_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        take.spec.validate(BASE | change)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_t50_a_number_with_decimals_is_one_value_to_all_who_see_it(value: float) -> None:
    @tool
    def weigh(kilos: float) -> float:
        return kilos

    try:
        once = weigh.spec.validate({"kilos": value})
    except Invalid:  # as for integers
        assert abs(value) >= 2**53
        return
    assert once["kilos"] == value
    assert canonical(weigh.spec.validate(once)) == canonical(once) == canonical({"kilos": value})
    assert weigh.spec.function(**once) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1.5", True, None])
def test_t50_what_is_no_finite_number_is_refused(value: Any) -> None:
    @tool
    def weigh(kilos: float) -> None: ...

    with pytest.raises(Invalid):
        weigh.spec.validate({"kilos": value})


def test_t50_keys_that_a_type_would_merge_are_refused() -> None:
    @tool
    async def count(by_number: dict[int, int]) -> dict[int, int]:
        return by_number

    with pytest.raises(Invalid, match="would change while it is read"):
        count.spec.validate({"by_number": {"1": 2, "01": 3}})
    assert asyncio.run(count.spec.function(**count.spec.validate({"by_number": {"1": 2}}))) == {1: 2}


def test_t50_a_type_that_changes_its_value_each_time_is_refused() -> None:
    from typing import Annotated

    from pydantic import BeforeValidator

    @tool
    def shout(text: Annotated[str, BeforeValidator(lambda text: f"{text}!")]) -> None: ...

    with pytest.raises(Invalid, match="argument text would change while it is read"):
        shout.spec.validate({"text": "hey"})
