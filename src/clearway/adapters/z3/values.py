"""Cedar's values as terms: what is known of them stands in Python, what a request decides stands in z3."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface
from typing import TypeAlias

from clearway.adapters.z3.solving import Term, all_of, any_of, both, choice, equal, negated
from clearway.adapters.z3.types import EntityOf, RecordOf, Scalar, SetOf, Type


class Unsupported(Exception):
    """An expression that is not translated. The message names its operator."""


@dataclass(frozen=True, slots=True, eq=False)
class Atom:
    """`term` is a Boolean; of a String its index in the universe; else an integer: Long, decimal in ten-thousandths,
    datetime and duration in milliseconds."""

    kind: str
    term: Term


@dataclass(frozen=True, slots=True, eq=False)
class Address:
    """An ipaddr, which has to be known."""

    of: IPv4Interface | IPv6Interface


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """What tells an entity from others of its type. A target has two parts, its kind and its id."""

    parts: tuple[Term, ...]

    def equals(self, other: "Name") -> Term:
        return all_of(equal(one, another) for one, another in zip(self.parts, other.parts, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Entity:
    """One of several, each under its condition; exactly one condition holds."""

    options: tuple[tuple[Term, str, Name], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """Attribute → whether it is there, and its value."""

    fields: Mapping[str, tuple[Term, "Value"]]


@dataclass(frozen=True, slots=True, eq=False)
class SetVariable:
    """A set of the request."""

    name: str
    item: Type


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """A set: values and sets of the request, each under its condition."""

    known: tuple[tuple[Term, "Value"], ...] = ()
    variables: tuple[tuple[Term, SetVariable], ...] = ()


Value: TypeAlias = Atom | Address | Entity | Record | Members


def truth(value: Value) -> Term:
    if isinstance(value, Atom) and value.kind == "Boolean":
        return value.term
    raise Unsupported("a condition that is not a Boolean")


def boolean(term: Term) -> Atom:
    return Atom("Boolean", term)


def chosen(condition: Term, then: Value, otherwise: Value) -> Value:
    """`if condition then … else …`"""
    if isinstance(condition, bool):
        return then if condition else otherwise
    match then, otherwise:
        case Atom(kind, one), Atom(other_kind, other) if kind == other_kind:
            return Atom(kind, choice(condition, one, other))
        case Entity(), Entity():
            return Entity((*_guarded(condition, then.options), *_guarded(negated(condition), otherwise.options)))
        case Members(), Members():
            no = negated(condition)
            return Members(
                tuple((both(condition, g), v) for g, v in then.known)
                + tuple((both(no, g), v) for g, v in otherwise.known),
                tuple((both(condition, g), v) for g, v in then.variables)
                + tuple((both(no, g), v) for g, v in otherwise.variables),
            )
        case Record(), Record():
            return Record(
                {name: _field(condition, then, otherwise, name) for name in {**then.fields, **otherwise.fields}}
            )
        case _:
            raise Unsupported("if-then-else over ipaddr or over two types")


def _guarded(condition: Term, options: tuple[tuple[Term, str, Name], ...]) -> tuple[tuple[Term, str, Name], ...]:
    return tuple((both(condition, guard), type_, name) for guard, type_, name in options)


def _field(condition: Term, then: Record, otherwise: Record, name: str) -> tuple[Term, Value]:
    if name not in then.fields:
        there, value = otherwise.fields[name]
        return both(negated(condition), there), value
    if name not in otherwise.fields:
        there, value = then.fields[name]
        return both(condition, there), value
    (one_there, one), (other_there, other) = then.fields[name], otherwise.fields[name]
    return choice(condition, one_there, other_there), chosen(condition, one, other)


def entities_equal(one: Entity, other: Entity) -> Term:
    return any_of(
        both(guard, other_guard, name.equals(other_name))
        for guard, type_, name in one.options
        for other_guard, other_type, other_name in other.options
        if type_ == other_type
    )


def is_literal(value: Value) -> bool:
    return isinstance(value, Atom) and isinstance(value.term, int)


def type_key(type_: Type) -> str:
    """The same text for types whose values can be equal."""
    match type_:
        case Scalar(name):
            return name
        case EntityOf(name):
            return f"entity {name}"
        case SetOf(item):
            return f"set of {type_key(item)}"
        case RecordOf(fields):
            inside = ", ".join(f"{name}: {type_key(field.type)}" for name, field in sorted(fields.items()))
            return f"{{{inside}}}"
