"""Argument values as Cedar's JSON, by the same types that the schema is made of.

INVARIANT: what comes out conforms to `schema.cedar_schema`, so a request needs no check against the schema at decision
time (which would cost half as much again). What does not fit is a `Mismatch`, hence a deny.
"""

import json
from decimal import Decimal
from typing import Any, cast

from clearway.adapters.cedar.argument_types import CedarType, RecordOf, Scalar, SetOf

#: Compact JSON text. What is encoded here was built here, so it holds no cycles to look for.
to_json = json.JSONEncoder(check_circular=False, separators=(",", ":")).encode

_PYTHON: dict[str, type] = {"String": str, "Long": int, "Bool": bool}
_LIMITS = {"Long": " of 64 bits", "String": " of Unicode"}
_LONG = range(-(2**63), 2**63)
_DECIMALS = 4
_DECIMAL_LIMIT = Decimal(2**63 - 1).scaleb(-_DECIMALS)


class Mismatch(Exception):
    """An argument's value does not fit its declared type. The message names the argument, never its value."""


class TooPrecise(Mismatch):
    """A number that Cedar's decimal cannot hold: more than four decimals, or too large."""


def as_record(
    of: RecordOf, value: Any, place: str = "arguments", *, read: frozenset[str] | None = None
) -> dict[str, Any]:
    """The visible part of a JSON object; None values are absent. `read`: attributes that a policy reads (None: all); a
    number that no decimal can hold is absent where none reads it. Errors: `Mismatch`."""
    if not isinstance(value, dict):
        raise Mismatch(f"{place} is not an object")
    given = cast("dict[str, Any]", value)
    if not of.open and any(name not in of.fields and name not in of.hidden for name in given):
        raise Mismatch(f"{place} has an entry that the tool's schema does not declare")
    record: dict[str, Any] = {}
    for name, field in of.fields.items():
        item = given.get(name)
        if item is not None:
            try:
                record[name] = as_value(field.type, item, place, name, read=read)
            except TooPrecise:
                if read is None or name in read:
                    raise
        elif field.required:
            raise Mismatch(f"{place}.{name} is missing")
    return record


def as_value(of: CedarType, value: Any, *place: str, read: frozenset[str] | None = None) -> Any:
    """`value` in Cedar's JSON. Errors: `Mismatch`."""
    if isinstance(of, Scalar):
        # `type is`, as True is an int too; and a text of another class may not be what it prints as.
        if type(value) is _PYTHON.get(of.name) and _is_representable(value):
            return value
        if of.name == "decimal" and type(value) in (int, float):
            return {"__extn": {"fn": "decimal", "arg": _decimal(value, place)}}
        raise Mismatch(f"{'.'.join(place)} is not a {of.name}{_LIMITS.get(of.name, '')}")
    if isinstance(of, SetOf):
        if not isinstance(value, list | tuple):
            raise Mismatch(f"{'.'.join(place)} is not a list")
        return [as_value(of.item, item, *place, read=read) for item in cast("list[Any]", value)]
    return as_record(of, value, ".".join(place), read=read)


def _is_representable(value: str | int) -> bool:
    """Whether Cedar has this text or number: Unicode without lone surrogates, 64 bits."""
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)
    return value in _LONG


def _decimal(value: float, place: tuple[str, ...]) -> str:
    """`value` with four decimals. Judged by its shortest text, as in canonical JSON: 0.1 has one decimal."""
    exact = Decimal(repr(value))
    if not exact.is_finite() or abs(exact) > _DECIMAL_LIMIT:
        raise TooPrecise(f"{'.'.join(place)} is beyond the range of a decimal")
    fixed = exact.quantize(Decimal(1).scaleb(-_DECIMALS))
    if fixed != exact:
        raise TooPrecise(f"{'.'.join(place)} has more than {_DECIMALS} decimals")
    return f"{fixed:f}"
