"""Strict JSON, sealed by the keyring: the only form in which the execution engine's rows hold values.

Three shapes: arguments, a result, an error. Of an error only its code is stored, never a text.
No class is named in the stored form, so reading one can build nothing but JSON and a `PassFailed`.
"""

import re
from typing import Any, cast

from clearway.adapters.keyring import Keyring
from clearway.model.errors import ClearwayError, Internal
from clearway.rules.canonical import Json, canonical, parse_json

# The engine does not tell which row a value belongs to, so rows could be swapped by who can write to the store. They
# hold nothing but run references: that wakes another run, and a wake is always safe.
_CONTEXT = b"clearway/engine/v1"
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")


class PassFailed(Internal):
    """A pass ended in an error; only its `code` is known."""

    def __init__(self, code: str) -> None:
        super().__init__("A pass ended in an error.", code=code if _CODE.fullmatch(code) else "internal")


def seal_value(keyring: Keyring, value: Any) -> str:
    """Seals a JSON value, an engine's arguments (`{"args": tuple, "kwargs": dict}`) or an exception.

    Errors: `Invalid` (`not_canonical`) for anything else.
    """
    return keyring.seal(canonical(_shape(value)), _CONTEXT)


def unseal_value(keyring: Keyring, text: str) -> Any:
    """The inverse; an error comes back as `PassFailed`. Errors: those of `Keyring.unseal`; `Internal` (`seal`)."""
    stored = parse_json(keyring.unseal(text, _CONTEXT), what="A sealed value")
    if isinstance(stored, dict):
        if (
            set(stored) == {"args", "kwargs"}
            and isinstance(stored["args"], list)
            and isinstance(stored["kwargs"], dict)
        ):
            return {"args": tuple(cast(list[Json], stored["args"])), "kwargs": cast(dict[str, Json], stored["kwargs"])}
        if set(stored) == {"value"}:
            return stored["value"]
        if set(stored) == {"error"} and isinstance(stored["error"], str):
            return PassFailed(stored["error"])
    raise Internal("A sealed value has no known shape.", code="seal", remedy="Restore it from a backup.")


def _shape(value: Any) -> Json:
    if isinstance(value, BaseException):
        return {"error": value.code if isinstance(value, ClearwayError) else "internal"}
    if isinstance(value, dict) and set(cast(dict[Any, Any], value)) == {"args", "kwargs"}:
        inputs = cast(dict[str, Any], value)
        if isinstance(inputs["args"], tuple) and isinstance(inputs["kwargs"], dict):
            return {"args": list(cast(tuple[Json, ...], inputs["args"])), "kwargs": cast(Json, inputs["kwargs"])}
    return {"value": value}
