"""Properties of finding and replacing over any text and any tree (threats 27, 35, 41)."""

import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.privacy import hostile_texts
from clearway.rules.find import Finder, RunMemory
from clearway.rules.find.declared import ANSWERS
from clearway.rules.find.found import TOKEN
from clearway.rules.find.normal import fold
from clearway.rules.find.patterns import DETECTORS
from clearway.rules.find.regex import Pattern, in_characters
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


_SAID = st.text(st.characters(categories=["Lu", "Ll", "Nd"], include_characters=" .,-"), min_size=4, max_size=700)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["age", "trait", "pin", "city", "address", "word", "ssn"]), _SAID, TREES)
def test_what_a_tool_declares_is_in_nothing_that_it_says_afterwards(field: str, said: str, tree: Any) -> None:
    memory, said = RunMemory(), said.strip()
    FINDER.tokenize({field: said, "beside": tree}, memory, token, (field,))
    shown = FINDER.tokenize({"copy": said, "text": f"so: {said}; and", "beside": [tree, said]}, memory, token, (field,))
    pieces = [piece for piece in said.replace(".", " ").replace(",", " ").split() if len(piece) >= 12]
    is_whole = 4 <= len(said) <= 256 and said[0].isalnum() and said[-1].isalnum() and said.lower() not in ANSWERS
    whole = [said] if is_whole else []
    for left in [*pieces, *whole]:
        assert left not in json.dumps(shown, ensure_ascii=False) or left in json.dumps(tree, ensure_ascii=False)


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


MESSAGES = st.fixed_dictionaries({"role": st.sampled_from(["user", "tool"]), "content": TREES})


@settings(max_examples=150, deadline=None)
@given(st.lists(MESSAGES, min_size=1, max_size=6), st.sampled_from([(), ("note",), ("content.note",)]))
def test_a_conversation_that_is_sent_again_each_turn_is_shown_as_if_each_message_were_new(
    messages: list[Any], declared: tuple[str, ...]
) -> None:
    """What came before is known again and not looked through once more; whatever was learned since is found in it."""
    messages = [
        {"role": "system", "content": "Quillfeather, Anna and 12 of 2026-05-18 are mentioned first."},
        *messages,
    ]
    remembers, forgets = RunMemory(), RunMemory()
    for turn in range(1, len(messages) + 1):
        history = json.loads(json.dumps(messages[:turn]))
        forgets.again.clear()
        fresh = FINDER.tokenize(history, forgets, token, declared)
        assert FINDER.tokenize(history, remembers, token, declared) == fresh


_BEFORE = (
    "", "call ", "Phone: ", "order ", "number ", "NUMBER: ", "bsn ", "BSN", "Social ", "my pesel ", "home ",
    "téléphone ", "Móvil ", "MÓVIL ", "_tel_", "tax file: ", "personal number ", "ssn", "so ",
    "reach ", "toll free ", "a.",
)  # fmt: skip
_NUMBERS = (
    "+12125550100", "00 49 30 1234567", "(212) 555-0100", "212-555-0100", "555 0100 22", "5550100", "111222333",
    "44051401359", "053547547", "123456782", "811218-9876", "YW5uYUBleGFtcGxlLmNvbQ==", "b25lIHR3byB0aHJlZQ",
    "0644LTU2NzY1NDMy", "1630163016301630", "aaaaaaaaaaaaaaaaaaaa",
)  # fmt: skip
_BEHIND = ("", " fax", " home.", " (mobile)", " items")


def test_what_a_detector_accepts_has_in_its_text_what_it_is_said_to_need() -> None:
    """Where that does not occur a detector is not asked: it would have accepted nothing there."""
    needy = [
        (one, Pattern(one.trigger or one.pattern), Pattern(one.also or one.telling), Pattern(one.pattern))
        for one in DETECTORS
        if one.also or one.telling
    ]
    accepted: set[str] = set()
    for text in map("".join, itertools.product(_BEFORE, _NUMBERS, _BEHIND)):
        data = text.encode()
        for detector, trigger, also, pattern in needy:
            spans = list(pattern.spans(data))
            places = in_characters(data, [place for span in spans for place in span])
            if any(detector.check(text, places[start], places[end]) for start, end in spans):
                accepted.add(detector.name)
                assert trigger.occurs(data), (detector.name, text)
                assert also.occurs(data), (detector.name, text)
    assert accepted == {detector.name for detector, *_ in needy}


_ANNOUNCED = (
    "my name is ", "his first name is ", "Their names are ", "I am called ", "call me ", "This is ", "Surname: ",
    "surname is ", "first_name: ", "Family-name of ", "full name on file ", "passengers: ", "Customer name ",
    "account holder ", "Cardholder  - ", "guest names\n", "contact is ", "under the name ", "under my wife's name ",
    "named him ", "name of ", "name on the card is ", "name on my ticket ", "I'm ", "i am ", "user ", "it's ",
    "signed: ", "Mr. ", "mrs ", "DR. ", "Herr ", "señora ", "Señor ", "Dear ", "hi, ", "HELLO ", "Regards,\n\n",
    "thanks ", "my friend ", "her Husband, ", "the neighbour ", "employees ", "customers John ", "name's ",
)  # fmt: skip
_PHONES = (
    "+1 212 555 0100", "(212) 555-0100", "212.555.0100", "5550100", "555 01 00", "0644 12 34 56 78", "06 44 12 34 56",
    "2012 34 56 78", "2012/34 56 78", "0049 30 1234567", "434 14 557", "1234-56-78", "12345 67 89", "1234 5678",
    "655 437 108", "19 34 56 78", "030/123 456",
)  # fmt: skip


_LOGINS = ("user id ", "Login-name, which is: ", "id:", "HANDLE = ", "account_id **")
_STREETS = (
    "Bahnhofstrasse 12", "Lange Straße 4, 80331 München", "Karl Str. 9", "Hauptplatz 1", "Waldweg 22b", "Kungsgatan 4",
    "Rue de la Paix 12", "via Roma 1", "Keizersgracht 1", "12 main street apt 4", "12 old mill road, Suite 9",
    "Nieuwstraat 7", "Parklaan 3", "Andrassyutca 11", "Bergveien 2", "Lindenallee 3", "Torgata 5", "Aleksanterinkatu 2",
)  # fmt: skip


def test_what_a_detector_accepts_has_its_trigger_in_its_text() -> None:
    """A trigger that is shorter than its pattern must not ask for more than the pattern does."""
    texts = [f"{before}{name}" for before in _ANNOUNCED for name in ("Otto Ng", "Ivan", "Él Ida", "IDA Ng", "Ian Ito")]
    texts += [
        f"{before}{phone}{after}"
        for before in ("phone ", "tel:", "x. call 9 ")
        for phone in _PHONES
        for after in ("", " x1")
    ]
    texts += [f"{before}{value}" for before in _LOGINS for value in ("chen_lee_6825", "anna.kim", "ivan-ng-7 ")]
    texts += _STREETS
    accepted: set[str] = set()
    asked = [(one, Pattern(one.trigger), Pattern(one.pattern)) for one in DETECTORS if one.trigger]
    for text in texts:
        data = text.encode()
        for detector, trigger, pattern in asked:
            spans = list(pattern.spans(data))
            places = in_characters(data, [place for span in spans for place in span])
            if any(detector.check(text, places[start], places[end]) for start, end in spans):
                accepted.add(detector.name)
                assert trigger.occurs(data), (detector.name, text)
    assert accepted >= {"introduced", "phone", "user_id", "continental", "street_small"}


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
    if text.isascii() and not any(sign in text for sign in "%\\&"):
        assert folded.text == text


_ORDINARY = "".join(sign for sign in map(chr, range(0x21, 0x7F)) if sign not in "%\\&")


@settings(max_examples=100, deadline=None)
@given(st.text(_ORDINARY, max_size=40))
def test_full_width_signs_and_unseen_ones_between_them_fold_to_what_they_say(text: str) -> None:
    wide = "".join(chr(ord(sign) + 0xFEE0) for sign in text)
    assert fold(wide).text == text
    assert fold("\u200b".join(wide)).text == text


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.sampled_from(list(SECRETS.values())))
def test_a_value_between_spaces_is_found_in_any_company(text: str, value: str) -> None:
    shown = FINDER.tokenize(f"{text}\n\n{value} ", RunMemory(), token)
    assert value not in shown


def grows_in_proportion(work: Callable[[int], object], size: int) -> bool:
    """Whether twice the work takes less than three times as long (a square takes four times), on whatever machine.

    Measured again where it seems not to: other work on the machine makes a measurement longer, never shorter.
    """
    once = twice = float("inf")
    work(size // 10)
    for _ in range(12):
        once = min(once, _spent(work, size))
        twice = min(twice, _spent(work, 2 * size))
        if twice < 3 * once:
            return True
    return False


def _spent(work: Callable[[int], object], size: int) -> float:
    begun = time.process_time()
    work(size)
    return time.process_time() - begun


def test_the_measure_of_growth_tells_a_square_from_a_line() -> None:
    assert grows_in_proportion(lambda size: sum(range(size * 100)), 1_000)
    assert not grows_in_proportion(lambda size: sum(range(size * size // 10)), 1_000)


@pytest.mark.parametrize("name", sorted(hostile_texts(10)))
def test_t41_hostile_texts_take_linear_time(name: str) -> None:
    texts = {size: hostile_texts(size)[name] for size in (2_000, 20_000, 40_000)}
    assert grows_in_proportion(lambda size: FINDER.spans(texts[size]), 20_000)


@pytest.mark.parametrize("count", [2, 30, 300])
def test_t41_known_values_that_almost_occur_take_linear_time(count: int) -> None:
    """Few known values are searched for one by one, many in one pass; neither may go over a text again and again."""
    memory = RunMemory()
    for number in range(count):
        memory.learn("ab " * (number % 80) + f"word n{number}", "ADDRESS")
    assert grows_in_proportion(lambda size: list(memory.occurrences("ab " * size + "word n1 n2 n3", None)), 4_000)


def test_t41_a_tree_of_many_leaves_takes_linear_time() -> None:
    def look(size: int) -> None:
        tree = {"notes": [f"note {number}" for number in range(size)], "first_name": "Zuzu"}
        FINDER.tokenize(tree, RunMemory(), token)

    assert grows_in_proportion(look, 4_000)


def test_t41_a_project_pattern_cannot_hang_the_finder() -> None:
    finder = Finder(own_patterns={"OWN": "(a+)+$"})
    assert finder.spans("a" * 50_000 + "b") == []
    assert grows_in_proportion(lambda size: finder.spans("a" * size + "b"), 50_000)


def test_t41_an_own_pattern_that_searches_to_the_end_from_every_place_is_bounded() -> None:
    finder = Finder(own_patterns={"OWN": "a(?:.*b)?"})
    assert finder.spans("a " * 100)
    assert grows_in_proportion(lambda size: finder.spans("a " * size), 25_000)
