"""Threat 40: YAML is data, and means what it looks like."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.model.errors import ConfigError
from clearway.project.strict_yaml import parse_yaml

BOMB = 'a: &a ["x", "x"]\n' + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: !!python/object/apply:os.system ['true']\n", 1, "a tag"),
        ("a: 1\nb: !!str 1\n", 2, "a tag"),
        ("a: ! x\n", 1, "a tag"),
        ("!thing\na: 1\n", 1, "a tag"),
        ("!!str a: 1\n", 1, "a tag"),
        (BOMB, 1, "an anchor"),
        ("a: 1\nb: *a\n", 2, "an alias"),
        ("? *a\n: 1\n", 1, "an alias"),
        ("a: {b: 1}\nc:\n  <<: {d: 1}\n", 3, "means something else"),
        ("allow: false\nallow: true\n", 2, "twice"),
        ("allow: false\n'allow': true\n", 2, "twice"),
        ("a: {b: 1, b: 1}\n", 1, "twice"),
        ("[" * 5000, 1, "nested over 32"),
        ("{a: " * 5000, 1, "nested over 32"),
        ("- " * 5000 + "x\n", 1, "nested over 32"),
        ("a: 1\n---\nb: 2\n", 2, "a second document"),
        ("%YAML 1.1\n---\na: 1\n", 1, "directive"),
        ("%TAG ! tag:x,2000:\n---\na: 1\n", 1, "directive"),
        ("1: a\n", 1, "a key is not a text"),
        ("true: a\n", 1, "a key is not a text"),
        ("[a]: b\n", 1, "a key is not a text"),
        ("a: no\n", 1, "means something else"),
        ("a: 0123\n", 1, "means something else"),
        ("a: 0x1F\n", 1, "means something else"),
        ("a: 1_000\n", 1, "means something else"),
        ("a: 1:30\n", 1, "means something else"),
        ("a: .inf\n", 1, "means something else"),
        ("a: 2026-01-31\n", 1, "means something else"),
        ("a: 99999999999999999999\n", 1, "means something else"),
        ("a: [1\nb: 2\n", 2, "not YAML"),
        ("\ta: 1\n", 1, "not YAML"),
        ("a: 1\nb: \x00\n", 2, "does not allow"),
        ("a" * 1_100_000, 1, "larger than"),
    ],
)
def test_t40_what_is_more_than_data_is_refused(text: str, line: int, message: str) -> None:
    started = time.process_time()
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "x.yaml")
    assert str(caught.value).startswith(f"x.yaml:{line}: ")
    assert message in str(caught.value)
    assert caught.value.remedy
    assert time.process_time() - started < 2


def test_data_is_read_with_its_lines() -> None:
    source = parse_yaml(
        "- name: a b\n  count: -3\n  share: 0.5\n  flags: [true, false, null, ~, ]\n"
        "- {name: '1', text: \"no\", none: }\n",
        "x",
    )
    assert source.data == [
        {"name": "a b", "count": -3, "share": 0.5, "flags": [True, False, None, None]},
        {"name": "1", "text": "no", "none": None},
    ]
    assert [source.line(0), source.line(0, "flags"), source.line(0, "flags", 1), source.line(1, "text")] == [1, 4, 4, 5]
    assert source.line(1, "nowhere", "at all") == 5


@pytest.mark.parametrize(
    ("text", "data"), [("", None), ("# only this\n", None), ("x\n", "x"), ("---\na: 1\n...\n", {"a": 1})]
)
def test_small_documents_are_read(text: str, data: object) -> None:
    assert parse_yaml(text, "x").data == data


def test_t40_a_deep_document_within_the_limit_is_read() -> None:
    assert parse_yaml("[" * 32 + "]" * 32, "x").data
    with pytest.raises(ConfigError):
        parse_yaml("[" * 33 + "]" * 33, "x")


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"%#\n\t ,?~1.0\u2028\ud800"), max_size=60))
def test_t40_whatever_the_text_the_answer_is_data_or_one_clear_error(text: str) -> None:
    message = "x.yaml:1: "
    try:
        parse_yaml(text, "x.yaml")
    except ConfigError as error:
        message = str(error)
    assert re.match(r"x\.yaml:[1-9]", message)
