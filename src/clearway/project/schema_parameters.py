"""The parameters of a tool that is declared by its JSON Schema, not by a Python function.

| JSON Schema | accepted |
|---|---|
| string, integer, number, boolean, enum of strings, null | that, strictly: nothing is coerced |
| array, object with properties | that, all the way down; a property that is not declared is refused |
| object without properties, `additionalProperties`, anything else | any JSON |

Source: JSON Schema 2020-12, as pydantic, OpenAI's tools and MCP servers write it. Formats and patterns are the tool's
own to check.
"""

from collections.abc import Mapping
from typing import Any, Literal, cast

from pydantic import ConfigDict, create_model
from pydantic.fields import Field

from clearway.model.errors import ConfigError
from clearway.project.parameters import Parameter

Schema = Mapping[str, Any]

_SCALARS: Mapping[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool, "null": None}
_DEEPEST = 20


def parameters_of_schema(schema: Schema) -> list[Parameter]:
    """One parameter a property, in order. What is not required and has no default may be null or left out.

    Errors: `ConfigError`, without a place, where it is no schema of an object.
    """
    properties = cast("object", schema.get("properties") or {})
    if schema.get("type", "object") != "object" or not isinstance(properties, Mapping):
        raise ConfigError("its parameters are not described by a JSON Schema of an object.", remedy="See JSON Schema.")
    reader = _Reader(schema.get("$defs") or schema.get("definitions") or {})
    required = frozenset(cast("list[str]", schema.get("required") or []))
    found: list[Parameter] = []
    for name, part in cast("Mapping[str, Any]", properties).items():
        annotation = reader.annotation(part, 0)
        default: Any = cast("Schema", part).get("default") if isinstance(part, Mapping) else None
        if name in required and default is None:
            found.append(Parameter(name, annotation))
        else:
            found.append(Parameter(name, annotation if default is not None else annotation | None, default))
    return found


class _Reader:
    def __init__(self, definitions: Schema) -> None:
        self._definitions = definitions
        self._models = 0

    def annotation(self, part: object, depth: int) -> Any:
        if not isinstance(part, Mapping) or depth > _DEEPEST:
            return Any
        schema = cast("Schema", part)
        if "$ref" in schema:
            return self.annotation(self._definitions.get(str(schema["$ref"]).rpartition("/")[2]), depth + 1)
        values = schema["enum"] if "enum" in schema else [schema["const"]] if "const" in schema else []
        if values and all(isinstance(value, str) for value in values):
            return Literal[tuple(values)]
        branches = schema.get("anyOf") or schema.get("oneOf") or schema.get("type")
        if isinstance(branches, list):
            return self._union(schema, cast("list[Any]", branches), depth)
        return self._plain(schema, depth)

    def _union(self, schema: Schema, branches: list[Any], depth: int) -> Any:
        found: Any = None
        for place, branch in enumerate(branches):
            one = self.annotation({**schema, "type": branch} if isinstance(branch, str) else branch, depth + 1)
            if one is Any:
                return Any
            found = one if place == 0 else found | one
        return found

    def _plain(self, schema: Schema, depth: int) -> Any:
        match schema.get("type"):
            case "array":
                return list.__class_getitem__(self.annotation(schema.get("items"), depth + 1))
            case "object" if schema.get("properties") and not schema.get("additionalProperties"):
                return self._model(schema, depth)
            case "object":
                return dict[str, Any]
            case str(name) if name in _SCALARS:
                return _SCALARS[name]
            case _:
                return Any

    def _model(self, schema: Schema, depth: int) -> Any:
        self._models += 1
        required = frozenset(cast("list[str]", schema.get("required") or []))
        fields: dict[str, Any] = {}
        for place, (name, part) in enumerate(cast("Schema", schema["properties"]).items()):
            annotation = self.annotation(part, depth + 1)
            default: Any = ... if name in required else None
            fields[f"f_{place}"] = (annotation if name in required else annotation | None, Field(default, alias=name))
        config = ConfigDict(extra="forbid", strict=True, validate_by_alias=True, serialize_by_alias=True)
        return create_model(f"Object{self._models}", __config__=config, **fields)
