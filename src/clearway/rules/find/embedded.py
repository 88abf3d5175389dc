"""The fields of JSON that travels inside a text: tool arguments, stored answers, logs; also where it is cut off."""

import json
import re
from dataclasses import dataclass, field

from clearway.rules.find.found import CERTAIN, Found, is_token, without_tokens
from clearway.rules.find.keys import may_tell, type_of

#: Deeper nesting is still looked through by the detectors, only not by the names of its fields.
DEEPEST, LONGEST = 64, 4_000_000
#: Possessive, so that no text makes it go back. A string may lack its end. Groups: a string, a number, the mark after
#: either, a bracket, a comma by itself.
_PIECE = re.compile(
    r'(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"?+|(-?\d[\d.eE+-]*+)|true|false|null)(?:\s*+([:,]))?|([{}\[\]])|(,)', re.DOTALL
)
#: Each string in order, as `_PIECE` sees them; the group is empty for those that are no key.
_KEY = re.compile(r'"(?:([^"\\]*+(?:\\.[^"\\]*+)*+)"?\s*+:|[^"\\]*+(?:\\.[^"\\]*+)*+"?)', re.DOTALL)
_BEGINS = re.compile(r'\s*+(?:\{\s*+["}]|\[\s*+["\[{\]\d-])')


@dataclass(slots=True)
class _Level:
    is_object: bool
    key: str
    keys: list[str] = field(default_factory=list[str])
    values: list[tuple[str, str, int, int]] = field(default_factory=list[tuple[str, str, int, int]])


def looks_like_json(text: str) -> bool:
    return 5 < len(text) <= LONGEST and text[0] in "{[ \n\t\r" and _BEGINS.match(text) is not None


def fields(text: str) -> list[Found]:
    """The values whose fields' names say what they are, with the places of the values in `text`."""
    found: list[Found] = []
    if not _has_telling_key(text):
        return found
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


def _has_telling_key(text: str) -> bool:
    """Most JSON texts have none, and then nothing else of them has to be read."""
    return any(may_tell(_plain(key)) for key in set(_KEY.findall(text)))


def _judge(level: _Level, found: list[Found]) -> None:
    for name, value, start, end in level.values:
        if end > start and not is_token(value):
            type_name = type_of(name, without_tokens(value), level.keys)
            if type_name:
                found.append(Found(start, end, type_name, value, CERTAIN))


def _plain(literal: str) -> str:
    if "\\" not in literal:
        return literal
    try:
        return str(json.loads(f'"{literal}"', strict=False))
    except ValueError:
        return literal
