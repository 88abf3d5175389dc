"""The Cedar schema of a project: who may act, on what, and each tool's action with its context.

The namespace is fixed in docs/decisions/0004-cedar-namespace.md.
"""

import json
from collections.abc import Mapping
from typing import Any

import cedarpy

from clearway.adapters.cedar import context
from clearway.adapters.cedar.argument_types import CedarType, RecordOf, Scalar, SetOf
from clearway.model.tool import Impact

PRINCIPALS = ("User", "Agent", "Service")
PARENTS = ("Role", "Group", "Tenant")
_TENANT = {"type": "Entity", "name": "Tenant"}
_STRING = {"type": "String"}


def impact_group(impact: Impact) -> str:
    """The id of the action group of a declared impact."""
    return f"impact:{impact.value}"


GROUPS = frozenset(impact_group(impact) for impact in Impact)


def cedar_schema(tools: Mapping[str, tuple[Impact, RecordOf]]) -> dict[str, Any]:
    """Cedar's JSON schema of a project with these tools, by name: declared impact and type of the arguments."""
    actor = {"memberOfTypes": list(PARENTS), "shape": _record({"tenant": _TENANT})}
    entities: dict[str, Any] = {parent: {} for parent in PARENTS}
    entities |= {principal: actor for principal in PRINCIPALS}
    entities["Target"] = {"shape": _record({"kind": _STRING, "id": _STRING, "tenant": _TENANT})}
    actions: dict[str, Any] = {group: {} for group in sorted(GROUPS)}
    for name, (impact, arguments) in sorted(tools.items()):
        actions[name] = {
            "memberOf": [{"id": impact_group(impact)}],
            "appliesTo": {
                "principalTypes": list(PRINCIPALS),
                "resourceTypes": ["Target"],
                "context": _context(arguments),
            },
        }
    return {"": {"entityTypes": entities, "actions": actions}}


def handle(schema: Mapping[str, Any]) -> cedarpy.Schema:
    """The parsed schema. Errors: `ValueError` where Cedar refuses it."""
    return cedarpy.Schema.from_json_str(json.dumps(schema))


def _context(arguments: RecordOf) -> dict[str, Any]:
    # INVARIANT: arguments stand under `context.arguments`, so none can pose as the environment or the impact.
    return _record(
        {
            "arguments": _type(arguments),
            "impact": _STRING,
            "environment": _STRING,
            "reason_given": {"type": "Boolean"},
            **context.attributes(arguments),
        }
    )


def _record(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "Record", "attributes": dict(attributes)}


def _type(of: CedarType) -> dict[str, Any]:
    match of:
        case Scalar("decimal"):
            return {"type": "Extension", "name": "decimal"}
        case Scalar("Bool"):
            return {"type": "Boolean"}
        case Scalar(name):
            return {"type": name}
        case SetOf(item):
            return {"type": "Set", "element": _type(item)}
        case RecordOf(fields):
            return _record({name: _type(field.type) | {"required": field.required} for name, field in fields.items()})
