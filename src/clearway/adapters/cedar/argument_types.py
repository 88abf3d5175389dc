"""Cedar types of a tool's arguments, made from its JSON schema.

| JSON schema | Cedar |
|---|---|
| string, enum of strings | String |
| integer, enum of integers | Long |
| boolean | Bool |
| number | decimal (at most four decimals) |
| array of one type | Set: order and repetition are lost |
| object with properties | record |
| nullable or not required | optional attribute, absent where None |
| `Any`, free object, mixed types, tuple, recursive model | not visible to policy |

Source: JSON Schema 2020-12 as pydantic writes it, and the schema grammar of Cedar 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeGuard, cast


@dataclass(frozen=True, slots=True)
class Scalar:
    name: Literal["String", "Long", "Bool", "decimal"]


@dataclass(frozen=True, slots=True)
class SetOf:
    item: "CedarType"


@dataclass(frozen=True, slots=True)
class Field:
    type: "CedarType"
    required: bool


@dataclass(frozen=True, slots=True)
class RecordOf:
    """`hidden` are declared, but not visible to policy; an `open` record takes attributes that are not declared."""

    fields: Mapping[str, Field]
    hidden: frozenset[str] = field(default_factory=frozenset[str])
    open: bool = False


CedarType = Scalar | SetOf | RecordOf

Schema = Mapping[str, Any]

_SCALARS: dict[str, Scalar] = {
    "string": Scalar("String"),
    "integer": Scalar("Long"),
    "boolean": Scalar("Bool"),
    "number": Scalar("decimal"),
}


def arguments_type(schema: Schema) -> RecordOf:
    """The type of `context.arguments` for a tool with this JSON schema."""
    definitions: Schema = schema.get("$defs") or schema.get("definitions") or {}
    return _Reader(definitions).record(schema, ())


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one tool's schema. A type is None where policy can't see the value; `seen` are the `$ref`s on the way."""

    definitions: Schema

    def record(self, schema: Schema, seen: tuple[str, ...]) -> RecordOf:
        required = frozenset(cast("list[str]", schema.get("required") or []))
        fields: dict[str, Field] = {}
        hidden: set[str] = set()
        for name, part in cast("Schema", schema.get("properties") or {}).items():
            read = self.nullable(part, seen)
            # INVARIANT: no attribute is called `__entity`, `__extn` or `__expr`, by which Cedar's JSON escapes data.
            if read is None or name.startswith("__"):
                hidden.add(name)
            else:
                fields[name] = Field(read[0], name in required and not read[1])
        extra = bool(schema.get("additionalProperties")) or bool(schema.get("patternProperties"))
        return RecordOf(fields, frozenset(hidden), extra)

    def nullable(self, schema: object, seen: tuple[str, ...]) -> tuple[CedarType, bool] | None:
        """The type and whether null is a value of it too."""
        if not _is_schema(schema):
            return None
        if "$ref" in schema:
            name = str(schema["$ref"]).rpartition("/")[2]
            return None if name in seen else self.nullable(self.definitions.get(name), (*seen, name))
        if "enum" in schema or "const" in schema:
            return _of_values(schema["enum"] if "enum" in schema else [schema["const"]])
        for several in ("anyOf", "oneOf", "allOf"):
            if several in schema:
                # allOf narrows: with one branch it is that branch; with more, what it means is not ours to work out.
                branches = schema[several]
                return None if several == "allOf" and len(branches) > 1 else self._union(branches, seen)
        if isinstance(schema.get("type"), list):
            return self._union([{**schema, "type": one} for one in schema["type"]], seen)
        plain = self._plain(schema, seen)
        return None if plain is None else (plain, False)

    def _plain(self, schema: Schema, seen: tuple[str, ...]) -> CedarType | None:
        match schema.get("type"):
            case "array" if "prefixItems" not in schema:
                item = self.nullable(schema.get("items"), seen)
                return None if item is None or item[1] else SetOf(item[0])
            case "object" if "properties" in schema:
                return self.record(schema, seen)
            case str(name):
                return _SCALARS.get(name)
            case _:
                return None

    def _union(self, branches: list[Any], seen: tuple[str, ...]) -> tuple[CedarType, bool] | None:
        """One type, or that type and null; anything else is mixed."""
        proper = [branch for branch in branches if branch != {"type": "null"} and not _is_null(branch)]
        read = [self.nullable(branch, seen) for branch in proper]
        first = read[0] if read else None
        if first is None or any(other is None or other[0] != first[0] for other in read):
            return None
        return first[0], len(proper) < len(branches) or any(other is not None and other[1] for other in read)


def _is_schema(value: object) -> TypeGuard[Schema]:
    return isinstance(value, Mapping)


def _is_null(branch: object) -> bool:
    return _is_schema(branch) and branch.get("type") == "null"


def _of_values(values: list[Any]) -> tuple[CedarType, bool] | None:
    """The type of an enum's values; strings, integers or booleans alone, besides null."""
    for kind, name in ((str, "string"), (int, "integer"), (bool, "boolean")):
        # `type is`, as True is an int too.
        if all(value is None or type(value) is kind for value in values) and values != [None]:
            return _SCALARS[name], None in values
    return None
