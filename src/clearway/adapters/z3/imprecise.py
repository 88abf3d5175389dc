"""Numbers that no decimal can hold, which policy cannot see (`cedar.values.TooPrecise`).

Whoever sends one is denied where a policy that fits one of the parties reads the argument; where none does, the number
does not matter. So a change of what is read is a change of what is allowed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from clearway.adapters.z3.solving import Term, all_of, implies, z3
from clearway.adapters.z3.types import Scalar, SetOf, Type
from clearway.adapters.z3.values import Record, Value

#: One that no decimal can hold.
EXAMPLE = 0.12345


@dataclass(frozen=True, slots=True, eq=False)
class Imprecise:
    """`path`: of the argument. `holds`: that its number cannot be held. `in_set`: whether it is a set of numbers."""

    path: tuple[str, ...]
    holds: Term
    in_set: bool


def imprecise_of(arguments: Value, type_: Type) -> tuple[list[Imprecise], list[Term]]:
    """Each argument that can hold such a number, and what always holds of them: what is absent is none."""
    found: list[Imprecise] = []
    limits: list[Term] = []
    for path, there, in_set in _numbers(arguments, type_, (), True):
        holds = z3().Bool(f"imprecise {'.'.join(path)}")
        found.append(Imprecise(path, holds, in_set))
        limits.append(implies(holds, there))
    return found, limits


def _numbers(value: Value, type_: Type, path: tuple[str, ...], there: Term) -> Iterator[tuple[Any, ...]]:
    fields = getattr(type_, "fields", None)
    if fields is None or not isinstance(value, Record):
        return
    for name, field in fields.items():
        inner_there, inner = value.fields[name]
        here = all_of((there, inner_there))
        if _is_decimal(field.type):
            yield (*path, name), here, isinstance(field.type, SetOf)
        else:
            yield from _numbers(inner, field.type, (*path, name), here)


def _is_decimal(type_: Type) -> bool:
    return type_ == Scalar("decimal") or type_ == SetOf(Scalar("decimal"))


def put(arguments: dict[str, Any], one: Imprecise) -> None:
    """Writes such a number in its place."""
    *outer, last = one.path
    for name in outer:
        arguments = arguments[name]
    arguments[last] = [EXAMPLE] if one.in_set else EXAMPLE
