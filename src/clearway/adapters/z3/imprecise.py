"""Numbers that no decimal can hold, which policy cannot see (`cedar.values.TooPrecise`).

Whoever sends one is denied where a policy that fits one of the parties reads the argument; where none does, the number
does not matter. So a change of what is read is a change of what is allowed. Also within sets, at any depth.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from clearway.adapters.z3.solving import Term, all_of, implies, z3
from clearway.adapters.z3.types import RecordOf, Scalar, SetOf, Type
from clearway.adapters.z3.values import Record, Value

#: One that no decimal can hold.
EXAMPLE = 0.12345
_BLANKS: dict[str, Any] = {"Boolean": False, "String": "", "Long": 0, "decimal": 0}


@dataclass(frozen=True, slots=True, eq=False)
class Imprecise:
    """`path`: the names that lead to it; sets on the way have none. `holds`: that its number cannot be held. `type`: of
    the arguments."""

    path: tuple[str, ...]
    holds: Term
    type: Type


def imprecise_of(arguments: Value, type_: Type) -> tuple[list[Imprecise], list[Term]]:
    """Each place that can hold such a number, and what always holds of them: what is absent is none."""
    found: list[Imprecise] = []
    limits: list[Term] = []
    for path, there in _numbers(arguments, type_, (), True):
        holds = z3().Bool(f"imprecise {'.'.join(path)}")
        found.append(Imprecise(path, holds, type_))
        limits.append(implies(holds, there))
    return found, limits


def _numbers(value: Value | None, type_: Type, path: tuple[str, ...], there: Term) -> Iterator[tuple[Any, Term]]:
    """`value`: None within a set, where nothing is said of what is there."""
    match type_:
        case Scalar("decimal"):
            yield path, there
        case SetOf(item):
            yield from _numbers(None, item, path, there)
        case RecordOf(fields):
            for name, field in fields.items():
                given, inner = value.fields[name] if isinstance(value, Record) else (True, None)
                yield from _numbers(inner, field.type, (*path, name), all_of((there, given)))
        case _:
            return


def put(arguments: dict[str, Any], one: Imprecise) -> None:
    """Writes such a number in its place."""
    arguments |= _with(one.type, arguments, one.path)


def _with(type_: Type, value: Any, path: tuple[str, ...]) -> Any:
    match type_:
        case SetOf(item):
            given = cast("list[Any]", value or [])
            return [_with(item, given[0] if given else None, path), *given[1:]]
        case RecordOf(fields):
            whole: dict[str, Any] = dict(cast("Mapping[str, Any]", _blank(type_) if value is None else value))
            return {**whole, path[0]: _with(fields[path[0]].type, whole.get(path[0]), path[1:])}
        case _:
            return EXAMPLE


def _blank(type_: Type) -> Any:
    """A value of a type, with as little in it as can be."""
    match type_:
        case Scalar(name):
            return _BLANKS[name]
        case RecordOf(fields):
            return {name: _blank(field.type) for name, field in fields.items() if field.required}
        case _:
            return []
