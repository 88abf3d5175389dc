"""Principals, actions and targets as Cedar entities.

Uids are structured (`{"type", "id"}`), never Cedar text: an id may hold quotes, newlines or anything else.
"""

from collections.abc import Sequence
from typing import Any

import cedarpy

from clearway.adapters.cedar.schema import impact_group
from clearway.adapters.cedar.values import Mismatch, to_json
from clearway.model.identity import Principal
from clearway.model.tool import Impact, Target

Uid = tuple[str, str]

#: What an action without targets touches.
NO_TARGET = Target("none", "none")

_TYPES = {"user": "User", "agent": "Agent", "service": "Service"}


def uid(type_: str, id_: str) -> dict[str, str]:
    return {"type": type_, "id": id_}


def principal_uid(principal: Principal) -> Uid:
    return _TYPES[principal.kind], principal.id


def parents_of(principal: Principal) -> list[Uid]:
    """A principal's roles, groups and tenant; these have no parents themselves."""
    roles = [("Role", role) for role in sorted(principal.roles)]
    groups = [("Group", group) for group in sorted(principal.groups)]
    return [*roles, *groups, ("Tenant", principal.scope.tenant)]


def base_entities(tool: str, impact: Impact, principals: Sequence[Principal]) -> cedarpy.Entities:
    """A parsed handle of the principals and the tool's action, to which each request's targets are added."""
    entities = [_entity(uid("Action", tool), {}, [uid("Action", impact_group(impact))])]
    for principal in dict.fromkeys(principals):
        parents = [uid(*parent) for parent in parents_of(principal)]
        entities.append(_entity(uid(*principal_uid(principal)), {"tenant": _tenant(principal.scope.tenant)}, parents))
    return cedarpy.Entities.from_json_str(to_json(entities))  # pyright: ignore[reportUnknownMemberType]


def target_entities(
    targets: Sequence[Target], own_tenant: str, read: frozenset[str] | None
) -> tuple[list[dict[str, str]], str]:
    """The uids of the targets and the JSON of their entities, with the attributes in `read` (None: all).

    No targets stand for `none:none`. Errors: `Mismatch` where two targets could be confused.
    """
    uids: list[dict[str, str]] = []
    tenants: dict[str, str] = {}
    parsed: list[dict[str, Any]] = []
    for target in targets or (NO_TARGET,):
        # With a colon in the kind, or the same name in two tenants, one uid would stand for two things.
        name, tenant = f"{target.kind}:{target.id}", target.tenant or own_tenant
        if ":" in target.kind or tenants.get(name, tenant) != tenant:
            raise Mismatch("two targets could be confused")
        uids.append(uid("Target", name))
        if name not in tenants:
            tenants[name] = tenant
            attrs = {"kind": target.kind, "id": target.id, "tenant": _tenant(tenant)}
            if read is not None:
                attrs = {attribute: value for attribute, value in attrs.items() if attribute in read}
            parsed.append(_entity(uids[-1], attrs, []))
    return uids, to_json(parsed)


def _entity(of: dict[str, str], attrs: dict[str, Any], parents: list[dict[str, str]]) -> dict[str, Any]:
    return {"uid": of, "attrs": attrs, "parents": parents}


def _tenant(name: str) -> dict[str, Any]:
    return {"__entity": uid("Tenant", name)}
