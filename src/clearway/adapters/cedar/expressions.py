"""Walks the conditions of a parsed policy (Cedar's JSON form): which names and values they speak of.

An expression is a mapping with one key, its operator. Only the keys of a `Record` are chosen by a policy's author, so
they are never taken for operators.
"""

from collections.abc import Iterable, Iterator
from typing import Any, cast

#: A policy in Cedar's JSON form: effect, principal, action, resource, conditions.
Est = dict[str, Any]
Expression = dict[str, Any]

_CONTEXT: Expression = {"Var": "context"}
_LEAVES = frozenset({"Value", "Var", "Slot"})
_NOT_EXPRESSIONS = frozenset({"attr", "pattern", "entity_type"})


def attribute_of_context(name: str) -> Expression:
    """`context.NAME`"""
    return {".": {"left": _CONTEXT, "attr": name}}


_ARGUMENTS = attribute_of_context("arguments")


def attributes_read(policies: Iterable[Est]) -> frozenset[str] | None:
    """The names of all attributes that the conditions read or ask for, of whatever entity or record.

    None, for any at all, where `context` or `context.arguments` stands by itself.
    """
    names: set[str] = set()
    todo = [condition["body"] for policy in policies for condition in policy["conditions"]]
    while todo:
        expression: Expression = todo.pop()
        if expression in (_CONTEXT, _ARGUMENTS):
            return None
        ((operator, operands),) = expression.items()
        if operator in (".", "has"):
            names.add(operands["attr"])
            if operands["left"] in (_CONTEXT, _ARGUMENTS):
                continue
        todo.extend(_parts(expression))
    return frozenset(names)


def depth_of(policy: Est) -> int:
    """How deep the deepest condition is nested. `a && b && c` is nested twice."""
    deepest = 0
    todo: list[tuple[Expression, int]] = [(condition["body"], 1) for condition in policy["conditions"]]
    while todo:
        expression, depth = todo.pop()
        deepest = max(deepest, depth)
        todo.extend((part, depth + 1) for part in _parts(expression))
    return deepest


def entities_named(policy: Est, type_: str) -> Iterator[str]:
    """The ids of all entities of a type that stand in the policy's scope and conditions."""
    scopes = [policy["principal"], policy["resource"]]
    for scope in [*scopes, *(scope["in"] for scope in scopes if "in" in scope)]:
        if scope.get("entity", {}).get("type") == type_:
            yield scope["entity"]["id"]
    for expression in all_expressions(policy):
        value = expression.get("Value")
        if isinstance(value, dict):
            entity = cast("dict[str, Any]", value).get("__entity", {})
            if entity.get("type") == type_:
                yield entity["id"]


def literals_compared(policy: Est, attribute: str) -> Iterator[str]:
    """The texts that `context.ATTRIBUTE` is compared with: `==`, `!=`, `[…].contains(…)`, `.contains("…")`, …"""
    wanted = attribute_of_context(attribute)
    for expression in all_expressions(policy):
        for operator in expression.keys() & {"==", "!=", "contains", "containsAny", "containsAll"}:
            sides = (expression[operator]["left"], expression[operator]["right"])
            for one, other in (sides, sides[::-1]):
                if one == wanted:
                    for literal in other.get("Set", [other]):
                        if isinstance(literal.get("Value"), str):
                            yield literal["Value"]


def paths_of_context(policies: Iterable[Est]) -> Iterator[tuple[str, ...]]:
    """What of the context the conditions read: `context.count.user_day` is (`count`, `user_day`); `context` by itself
    is ()."""
    todo = [condition["body"] for policy in policies for condition in policy["conditions"]]
    while todo:
        expression: Expression = todo.pop()
        path = _path_of(expression)
        if path is None:
            todo.extend(_parts(expression))
        else:
            yield path


def _path_of(expression: Expression) -> tuple[str, ...] | None:
    if expression == _CONTEXT:
        return ()
    ((operator, operands),) = expression.items()
    if operator not in (".", "has"):
        return None
    above = _path_of(operands["left"])
    return None if above is None else (*above, operands["attr"])


def all_expressions(policy: Est) -> Iterator[Expression]:
    """Every expression of the conditions, the inner ones too."""
    todo: list[Expression] = [condition["body"] for condition in policy["conditions"]]
    while todo:
        expression = todo.pop()
        yield expression
        todo.extend(_parts(expression))


def _parts(expression: Expression) -> list[Expression]:
    ((operator, operands),) = expression.items()
    if operator in _LEAVES:
        return []
    if isinstance(operands, list):
        return cast("list[Expression]", operands)
    if operator == "Record":
        return list(operands.values())
    return [operand for name, operand in operands.items() if name not in _NOT_EXPRESSIONS]
