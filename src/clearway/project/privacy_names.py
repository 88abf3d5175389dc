"""Names in `[privacy]` that nothing answers to: they are no mistake of form, and would pass in silence.

A type that nothing finds is never ignored nor opened, and a role that nobody has never opens anything.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from clearway.model.errors import ConfigError
from clearway.project.located import SETTINGS_FILE, Source
from clearway.project.privacy import EVERY_TYPE
from clearway.project.project import Project
from clearway.project.strict_toml import load_toml
from clearway.rules.find.trees import type_name_of
from clearway.rules.present import visible
from clearway.rules.rights import ADMIN, RIGHTS

_TYPES = (
    "ADDRESS AGE API_KEY BANK BLOB CARD CARD_CODE CARD_EXPIRY DOB EMAIL GEO IBAN IMEI IP JWT LICENSE LOCATION MAC "
    "NATIONAL_ID PASSPORT PASSWORD PERSON PHONE PIN PLATE PRIVATE_KEY SSN TRAIT USERNAME"
)
#: What the finder finds by itself. A test compares them with its source.
FOUND_TYPES = frozenset(_TYPES.split())
_IN_POLICY = re.compile(r'\b(?:Role|Group)\s*::\s*"([^"]+)"|@(?:approvers|escalate_to)\s*\(\s*"([^"]+)"')
_BUILT_IN = frozenset({ADMIN, "approver", "break_glass", "viewer"}).union(*RIGHTS.values())


def strangers(project: Project) -> Iterator[ConfigError]:
    """Each type that nothing is found as, and each role or group that nobody has and nothing else names.

    Errors: `ConfigError` where clearway.toml cannot be read any more."""
    source = load_toml(project.folder / SETTINGS_FILE, SETTINGS_FILE)
    types, parties = _types(project), _parties(project)
    for keys, table in _tables(source.data):
        for kind in _texts(table.get("ignore")):
            if kind not in types:
                yield _of(source, (*keys, "ignore"), f"names the type {kind}, which nothing is found as", kind, types)
        for party, kinds in _table(table.get("reveal")).items():
            at = (*keys, "reveal", party)
            if party not in parties:
                what = "is no role or group that anybody has, or that a policy or an owner names"
                yield _of(source, at, what, party, parties)
            for kind in _texts(kinds):
                if kind not in types:
                    yield _of(source, at, f"names the type {kind}, which nothing is found as", kind, types)


def _of(source: Source, keys: tuple[str, ...], what: str, word: str, known: Iterable[str]) -> ConfigError:
    close = difflib.get_close_matches(word, sorted(known), n=1)
    return ConfigError(
        f"{visible('.'.join(keys))[0]} {what}.",
        file=source.file,
        line=source.line(*keys),
        remedy=f'Did you mean "{close[0]}"?' if close else "Correct the name, or leave it out.",
    )


def _types(project: Project) -> set[str]:
    """Those of the finder, of own patterns, and of declared fields, each by its name and by the end of its path."""
    privacy = project.settings.privacy
    own = {name for rules in (privacy.project, *privacy.tenants.values()) for name in rules.patterns}
    fields = {name for spec in (*project.tools.values(), *project.skills.values()) for name in spec.sensitive}
    declared = {type_name_of(part) for name in fields for part in (name, name.rpartition(".")[2])}
    return {*FOUND_TYPES, *own, *declared, EVERY_TYPE}


def _parties(project: Project) -> set[str]:
    everybody = [*project.users.values(), *project.services.values()]
    held = {role for one in everybody for roles in one.roles.values() for role in roles}
    held |= {group for one in everybody for group in one.groups}
    for provider in (project.settings.oidc,) if project.settings.oidc else ():
        mapped = [provider.groups, *provider.roles.values()]
        held |= {name for names in mapped for each in names.values() for name in each}
    factors = {factor.group for factor in project.settings.grant_factors}
    named = {
        part.partition(":")[0].strip()
        for _, text in project.policies
        for found in _IN_POLICY.findall(text)
        for part in (found[0] or found[1]).split(",")
    }
    return {*_BUILT_IN, *held, *factors, *named, *project.ownership.groups}


def _tables(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """`[privacy]`, and that of each tenant, each with its keys."""
    privacy = _table(data.get("privacy"))
    yield ("privacy",), privacy
    for name, table in _table(privacy.get("tenants")).items():
        yield ("privacy", "tenants", name), _table(table)


def _table(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _texts(value: Any) -> list[str]:
    return [one for one in cast("list[Any]", value) if isinstance(one, str)] if isinstance(value, list) else []
