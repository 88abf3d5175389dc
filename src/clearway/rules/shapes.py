"""Which fields keep their form where they are shown, and what form a schema asks for."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from clearway.model.tool import ToolSpec

#: Names from the top down; lists add none.
Path = tuple[str, ...]
Schema = Mapping[str, Any]


class Shapes(NamedTuple):
    """The fields that keep their form: names at any depth, dotted paths. `schema`: of the whole, where it is known."""

    names: frozenset[str]
    schema: Mapping[str, Any] = {}


def of_arguments(spec: ToolSpec) -> Shapes:
    return Shapes(spec.format_keeping, spec.schema)


def of_results(spec: ToolSpec) -> Shapes:
    """Results have no schema: they keep the form that they have."""
    return Shapes(spec.format_keeping)


def is_named(path: tuple[str, ...], fields: frozenset[str]) -> bool:
    """Whether fields, by a name at any depth or a dotted path, hold the place: it is one of them, or below one."""
    return any(
        name in fields or any(".".join(path[start : end + 1]) in fields for start in range(end))
        for end, name in enumerate(path)
    )


def beside(
    raw: Any,
    shown: Any,
    leaf: Callable[[Any, Any, Path, Schema], Any],
    schema: Schema | None = None,
    root: Schema | None = None,
    path: Path = (),
) -> Any:
    """`shown` once more: `leaf(raw, shown, path, schema)` of each leaf, beside the `raw` tree that it was made of."""
    here, root = schema or {}, schema or {} if root is None else root
    if isinstance(raw, dict) and isinstance(shown, dict):
        names, seen = cast(dict[Any, Any], raw), cast(dict[Any, Any], shown)
        return {
            key: beside(child, inner, leaf, part(here, str(name), root), root, (*path, str(name)))
            for (name, child), (key, inner) in zip(names.items(), seen.items(), strict=True)
        }
    if isinstance(raw, list | tuple) and isinstance(shown, list | tuple):
        parts, others, items = list(cast(list[Any], raw)), list(cast(list[Any], shown)), part(here, None, root)
        return [beside(a, b, leaf, items, root, path) for a, b in zip(parts, others, strict=True)]
    return leaf(raw, shown, path, here)


def fits(schema: Mapping[str, Any], text: str) -> bool:
    """Whether a text has the length, the pattern and, where only some are allowed, one of the values."""
    if not int(schema.get("minLength", 0)) <= len(text) <= int(schema.get("maxLength", len(text))):
        return False
    if "enum" in schema or "const" in schema:
        return False
    try:
        return re.search(str(schema.get("pattern", "")), text) is not None
    except re.error:
        return False


def part(schema: Any, name: str | None, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a field, or of a list's items (None); through `$ref` and optional values. Empty where unknown."""
    found = _plain(schema, root)
    inner = found.get("items") if name is None else _mapping(found.get("properties")).get(name)
    return _plain(inner, root)


def _plain(schema: Any, root: Mapping[str, Any], depth: int = 0) -> Mapping[str, Any]:
    found = _mapping(schema)
    reference = found.get("$ref")
    if depth < 8 and isinstance(reference, str):
        return _plain(_mapping(root.get("$defs")).get(reference.rpartition("/")[2]), root, depth + 1)
    for word in ("anyOf", "oneOf", "allOf"):
        several: Any = found.get(word)
        if depth < 8 and isinstance(several, list):
            options = [_plain(one, root, depth + 1) for one in cast(list[Any], several)]
            return next((one for one in options if one.get("type") != "null"), found)
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}
