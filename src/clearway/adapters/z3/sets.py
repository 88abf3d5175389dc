"""Sets of a request. What policies ask of them, they ask of a few elements: those that are named, and one witness of
each comparison between sets that fails or of each overlap that is there. A set cut down to these answers as the whole.

So a set is a predicate on elements, and "all elements" means all of the pool that was asked about.
"""

from collections.abc import Callable, Iterator
from typing import Any

from clearway.adapters.z3.solving import Term, all_of, any_of, both, choice, equal, implies, negated, z3
from clearway.adapters.z3.types import INTEGERS, LEAST, MOST, EntityOf, RecordOf, Scalar, SetOf, Type
from clearway.adapters.z3.values import (
    Atom,
    Entity,
    Members,
    Record,
    SetVariable,
    Unsupported,
    Value,
    entities_equal,
    type_key,
)
from clearway.adapters.z3.variables import Variables


class Sets:
    """The sets of one comparison. `axioms` has to be asserted before solving."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables
        self._predicates: dict[str, Any] = {}
        self._pools: dict[str, dict[tuple[object, ...], tuple[Value, list[Term]]]] = {}
        self._for_all: list[tuple[Term, Type, Callable[[Value], Term]]] = []
        self._witnesses = 0

    def equal(self, one: Value, other: Value) -> Term:
        """Cedar's `==`: of two types it is false."""
        match one, other:
            case Atom(kind, term), Atom(other_kind, other_term):
                return kind == other_kind and equal(term, other_term)
            case Entity(), Entity():
                return entities_equal(one, other)
            case Record(), Record():
                return self._records_equal(one, other)
            case Members(), Members():
                return both(self.includes(one, other), self.includes(other, one))
            case _:
                return getattr(one, "of", one) == getattr(other, "of", other)

    def _records_equal(self, one: Record, other: Record) -> Term:
        parts: list[Term] = []
        for name in {**one.fields, **other.fields}:
            there, value = one.fields.get(name, (False, None))
            other_there, other_value = other.fields.get(name, (False, None))
            parts.append(equal(there, other_there))
            if value is not None and other_value is not None:
                parts.append(implies(there, self.equal(value, other_value)))
        return all_of(parts)

    def contains(self, members: Members, value: Value) -> Term:
        known = [both(guard, self.equal(item, value)) for guard, item in members.known]
        return any_of([*known, *(both(guard, self._holds(of, value)) for guard, of in members.variables)])

    def includes(self, whole: Members, part: Members) -> Term:
        """containsAll: every element of `part` is one of `whole`."""
        return self.every(part, lambda value: self.contains(whole, value))

    def overlaps(self, one: Members, other: Members) -> Term:
        """containsAny: an element of one is an element of the other."""
        if one.variables and not other.variables:
            one, other = other, one
        return negated(self.every(one, lambda value: negated(self.contains(other, value))))

    def is_empty(self, members: Members) -> Term:
        if any(isinstance(variable.item, SetOf) for _, variable in members.variables):
            return self._is_empty_of_sets(members)
        return self.every(members, lambda _: False)

    def _is_empty_of_sets(self, members: Members) -> Term:
        """Of sets of sets only this is asked; what they contain is not translated."""
        known = [negated(guard) for guard, _ in members.known]
        return all_of([*known, *(implies(guard, _has_none(variable)) for guard, variable in members.variables)])

    def is_empty_of_sets(self, variable: SetVariable) -> Term:
        """Whether a set of sets is empty."""
        return _has_none(variable)

    def every(self, members: Members, said: Callable[[Value], Term]) -> Term:
        """Whether it is said of all elements."""
        known = [implies(guard, said(item)) for guard, item in members.known]
        return all_of(
            [
                *known,
                *(
                    self._every(of.item, lambda v, g=g, of=of: implies(both(g, self._holds(of, v)), said(v)))
                    for g, of in members.variables
                ),
            ]
        )

    def fix(self, variable: SetVariable, values: list[Value]) -> None:
        """Says that the set has these elements and no others."""
        for value in values:
            self._remember(variable.item, value)
        self._for_all.append(
            (
                True,
                variable.item,
                lambda v: equal(self._holds(variable, v), any_of(self.equal(v, value) for value in values)),
            )
        )

    def axioms(self) -> list[Term]:
        """What "for all elements" says of each of the pool."""
        return [
            implies(condition, said(value))
            for condition, item, said in self._for_all
            for value, _ in list(self._pools.get(type_key(item), {}).values())
        ]

    def is_asked(self, variable: SetVariable) -> bool:
        return variable.name in self._predicates

    def elements(self, variable: SetVariable) -> list[tuple[Value, Term]]:
        """The pool, and whether each is in the set; nothing where no policy asked about the set."""
        if not self.is_asked(variable):
            return []
        pool = list(self._pools.get(type_key(variable.item), {}).values())
        return [(value, self._holds(variable, value)) for value, _ in pool]

    def _every(self, item: Type, said: Callable[[Value], Term]) -> Term:
        """A Boolean that holds exactly where `said` holds of all elements: where it does not, a witness is made."""
        self._witnesses += 1
        name = f"witness {self._witnesses}"
        witness = self._variables.fresh(item, name)
        self._remember(item, witness)
        holds = z3().Bool(f"{name} is none")
        self._for_all.append((holds, item, said))
        self._variables.limits.append(implies(negated(holds), negated(said(witness))))
        return holds

    def _remember(self, item: Type, value: Value) -> list[Term]:
        terms = flat(item, value)
        # Kept with its terms: the number of a term that is gone is given to another.
        self._pools.setdefault(type_key(item), {})[_key(terms)] = (value, terms)
        return terms

    def _holds(self, variable: SetVariable, value: Value) -> Term:
        terms = self._remember(variable.item, value)
        predicate = self._predicates.get(variable.name)
        if predicate is None:
            solver = z3()
            sorts = [solver.BoolSort() if _is_boolean(term) else solver.IntSort() for term in terms]
            predicate = self._predicates[variable.name] = solver.Function(variable.name, *sorts, solver.BoolSort())
        # What was computed may lie beyond 64 bits, where no element of a request's set does.
        return both(predicate(*terms), *_within_bounds(variable.item, value))


def _within_bounds(type_: Type, value: Value) -> Iterator[Term]:
    match type_, value:
        case Scalar(name), Atom(_, term) if name in INTEGERS and not isinstance(term, int):
            yield both(term >= LEAST, term <= MOST)
        case RecordOf(fields), Record(given):
            for name, field in fields.items():
                there, inner = given.get(name, (False, None))
                if inner is not None:
                    yield from (implies(there, limit) for limit in _within_bounds(field.type, inner))
        case _:
            return


def _has_none(variable: SetVariable) -> Term:
    return z3().Bool(f"{variable.name} is empty")


def flat(type_: Type, value: Value) -> list[Term]:
    """The terms that tell a value of the type from others. What is absent is the same everywhere."""
    match type_, value:
        case Scalar(name), Atom(kind, term) if name == kind:
            return [term]
        case EntityOf(of), Entity(options):
            found: Term = -1
            for guard, option, name in options:
                found = choice(guard, name.parts[0], found) if option == of else found
            return [found]
        case RecordOf(fields), Record(given):
            terms: list[Term] = []
            for name, field in sorted(fields.items()):
                there, inner = given.get(name, (False, None))
                blank: Term = isinstance(field.type, Scalar) and field.type.name == "Boolean"
                parts = [False if blank else 0] if inner is None else flat(field.type, inner)
                terms += [there, *(choice(there, part, False if _is_boolean(part) else 0) for part in parts)]
            return terms
        case _:
            raise Unsupported("a set of sets")


def _is_boolean(term: Term) -> bool:
    return isinstance(term, bool) or (not isinstance(term, int) and z3().is_bool(term))


def _key(terms: list[Term]) -> tuple[object, ...]:
    return tuple(term if isinstance(term, bool | int) else f"t{term.get_id()}" for term in terms)
