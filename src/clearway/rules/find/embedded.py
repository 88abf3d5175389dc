"""The fields of JSON that travels inside a text: tool arguments, stored answers, logs; also where it is cut off, and
JSON within its strings (`{"body": "{\\"ssn\\": …}"}`)."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from clearway.rules.find.canonical import canonical
from clearway.rules.find.found import LIKELY, Found, is_token, without_tokens
from clearway.rules.find.keys import LONGEST_KEY, PAIR_NAMES, PAIR_VALUES, may_tell, rules_of, type_of, words
from clearway.rules.find.labelled import has_form
from clearway.rules.find.normal import Folded, unquoted

#: Deeper nesting is still looked through by the detectors, only not by the names of its fields.
DEEPEST, LONGEST = 64, 4_000_000
#: How often JSON may be quoted into a string of other JSON.
MOST_QUOTED = 4
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
_BEGINS = re.compile(r'\s*+(?:\{\s*+["}]|\[\s*+["\[{\]\d-]|"(?:\\[nrt]|\s)*+(?:[{\[]|\\++"))')
#: A string that may hold JSON, by its beginning; and any string.
_QUOTING = re.compile(r'"(?:\s|[{\[]|\\[nrt])*+\\++"')
_STRING = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"?+', re.DOTALL)
#: `{"name": "last_name", "value": …}`: what may be a field's name.
_PAIRED = re.compile(rf'"(?i:{"|".join(sorted(PAIR_NAMES))})"\s*+:\s*+"([^"\\]{{2,64}})"')


@dataclass(slots=True)
class _Level:
    is_object: bool
    key: str
    keys: list[str] = field(default_factory=list[str])
    #: The field that a pair's name names, and the pair's value.
    named: str = ""
    paired: tuple[str, int, int] | None = None
    values: list[tuple[str, str, int, int]] = field(default_factory=list[tuple[str, str, int, int]])


def looks_like_json(text: str) -> bool:
    return 5 < len(text) <= LONGEST and text[0] in '{["\n\t\r ' and _BEGINS.match(text) is not None


#: (start, end, type, value).
Field = tuple[int, int, str, str]


def fields(text: str, quoted: int = MOST_QUOTED) -> list[Field]:
    """The values whose fields' names say what they are, with the places of the values in `text`; also of JSON in its
    strings, which may be `quoted` so often. Each time takes a string apart once, so all of it is linear."""
    found = _fields(text)
    if quoted and '\\"' in text and _QUOTING.search(text):
        for match in _STRING.finditer(text):
            if _QUOTING.match(match[0]):
                inner = unquoted(match[1])
                if looks_like_json(inner.text):
                    found += _moved(fields(inner.text, quoted - 1), inner, match.start(1))
    return found


#: JSON behind other words: after a line's end or a word, with a mark or none.
BEHIND = rb"[A-Za-z0-9\x80-\xff.)\x60=>-][:=]?\s{1,4}([{\[]\s*[{\[]?\s*\x22[^\x22\n]{1,60}\x22\s?:[^\x00]*)"
#: What `BEHIND` has.
BEHIND_BEGUN = rb"[A-Za-z0-9\x80-\xff.)\x60=>-][:=]?\s{1,4}[{\[]\s*[{\[]?\s*\x22"


def behind(text: str, start: int, end: int) -> list[Found]:
    """The telling fields of JSON that begins within a text; it may be a program as well, so their values have to look
    like what they are."""
    piece = text[start:end]
    return [
        Found(start + begin, start + stop, kind, canonical(kind, value), LIKELY)
        for begin, stop, kind, value in (fields(piece) if len(piece) <= LONGEST else ())
        if has_form(kind, value)
    ]


def _moved(found: list[Field], inner: Folded, begins: int) -> list[Field]:
    """Fields of what a string says, at the places of the text in which the string begins there."""
    moved: list[Field] = []
    for start, end, kind, value in found:
        there = inner.raw(start, end)
        moved.append((there[0] + begins, there[1] + begins, kind, value))
    return moved


def _fields(text: str) -> list[Field]:
    names = _names(text)
    telling, has_pairs = _telling(frozenset(names))
    if has_pairs and any(may_tell(match[1]) for match in _PAIRED.finditer(text)):
        return _walk(text)
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
def _telling(literals: frozenset[str]) -> tuple[dict[str, str], bool]:
    """Of the keys of a text as they are written: those that may tell something of their values, and what they say; and
    whether there may be pairs."""
    plain = {literal: _plain(literal) for literal in literals if len(literal) <= LONGEST_KEY * 2}
    low = frozenset(map(words, plain.values()))
    has_pairs = not (PAIR_NAMES.isdisjoint(low) or PAIR_VALUES.isdisjoint(low))
    return {literal: key for literal, key in plain.items() if may_tell(key)}, has_pairs


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
            if (value := literal or number) and (name := key or top.key):
                _value(top, name, _plain(value), match.span(1 if literal else 2))
            if comma or mark == ",":
                key = ""
    for level in stack:
        _judge(level, found)
    return found


def _value(level: _Level, name: str, value: str, place: tuple[int, int]) -> None:
    if may_tell(name):
        level.values.append((name, value, *place))
    if not level.is_object:
        return
    low = words(name)
    if low in PAIR_NAMES and len(value) <= LONGEST_KEY and may_tell(value):
        level.named = value
    elif low in PAIR_VALUES:
        level.paired = (value, *place)


def _judge(level: _Level, found: list[Field]) -> None:
    if level.named and level.paired:
        found += _told(level.named, *level.paired, level.keys)
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
