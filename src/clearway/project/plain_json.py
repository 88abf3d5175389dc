"""Plain JSON values in NFC out of whatever a caller gives; and whether a value was kept when it was read."""

import math
import unicodedata
from collections.abc import Mapping
from enum import Enum
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from clearway.rules.canonical import MAX_DEPTH

EXACT_TO = 2.0**53


class NotJson(ValueError):
    """Its message is ours and holds no value."""


def plain(value: Any, *, depth: int = 1) -> Any:
    """`value` as JSON, strings in NFC, all the way down. Errors: `NotJson`."""
    if depth > MAX_DEPTH:
        raise NotJson(f"is nested over {MAX_DEPTH} levels deep")
    if isinstance(value, str) and not isinstance(value, Enum):
        return _text(value)
    if value is None or type(value) in (bool, int):
        return value
    if type(value) is float:
        return _finite(value)
    if isinstance(value, list | tuple):
        items: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
        return [plain(item, depth=depth + 1) for item in items]
    if isinstance(value, Mapping):
        return _object(value, depth)  # pyright: ignore[reportUnknownArgumentType]
    return plain(_dumped(value), depth=depth + 1)


def _text(value: str) -> str:
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise NotJson("holds half of a surrogate pair")
    return unicodedata.normalize("NFC", value)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise NotJson("holds a number that is not finite")
    # As for integers: from here on a double is not exact, and RFC 8785 writes it as an integer that has no such form.
    if abs(value) >= EXACT_TO:
        raise NotJson("holds a number of 2^53 or more: write it as a string")
    return value


def _dumped(value: Any) -> Any:
    """A typed value of a skill's (a model, a date, an enum) as JSON."""
    try:
        return to_jsonable_python(value, by_alias=True, round_trip=True)
    except PydanticSerializationError:
        raise NotJson("has no JSON form") from None


def _object(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, child in value.items():
        if not isinstance(key, str):
            raise NotJson("holds an object with a key that is no string")
        name = plain(key)
        if name in found:
            raise NotJson("holds an object with the same key twice")
        found[name] = plain(child, depth=depth + 1)
    return found


def is_kept(given: Any, read: Any) -> bool:
    """Whether pydantic read `given` as it stands: no true for 1, no 1.0 for 1, no two keys made one."""
    if isinstance(given, bool) or isinstance(read, bool):
        return given is read
    if isinstance(given, float) and isinstance(read, int):
        return False
    if isinstance(given, dict) and isinstance(read, dict):
        old: dict[str, Any] = given  # pyright: ignore[reportUnknownVariableType]
        new: dict[str, Any] = read  # pyright: ignore[reportUnknownVariableType]
        return all(key in new and is_kept(old[key], new[key]) for key in old)
    if isinstance(given, list) and isinstance(read, list):
        pairs: list[tuple[Any, Any]] = list(zip(given, read, strict=False))  # pyright: ignore[reportUnknownArgumentType]
        return all(is_kept(one, other) for one, other in pairs)
    return True
