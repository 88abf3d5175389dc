"""Properties of finding and replacing over any text and any tree (threats 27, 35, 41)."""

import json
import time
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.privacy import hostile_texts
from clearway.rules.find import Finder, RunMemory
from clearway.rules.find.found import TOKEN
from clearway.rules.find.normal import fold
from tests.unit.rules.find.tokens import token

FINDER = Finder()

SECRETS = {
    "CARD": "4111111111111111", "IBAN": "GB29NWBK60161331926819", "SSN": "053-54-7547", "EMAIL":
        "joe.bloggs@example.com",
    "PHONE": "+12125550100", "IP": "203.0.113.9", "API_KEY": "ghp_" + "a1B2" * 9,
}  # fmt: skip
_WORDS = st.sampled_from(
    ["the", "order", "my name is Otto Ng", "password=hunter2!", "card", "12", "2026-05-18", "Anna", "Quillfeather",
        '{"ssn":', '"', "\\n",
     "%40", "é", "\u200b", "<", "<X:1abc>", "ok.", "\0", "🙂", "user id is a_b_12", *SECRETS.values()]
)  # fmt: skip
TEXTS = st.lists(_WORDS | st.text(max_size=12), max_size=8).map(" ".join)
KEYS = st.sampled_from(
    ["note", "first_name", "card_number", "ssn", "email", "items", "a@b.co", "age", "name"]
) | st.text(max_size=6)
TREES = st.recursive(
    TEXTS | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(TREES)
def test_tokenising_twice_changes_nothing_more(tree: Any) -> None:
    memory = RunMemory()
    once = FINDER.tokenize(tree, memory, token)
    assert FINDER.tokenize(once, memory, token) == once
    assert FINDER.tokenize(once, RunMemory(), token) == once


@settings(max_examples=100, deadline=None)
@given(TREES)
def test_the_same_tree_gives_the_same_result_and_stays_as_it_is(tree: Any) -> None:
    before = json.dumps(tree)
    first, second = (FINDER.tokenize(tree, RunMemory(), token) for _ in range(2))
    assert json.dumps(first) == json.dumps(second)
    assert json.dumps(tree) == before


@settings(max_examples=100, deadline=None)
@given(TREES)
def test_objects_stay_objects_lists_lists_and_scalars_themselves_or_tokens(tree: Any) -> None:
    def compare(before: Any, after: Any) -> None:
        if isinstance(before, dict):
            assert isinstance(after, dict)
            assert len(before) == len(after)
            for one, other in zip(before.values(), after.values(), strict=True):
                compare(one, other)
        elif isinstance(before, list):
            assert isinstance(after, list)
            assert len(before) == len(after)
            for one, other in zip(before, after, strict=True):
                compare(one, other)
        elif isinstance(before, str):
            assert isinstance(after, str)
        else:
            assert (type(after) is type(before) and after == before) or TOKEN.fullmatch(after)

    compare(tree, FINDER.tokenize(tree, RunMemory(), token))


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_findings_are_in_order_without_overlaps_and_inside_the_text(text: str) -> None:
    last = 0
    for one in FINDER.spans(text):
        assert last <= one.start < one.end <= len(text)
        assert one.value
        last = one.end


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXTS, max_size=4))
def test_nothing_is_found_across_the_border_of_two_chunks(texts: list[str]) -> None:
    """What is found in one leaf does not depend on its neighbours, but for values that the run has learned."""
    together = FINDER.tokenize(texts, memory := RunMemory(), token)
    alone = [FINDER.tokenize(text, memory, token) for text in texts]
    assert together == alone


DISGUISES = {
    "full width": lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    "zero width": "\u200b".join,
    "joiners": "\u200d".join,
    "soft hyphens": "\u00ad".join,
    "variation selectors": "\ufe0f".join,
    "percent": lambda text: "".join(f"%{ord(c):02X}" for c in text),
    "twice percent": lambda text: "".join(f"%25{ord(c):02x}" for c in text),
    "json escapes": lambda text: "".join(f"\\u{ord(c):04x}" for c in text),
    "mathematical digits": lambda text: "".join(
        chr(0x1D7CE + int(c)) if c.isascii() and c.isdigit() else c for c in text
    ),
}


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("type_name", SECRETS)
def test_no_disguise_hides_a_value_and_all_of_it_is_covered(type_name: str, disguise: str) -> None:
    written = DISGUISES[disguise](SECRETS[type_name])
    text = f"see {written} now"
    shown = FINDER.tokenize(text, RunMemory(), token)
    assert TOKEN.sub("", shown).strip() == "see  now", shown
    plain = FINDER.tokenize(f"see {SECRETS[type_name]} now", RunMemory(), token)
    assert shown == plain


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_folding_keeps_a_way_back_to_every_place(text: str) -> None:
    folded = fold(text)
    for place in range(len(folded.text)):
        start, end = folded.raw(place, place + 1)
        assert 0 <= start < end <= len(text)
    if text.isascii() and "%" not in text and "\\" not in text:
        assert folded.text == text
    assert unicodedata.is_normalized("NFKC", folded.text) or not text.isascii() or "%" in text or "\\" in text


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.sampled_from(list(SECRETS.values())))
def test_a_value_between_spaces_is_found_in_any_company(text: str, value: str) -> None:
    shown = FINDER.tokenize(f"{text}\n\n{value} ", RunMemory(), token)
    assert value not in shown


@pytest.mark.parametrize("name", sorted(hostile_texts(10)))
def test_t41_hostile_texts_take_linear_time(name: str) -> None:
    """Two seconds a megabyte; ten times that here, because other work shares the machine."""
    text = hostile_texts(60_000)[name]
    FINDER.spans(text[:2_000])
    begun = time.process_time()
    FINDER.spans(text)
    assert (time.process_time() - begun) / (len(text.encode()) / 1e6) < 20


def test_t41_a_project_pattern_cannot_hang_the_finder() -> None:
    finder = Finder(own_patterns={"OWN": "(a+)+$"})
    finder.spans("ab")
    text = "a" * 50_000 + "b"
    begun = time.process_time()
    assert finder.spans(text) == []
    assert time.process_time() - begun < 0.25


def test_t41_an_own_pattern_that_searches_to_the_end_from_every_place_is_bounded() -> None:
    finder = Finder(own_patterns={"OWN": "a(?:.*b)?"})
    begun = time.process_time()
    assert finder.spans("a " * 50_000)
    assert time.process_time() - begun < 10
