"""Why arguments were refused: the words name the argument and what it should be, never a value that was sent."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from clearway.rules.names import did_you_mean

_MOST_REASONS = 3
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)

#: pydantic's error type → what the argument should be. `{…}` are from the declaration, not from the input.
_SHOULD_BE: Mapping[str, str] = {
    "int_type": 'an integer (42, not "42" and not 42.0)',
    "int_from_float": 'an integer (42, not "42" and not 42.0)',
    "string_type": 'a string ("42", not 42)',
    "bool_type": "true or false",
    "float_type": "a number",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "dataclass_type": "an object",
    "none_required": "null",
    "greater_than": "greater than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "string_too_short": "at least {min_length} characters long",
    "string_too_long": "at most {max_length} characters long",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "string_pattern_mismatch": "text of the form {pattern}",
    "literal_error": "{expected}",
    "enum": "{expected}",
}
_KINDS = {
    "date": "a date (2026-01-31)",
    "datetime": "a time (2026-01-31T09:00:00Z)",
    "timezone": "a time with a zone",
    "time": "a time of day (09:00:00)",
    "uuid": "a UUID",
    "url": "a URL",
    "bytes": "text",
    "is": "of another type",
}


def reasons(error: ValidationError, names: Collection[str], known: Collection[str]) -> list[str]:
    """What is wrong, one text an argument, at most a few."""
    found: dict[str, str] = {}
    for item in error.errors(include_url=False, include_input=False):
        where = _where(item["loc"], known)
        found.setdefault(where, f"{where} {_what(item['type'], item['loc'], item.get('ctx', {}), names)}")
    texts = list(found.values())
    rest = len(texts) - _MOST_REASONS
    return texts[:_MOST_REASONS] + ([f"and {rest} more"] if rest > 0 else [])


def unknown(name: Any, names: Collection[str]) -> str:
    """That there is no such argument. Its name is repeated only if it is one in form."""
    if not isinstance(name, str) or not _IDENTIFIER.fullmatch(name):
        return "an argument has a name that none of the parameters has"
    return f"there is no argument {name}. {did_you_mean(name, names)}".rstrip("?. ")


def expected(schema: Mapping[str, Any], owner: str) -> str:
    """One line that says what to send: `Send refund(account: string; memo: string, optional).`"""
    required = schema.get("required", [])
    kinds = schema.get("$defs", {})
    inner = [
        f"{name}: {_type(part, kinds)}" + ("" if name in required else ", optional")
        for name, part in schema.get("properties", {}).items()
    ]
    return f"Send {owner}({'; '.join(inner)})."


def known_names(schema: Any) -> frozenset[str]:
    """All property names that the declaration has, at any depth."""
    return frozenset(name for part in parts(schema) for name in part.get("properties", {}))


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema inside a JSON Schema, itself first."""
    if isinstance(schema, list):
        for item in schema:  # pyright: ignore[reportUnknownVariableType]
            yield from parts(item)
    if not isinstance(schema, dict):
        return
    found: dict[str, Any] = schema  # pyright: ignore[reportUnknownVariableType]
    yield found
    for key, child in found.items():
        if key in ("properties", "$defs", "patternProperties") and isinstance(child, dict):
            for inner in child.values():  # pyright: ignore[reportUnknownVariableType]
                yield from parts(inner)
        elif key not in ("default", "const", "enum", "examples"):
            yield from parts(child)


def _where(loc: tuple[int | str, ...], known: Collection[str]) -> str:
    path = [str(part) for part in loc if isinstance(part, int) or part in known]
    return f"argument {'.'.join(path)}" if path else "an argument"


def _what(kind: str, loc: tuple[int | str, ...], context: Mapping[str, Any], names: Collection[str]) -> str:
    if kind in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return "is missing"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return "has a part that is not declared" if len(loc) > 1 else "is not declared"
    if kind in _SHOULD_BE:
        return f"should be {_SHOULD_BE[kind].format_map(_Context(context))}"
    start = kind.split("_")[0]
    return f"should be {_KINDS[start]}" if start in _KINDS else "is not a value that the declaration allows"


class _Context(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "declared"


def _type(part: Mapping[str, Any], kinds: Mapping[str, Any]) -> str:
    if "$ref" in part:
        return _type(kinds.get(part["$ref"].rpartition("/")[2], {}), kinds)
    if "anyOf" in part:
        return " or ".join(_type(option, kinds) for option in part["anyOf"])
    if "enum" in part:
        return " or ".join(str(option) for option in part["enum"])
    return str(part.get("type", "any"))
