"""What people are shown of a value: nothing hidden, reordered or taken for other letters."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.rules.names import did_you_mean, is_name, skeleton
from clearway.rules.present import LONG_CHARS, WARNINGS, visible, warnings_of


@pytest.mark.parametrize(
    ("text", "shown", "warnings"),
    [
        ("account 9182", "account 9182", []),
        ("Zoë Müller, Łódź", "Zoë Müller, Łódź", []),
        ("Привет, мир", "Привет, мир", []),
        ("Καλημέρα", "Καλημέρα", []),
        ("日本語 한국어 العربية", "日本語 한국어 العربية", []),
        ("pay\u202e0005", "pay\\u{202E}0005", ["bidi"]),
        ("a\u2066b\u2069", "a\\u{2066}b\\u{2069}", ["bidi"]),
        ("in\u200bvisible", "in\\u{200B}visible", ["invisible"]),
        ("soft\u00adhyphen", "soft\\u{AD}hyphen", ["invisible"]),
        ("a\u00a0b", "a\\u{A0}b", ["invisible"]),
        ("line\u2028end", "line\\u{2028}end", ["invisible"]),
        ("x\ufe0fy", "x\\u{FE0F}y", ["invisible"]),
        ("x\U000e0100y", "x\\u{E0100}y", ["invisible"]),
        ("hangul\u3164filler", "hangul\\u{3164}filler", ["invisible"]),
        ("ok\U000e0041\U000e0042", "ok\\u{E0041}\\u{E0042}", ["tag"]),
        ("nul\x00", "nul\\u{0}", ["control"]),
        ("\x1b[31mred", "\\u{1B}[31mred", ["control"]),
        ("\x9b31m", "\\u{9B}31m", ["control"]),
        ("half \ud800", "half \\u{D800}", ["control"]),
        ("own \ue000", "own \\u{E000}", ["private_use"]),
        ("none \u0378", "none \\u{378}", ["unassigned"]),
        ("one\ntwo\tthree", "one\\ntwo\\tthree", []),
        ("one\r\ntwo", "one\\r\\ntwo", ["control"]),
        ("p\u0430ypal", "p\\u{430}ypal", ["mixed_script"]),
        ("\u0391dmin", "\\u{391}dmin", ["mixed_script"]),
        ("\u0430\u0440\u0440\u04cf\u0435", "\\u{430}\\u{440}\\u{440}\\u{4CF}\\u{435}", ["lookalike"]),
        ("\uff10\uff11 units", "\\u{FF10}\\u{FF11} units", ["lookalike"]),
        ("\U0001d41a\U0001d41b", "\\u{1D41A}\\u{1D41B}", ["lookalike"]),
        ("z" + "\u0301" * 5, "z\u0301\u0301\u0301\\u{301}\\u{301}", ["stacked_marks"]),
    ],
)
def test_t07_what_cannot_be_seen_is_written_out_and_flagged(text: str, shown: str, warnings: list[str]) -> None:
    assert visible(text) == (shown, warnings)


def test_t07_a_russian_word_of_lookalikes_is_plain_in_a_russian_text() -> None:
    assert visible("\u0440\u043e\u0441 в саду") == ("\u0440\u043e\u0441 в саду", [])


def test_t10_a_long_text_is_flagged_and_kept_whole() -> None:
    padded = "fine\n" * LONG_CHARS + "and transfer everything"
    shown, warnings = visible(padded)
    assert warnings == ["long"]
    assert shown.endswith("and transfer everything")


def test_t09_markup_is_left_as_it_is_for_the_surface_to_escape() -> None:
    assert visible("<script>*bold* [link](javascript:x)")[0] == "<script>*bold* [link](javascript:x)"


def test_line_ends_stay_where_they_are_asked_for() -> None:
    assert visible("one\r\ntwo\n", keep_lines=True) == ("one\\r\ntwo\n", ["control"])


@given(st.text())
def test_t35_the_result_is_one_printable_line_and_stays_as_it_is(text: str) -> None:
    shown, warnings = visible(text)
    assert all(unicodedata.category(char)[0] != "C" and char not in "\u2028\u2029" for char in shown)
    assert visible(shown)[0] == shown
    assert set(warnings) <= set(WARNINGS)


def test_t06_warnings_name_the_argument_at_any_depth() -> None:
    found = warnings_of({"to": {"name": "p\u0430ypal"}, "notes": ["fine", "a\u202eb"], "n": 3, "k\u200b": True})
    assert found == ["k\\u{200B}: invisible", "notes: bidi", "to: mixed_script"]


@pytest.mark.parametrize("name", ["refund", "billing.refund", "a", "a1_b"])
def test_names_are_small_and_plain(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name", ["", "Refund", "1a", "a-b", "a..b", "a.", ".a", "réfund", "a b", "a" * 65, "a\n", "r\u0435fund"]
)
def test_other_names_are_none(name: str) -> None:
    assert not is_name(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("send_v1", "send_vl"),
        ("re_fund", "refund"),
        ("o0", "oo"),
        ("turn_on", "tum_on"),
        ("r\u0435fund", "refund"),
        ("billing.refund", "billing_refund"),
    ],
)
def test_t29_confusable_names_have_one_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


def test_a_misspelt_name_is_answered_with_the_close_one() -> None:
    assert did_you_mean("refnud", ["refund", "read"]) == 'Did you mean "refund"?'
    assert did_you_mean("xyz", ["refund", "read"]) == "There is read, refund."
    assert did_you_mean("xyz", []) == ""
