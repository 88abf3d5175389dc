"""What a tool's JSON Schema says of its parameters."""

from collections.abc import Mapping
from typing import Any, cast

_DEEPEST = 20


def properties_of(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Of a tool's parameters, with what they refer to put in its place."""
    schema = tool["parameters"]
    return _resolved(schema.get("properties") or {}, schema.get("$defs") or {}, 0)


def _resolved(part: Any, known: Mapping[str, Any], depth: int) -> Any:
    if depth > _DEEPEST:
        return {}
    if isinstance(part, list):
        return [_resolved(inner, known, depth + 1) for inner in cast("list[Any]", part)]
    if not isinstance(part, dict):
        return part
    found = cast("dict[str, Any]", part)
    if isinstance(name := found.get("$ref"), str):
        return _resolved(known.get(name.rpartition("/")[2]) or {}, known, depth + 1)
    return {key: _resolved(inner, known, depth + 1) for key, inner in found.items()}


def item_properties(part: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of the objects in a list; none where it holds others."""
    items: Mapping[str, Any] = part.get("items") or {}
    branches = [items, *items.get("anyOf", ())]
    none: dict[str, Any] = {}
    return next((branch["properties"] for branch in branches if branch.get("properties")), none)
