"""The people and programs that a project declares, and who owns what.

::

    # clearway.toml
    [users.dana]                       [services.nightly]
    tenant = "acme"                    tenant = "acme"
    roles = { dev = ["support"] }      roles = { prod = ["support"] }
    groups = ["finance"]               # services approve nothing: they have no groups
    person = "dana"                    # only where this is a second login of somebody: one person, one vote

    # ownership.toml
    [groups.finance]  members = ["amir", "bo"]   escalation = "leads"     # two people at least
    [owners]          routing = "leads"   policy = "leads"   incident = "leads"   skill_approver = "leads"
    [owners.skills.refund]  approver = "finance"
    [delegations.holidays]  from = "amir"   to = "cleo"   group = "finance"
                            since = "2026-12-20"   until = "2027-01-06"
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal

from clearway.model.identity import Principal, Scope
from clearway.project.located import Table

_SUBJECT = re.compile(r"[a-z0-9][a-z0-9_.@-]{0,127}", re.ASCII)
_ROLE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
#: Of a group of ownership.toml: different people, so that one can be away.
LEAST_MEMBERS = 2


@dataclass(frozen=True, slots=True)
class DeclaredPrincipal:
    """A user or service of the project. `roles`: environment → roles there. `groups`: declared here or in ownership."""

    kind: Literal["user", "service"]
    id: str
    tenant: str
    roles: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    groups: frozenset[str] = frozenset()
    person: str = ""

    def principal(self, environment: str, authenticated_by: str = "project") -> Principal:
        """Who this is in one environment; without roles where none are declared for it."""
        return Principal(
            self.kind,
            self.id,
            Scope(self.tenant, environment),
            self.roles.get(environment, frozenset()),
            self.groups,
            authenticated_by,
            self.person,
        )


@dataclass(frozen=True, slots=True)
class Group:
    """Different people; `escalation` is the group to ask next."""

    name: str
    members: frozenset[str]
    escalation: str | None = None


@dataclass(frozen=True, slots=True)
class Delegation:
    """`giver` lends a group's membership to `taker` from `since` to the end of `until` (UTC days). Not transitive."""

    giver: str
    taker: str
    group: str
    since: date
    until: date


@dataclass(frozen=True, slots=True)
class Ownership:
    """Groups, and which of them owns what; None where nobody is named."""

    groups: Mapping[str, Group] = field(default_factory=dict[str, Group])
    routing_owner: str | None = None
    policy_owner: str | None = None
    incident_owner: str | None = None
    skill_approver: str | None = None
    skill_approvers: Mapping[str, str] = field(default_factory=dict[str, str])
    delegations: tuple[Delegation, ...] = ()

    def approver_of(self, skill: str) -> str | None:
        """The group that approves changes of the skill."""
        return self.skill_approvers.get(skill, self.skill_approver)


def read_principals(
    root: Table, kind: Literal["user", "service"], environments: tuple[str, ...], tenants: tuple[str, ...]
) -> dict[str, DeclaredPrincipal]:
    """`[users.*]` or `[services.*]` of clearway.toml. Problems are noted."""
    found: dict[str, DeclaredPrincipal] = {}
    for name, table in root.table(f"{kind}s").tables().items():
        if not _SUBJECT.fullmatch(name):
            table.wrong(None, "is not a well-formed id", "Use small letters, digits and . _ - @.")
        tenant = table.text("tenant", None, example=tenants[0])
        if "tenant" not in table.values:
            table.wrong(None, "has no tenant", f'Write tenant = "{tenants[0]}".')
        elif tenant is not None:
            table.choice("tenant", tenant, tenants, "tenant")
        groups = table.texts("groups", example='["finance"]') if kind == "user" else ()
        if kind == "service" and "groups" in table.values:
            table.known.add("groups")
            table.wrong("groups", "is not for services: they approve nothing", "Remove it.")
        person = table.text("person", "", example="dana") if kind == "user" else ""
        found[name] = DeclaredPrincipal(
            kind, name, tenant or "", _roles(table.table("roles"), environments), frozenset(groups), person
        )
        table.finish()
    for name, declared in found.items():
        if declared.person:
            table = root.table(f"{kind}s").table(name)
            known = table.choice("person", declared.person, found, "user")
            if known and found[declared.person].person not in ("", declared.person):
                table.wrong("person", "names a second login", f'Write person = "{found[declared.person].person}".')
    return found


def read_ownership(root: Table, users: Mapping[str, DeclaredPrincipal]) -> Ownership:
    """`ownership.toml`. Problems are noted, skills are checked later."""
    groups = {name: _group(table, users) for name, table in root.table("groups").tables().items()}
    for name, group in groups.items():
        if group.escalation is not None:
            root.table("groups").table(name).choice("escalation", group.escalation, groups, "group")
    owners = root.table("owners")
    named = {key: _owner(owners, key, groups) for key in ("routing", "policy", "incident", "skill_approver")}
    approvers: dict[str, str | None] = {}
    for skill, table in owners.table("skills").tables().items():
        approvers[skill] = _owner(table, "approver", groups)
        table.finish()
    for key in ("routing", "policy", "incident"):
        if key not in owners.values:
            owners.wrong(None, f"names no {key} owner", f'Write {key} = "a-group" under [owners].')
    owners.finish()
    delegations = tuple(_delegation(table, users, groups) for table in root.table("delegations").tables().values())
    root.finish()
    return Ownership(
        groups,
        named["routing"],
        named["policy"],
        named["incident"],
        named["skill_approver"],
        {skill: group for skill, group in approvers.items() if group is not None},
        tuple(delegation for delegation in delegations if delegation is not None),
    )


def join_groups(
    users: Mapping[str, DeclaredPrincipal],
    ownership: Ownership,
    root: Table,
) -> tuple[dict[str, DeclaredPrincipal], Ownership]:
    """Membership declared on either side holds on both. Groups that ownership does not know are problems."""
    if ownership.groups:
        for name, user in users.items():
            for group in sorted(user.groups):
                root.table("users").table(name).choice("groups", group, ownership.groups, "group")
    members: dict[str, set[str]] = {name: set(group.members) for name, group in ownership.groups.items()}
    for name, user in users.items():
        for group in user.groups:
            members.setdefault(group, set()).add(name)
    joined = {
        name: replace(user, groups=frozenset(group for group, people in members.items() if name in people))
        for name, user in users.items()
    }
    groups = {
        name: replace(ownership.groups.get(name, Group(name, frozenset())), members=frozenset(people))
        for name, people in members.items()
    }
    return joined, replace(ownership, groups=groups)


def check_sizes(ownership: Ownership, users: Mapping[str, DeclaredPrincipal], root: Table) -> None:
    """Notes each group of ownership.toml that has fewer than two different people, counted after `join_groups`."""
    for name, table in root.table("groups").tables().items():
        members = ownership.groups[name].members if name in ownership.groups else None
        if members is not None and len({_person(one, users) for one in members}) < LEAST_MEMBERS:
            table.wrong("members", f"should name at least {LEAST_MEMBERS} people", 'Write members = ["amir", "bo"].')


def _person(name: str, users: Mapping[str, DeclaredPrincipal]) -> str:
    return (users[name].person if name in users else "") or name


def _roles(table: Table, environments: tuple[str, ...]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for environment in table.values:
        if not table.choice(environment, environment, environments, "environment"):
            table.known.add(environment)
            continue
        roles = table.texts(environment, example='["support"]')
        if any(not _ROLE.fullmatch(role) for role in roles):
            table.wrong(environment, "should hold names of small letters, digits, - and _", 'Write ["support"].')
        found[environment] = frozenset(roles)
    return found


def _group(table: Table, users: Mapping[str, DeclaredPrincipal]) -> Group:
    name = str(table.keys[-1])
    if not _ROLE.fullmatch(name):
        table.wrong(None, "is not a well-formed name", "Use small letters, digits, - and _.")
    members = table.texts("members", example='["amir", "bo"]')
    for member in members:
        table.choice("members", member, users, "user")
    escalation = table.text("escalation", None, example="leads")
    table.finish()
    return Group(name, frozenset(members), escalation)


def _delegation(table: Table, users: Mapping[str, DeclaredPrincipal], groups: Mapping[str, Group]) -> Delegation | None:
    people = [table.text(key, "", example="amir") for key in ("from", "to")]
    group = table.text("group", "", example="finance")
    days = [_day(table, key) for key in ("since", "until")]
    for key, known, kind in (("from", users, "user"), ("to", users, "user"), ("group", groups, "group")):
        if key not in table.values:
            table.wrong(None, f"names no {key}", f'Write {key} = "…".')
        else:
            table.choice(key, str(table.values[key]), known, kind)
    table.finish()
    since, until = days
    if since is None or until is None:
        return None
    if until < since:
        table.wrong("until", "is before since", "Write a later day.")
    return Delegation(people[0], people[1], group, since, until)


def _day(table: Table, key: str) -> date | None:
    text = table.text(key, "", example="2026-12-20")
    try:
        return date.fromisoformat(text)
    except ValueError:
        table.wrong(key if key in table.values else None, f"{key} should be a day", f'Write {key} = "2026-12-20".')
        return None


def _owner(table: Table, key: str, groups: Mapping[str, Group]) -> str | None:
    group = table.text(key, None, example="leads")
    if group is not None:
        table.choice(key, group, groups, "group")
    return group
