"""What policies speak of, read before they are translated: texts, and the patterns of `like`."""

from collections.abc import Iterable
from typing import Any

from clearway.adapters.cedar.expressions import Est, all_expressions
from clearway.rules.changes.patterns import Pattern


def texts_of(policies: Iterable[Est]) -> set[str]:
    """The texts that stand in policies: as values, as parts of a target's uid, and as patterns without a wildcard."""
    texts: set[str] = set()
    for est in policies:
        for scope in (est["principal"], est["resource"]):
            for one in (scope, scope.get("in", {})):
                texts.update(_parts_of_target(one.get("entity", {})))
        for expression in all_expressions(est):
            ((operator, operands),) = expression.items()
            if operator == "Value":
                texts.update(_texts_of(operands))
            elif operator == "like" and None not in (pattern := pattern_of(operands)):
                texts.add("".join(part for part in pattern if part is not None))
    return texts


def pattern_of(operands: dict[str, Any]) -> Pattern:
    """The pattern of a `like`."""
    found: list[str | None] = []
    for part in operands["pattern"]:
        found += [None] if part == "Wildcard" else list(part["Literal"])
    return tuple(found)


def _texts_of(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return _parts_of_target(value["__entity"]) if isinstance(value, dict) and "__entity" in value else ()


def _parts_of_target(entity: Any) -> tuple[str, ...]:
    return str(entity["id"]).partition(":")[::2] if entity.get("type") == "Target" else ()
