"""The free values of a request, and reading them back from a model."""

from decimal import Decimal
from typing import Any

from clearway.adapters.z3.solving import Term, both, z3
from clearway.adapters.z3.texts import Texts
from clearway.adapters.z3.types import DECIMALS, INTEGERS, LEAST, MOST, EntityOf, RecordOf, Scalar, SetOf, Type
from clearway.adapters.z3.values import Atom, Entity, Members, Name, Record, SetVariable, Unsupported, Value


class Variables:
    """Makes variables of one comparison, with what always holds of them in `limits`."""

    def __init__(self, texts: Texts) -> None:
        self.texts = texts
        self.limits: list[Term] = []
        self._names: dict[str, dict[str, int]] = {}

    def integer(self, name: str) -> Term:
        """A Long: 64 bits."""
        term = z3().Int(name)
        self.limits.append(both(term >= LEAST, term <= MOST))
        return term

    def text(self, name: str) -> Term:
        """The number of a text."""
        term = z3().Int(name)
        self.limits.append(term >= 0)
        return term

    def identity(self, name: str) -> Term:
        """The number of an entity of a type: those that are named have small ones, all others mean somebody else."""
        term = z3().Int(name)
        self.limits.append(term >= 0)
        return term

    def number(self, type_: str, id_: str) -> int:
        """The number of a named entity."""
        known = self._names.setdefault(type_, {})
        return known.setdefault(id_, len(known))

    def named(self, type_: str) -> dict[str, int]:
        """The numbers of the entities of a type that are named anywhere."""
        return self._names.get(type_, {})

    def literal(self, type_: str, id_: str) -> Entity:
        if type_ != "Target":
            return Entity(((True, type_, Name((self.number(type_, id_),))),))
        kind, colon, rest = id_.partition(":")
        # Without a colon it is no target's uid: no text has a negative index.
        parts = (self.texts.index(kind), self.texts.index(rest)) if colon else (-1 - self.number("Target", id_), 0)
        return Entity(((True, "Target", Name(parts)),))

    def fresh(self, type_: Type, name: str) -> Value:
        match type_:
            case Scalar("Boolean"):
                return Atom("Boolean", z3().Bool(name))
            case Scalar("String"):
                return Atom("String", self.text(name))
            case Scalar(kind) if kind in INTEGERS:
                return Atom(kind, self.integer(name))
            case SetOf(item):
                return Members(variables=((True, SetVariable(name, item)),))
            case RecordOf(fields):
                return Record(
                    {
                        key: (
                            True if field.required else z3().Bool(f"{name} has {key}"),
                            self.fresh(field.type, f"{name}.{key}"),
                        )
                        for key, field in fields.items()
                    }
                )
            case EntityOf(of) if of != "Target":
                return Entity(((True, of, Name((self.identity(name),))),))
            case _:
                raise Unsupported(f"a value of the type {type_}")


def python_of(model: Any, term: Term) -> Any:
    """The Boolean or the integer that a term has in a model."""
    if isinstance(term, bool | int):
        return term
    found = model.eval(term, model_completion=True)
    return z3().is_true(found) if z3().is_bool(found) else found.as_long()


def number_of(kind: str, term: int) -> int | float:
    """A Long or decimal as the JSON number that it came from."""
    if kind != "decimal":
        return term
    return term // 10**DECIMALS if term % 10**DECIMALS == 0 else float(Decimal(term).scaleb(-DECIMALS))
