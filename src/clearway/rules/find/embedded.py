"""The fields of JSON that travels inside a text: tool arguments, stored answers, logs; also where it is cut off."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from clearway.rules.find.found import is_token, without_tokens
from clearway.rules.find.keys import LONGEST_KEY, may_tell, rules_of, type_of

#: Deeper nesting is still looked through by the detectors, only not by the names of its fields.
DEEPEST, LONGEST = 64, 4_000_000
#: Possessive, so that no text makes it go back. A string may lack its end. Groups: a string, a number, the mark after
#: either, a bracket, a comma by itself.
_PIECE = re.compile(
    r'(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"?+|(-?\d[\d.eE+-]*+)|true|false|null)(?:\s*+([:,]))?|([{}\[\]])|(,)', re.DOTALL
)
#: Each key with what is behind it: a string, a number, or the bracket of a list; and strings that are no keys.
_PAIR = re.compile(
    r'"(?:([^"\\]*+(?:\\.[^"\\]*+)*+)"\s*+:\s*+(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"?+|(-?\d[\d.eE+-]*+)|(\[\s*+[^{\s]?+))?+'
    r'|[^"\\]*+(?:\\.[^"\\]*+)*+"?)',
    re.DOTALL,
)
#: The names alone, by the same reading; of each string that is none, nothing.
_NAME = re.compile(
    r'"(?:([^"\\]*+(?:\\.[^"\\]*+)*+)"\s*+:\s*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"?+)?+|[^"\\]*+(?:\\.[^"\\]*+)*+"?)',
    re.DOTALL,
)
#: In a list whose first part is an object: a part that is none.
_MIXED = re.compile(r'[\]}]\s*+,\s*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"\s*+[,\]]|-?\d)', re.DOTALL)
_BEGINS = re.compile(r'\s*+(?:\{\s*+["}]|\[\s*+["\[{\]\d-])')


@dataclass(slots=True)
class _Level:
    is_object: bool
    key: str
    keys: list[str] = field(default_factory=list[str])
    values: list[tuple[str, str, int, int]] = field(default_factory=list[tuple[str, str, int, int]])


def looks_like_json(text: str) -> bool:
    return 5 < len(text) <= LONGEST and text[0] in "{[ \n\t\r" and _BEGINS.match(text) is not None


#: (start, end, type, value).
Field = tuple[int, int, str, str]


def fields(text: str) -> list[Field]:
    """The values whose fields' names say what they are, with the places of the values in `text`."""
    names = _names(text)
    telling = _telling(frozenset(names))
    if not telling:
        return []  # most JSON texts have none, and then nothing else of them has to be read
    found: list[Field] = []
    has_lists = False
    for literal, place in zip(names, _places(text), strict=True):
        if literal not in telling or (match := _PAIR.match(text, place)) is None:
            continue
        key, group = telling[literal], 3 if match[2] is None else 2
        value, bracket = match[group], match[4]
        if (value and not rules_of(key)) or (bracket and bracket[1:].strip() not in ("", "]")):
            return _walk(text)  # a plain name hangs on the names next to it; a list's values answer to its name
        has_lists = has_lists or bracket is not None
        if value:
            found += _told(key, _plain(value), *match.span(group), ())
    return _walk(text) if has_lists and _MIXED.search(text) else found


def _names(text: str) -> list[str]:
    """The names of the fields as they are written, in order. Where nothing is escaped, every other quotation mark ends
    a string, and splitting a text there is several times as fast as reading it."""
    if "\\" in text:
        return [match[1] for match in _NAME.finditer(text) if match[1] is not None]
    pieces = text.split('"')
    return [name for name, behind in zip(pieces[1::2], pieces[2::2], strict=False) if behind.lstrip()[:1] == ":"]


def _places(text: str) -> Iterator[int]:
    """Where each of `_names` begins, with its quotation mark."""
    if "\\" in text:
        yield from (match.start() for match in _NAME.finditer(text) if match[1] is not None)
        return
    pieces = text.split('"')
    place = len(pieces[0])
    for name, behind in zip(pieces[1::2], pieces[2::2], strict=False):
        if behind.lstrip()[:1] == ":":
            yield place
        place += len(name) + len(behind) + 2


@lru_cache(maxsize=1024)
def _telling(literals: frozenset[str]) -> dict[str, str]:
    """Of the keys of a text as they are written: those that may tell something of their values, and what they say."""
    plain = {literal: _plain(literal) for literal in literals if len(literal) <= LONGEST_KEY * 2}
    return {literal: key for literal, key in plain.items() if may_tell(key)}


def _walk(text: str) -> list[Field]:
    """Piece by piece, with what is next to and around each."""
    found: list[Field] = []
    stack = [top := _Level(False, "")]
    key = ""
    for match in _PIECE.finditer(text):
        literal, number, mark, bracket, comma = match.groups()
        if bracket:
            if bracket in "{[":
                if len(stack) > DEEPEST:
                    return found
                # The values of a list answer to the list's name.
                top = _Level(bracket == "{", "" if bracket == "{" else key or top.key)
                stack.append(top)
            else:
                _judge(stack.pop(), found)
                stack = stack or [_Level(False, "")]
                top = stack[-1]
            key = ""
        elif literal is not None and mark == ":" and top.is_object:
            key = _plain(literal)
            top.keys.append(key)
        else:
            if (value := literal or number) and (name := key or top.key) and may_tell(name):
                top.values.append((name, _plain(value), *match.span(1 if literal else 2)))
            if comma or mark == ",":
                key = ""
    for level in stack:
        _judge(level, found)
    return found


def _judge(level: _Level, found: list[Field]) -> None:
    for name, value, start, end in level.values:
        found += _told(name, value, start, end, level.keys)


def _told(name: str, value: str, start: int, end: int, beside: Sequence[str]) -> list[Field]:
    if end > start and not is_token(value):
        type_name = type_of(name, without_tokens(value), beside)
        if type_name and not looks_like_json(value):
            return [(start, end, type_name, value)]
    return []


def _plain(literal: str) -> str:
    if "\\" not in literal:
        return literal
    try:
        return str(json.loads(f'"{literal}"', strict=False))
    except ValueError:
        return literal
