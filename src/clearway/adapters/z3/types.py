"""Types of Cedar, read from a schema in Cedar's JSON form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Extension types keep Cedar's own names.
INTEGERS = frozenset({"Long", "decimal", "datetime", "duration"})
DECIMALS = 4
LEAST, MOST = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Scalar:
    """`name`: Boolean, String, Long, decimal, datetime, duration, ipaddr."""

    name: str


@dataclass(frozen=True, slots=True)
class EntityOf:
    type: str


@dataclass(frozen=True, slots=True)
class SetOf:
    item: "Type"


@dataclass(frozen=True, slots=True)
class Field:
    type: "Type"
    required: bool


@dataclass(frozen=True, slots=True)
class RecordOf:
    fields: Mapping[str, Field]


Type = Scalar | EntityOf | SetOf | RecordOf


def context_of(schema: Mapping[str, Any], action: str) -> RecordOf:
    """The type of `context` for an action."""
    return _record(schema[""]["actions"][action]["appliesTo"]["context"])


def read_type(written: Mapping[str, Any]) -> Type:
    """Errors: `KeyError` where the schema holds a form that `cedar_schema` does not write."""
    match written["type"]:
        case "Set":
            return SetOf(read_type(written["element"]))
        case "Record":
            return _record(written)
        case "Entity":
            return EntityOf(written["name"])
        case "Extension":
            return Scalar(written["name"])
        case "Bool":
            return Scalar("Boolean")
        case name:
            return Scalar({"Boolean": "Boolean", "String": "String", "Long": "Long"}[name])


def _record(written: Mapping[str, Any]) -> RecordOf:
    return RecordOf(
        {
            name: Field(read_type(field), bool(field.get("required", True)))
            for name, field in written["attributes"].items()
        }
    )
