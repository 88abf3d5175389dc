"""The fields of JSON that travels inside a text: tool arguments, stored answers, logs; also where it is cut off."""

import json
import re
from dataclasses import dataclass, field

from clearway.rules.find.found import CERTAIN, Found, is_token, without_tokens
from clearway.rules.find.keys import may_tell, type_of

#: Deeper nesting is still looked through by the detectors, only not by the names of its fields.
DEEPEST, LONGEST = 64, 4_000_000
#: Possessive, so that no text makes it go back. A string may lack its end.
_PIECE = re.compile(
    r'"([^"\\]*+(?:\\.[^"\\]*+)*+)("?)(\s*+:)?|([{}\[\],])|(-?\d[\d.eE+-]*+)|(?:true|false|null)', re.DOTALL
)
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
    stack = [_Level(False, "")]
    key = ""
    for match in _PIECE.finditer(text):
        literal, _, colon, mark, number = match.groups()
        top = stack[-1]
        if mark in ("{", "["):
            if len(stack) > DEEPEST:
                return found
            # The values of a list answer to the list's name.
            inherited = key or top.key
            stack.append(_Level(mark == "{", "" if mark == "{" else inherited))
            key = ""
        elif mark in ("}", "]"):
            _judge(stack.pop(), found)
            stack = stack or [_Level(False, "")]
            key = ""
        elif mark == ",":
            key = ""
        elif colon and top.is_object:
            key = _plain(literal)
            top.keys.append(key)
        elif literal is not None or number is not None:
            name = key or top.key
            if name and may_tell(name):
                group = 1 if literal is not None else 5
                value = _plain(literal) if literal is not None else number
                top.values.append((name, value, match.start(group), match.end(group)))
    for level in stack:
        _judge(level, found)
    return found


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
