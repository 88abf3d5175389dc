"""Who owns what, by the text of an ownership.toml alone: of a bundle, whose people are not loaded."""

import tomllib
from collections.abc import Mapping
from typing import Any, cast

from clearway.rules.releases.duties import Owners


def owners_of(text: str) -> Owners:
    """The owning groups that `text` names; none where it cannot be read, so that nothing can be signed for."""
    try:
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return Owners()
    owners = _table(found.get("owners"))
    skills = _table(owners.get("skills"))
    approvers = {name: group for name, each in skills.items() if (group := _text(_table(each).get("approver")))}
    return Owners(
        policy=_text(owners.get("policy")),
        routing=_text(owners.get("routing")),
        incident=_text(owners.get("incident")),
        skill_approver=_text(owners.get("skill_approver")),
        skill_approvers=approvers,
    )


def _table(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
