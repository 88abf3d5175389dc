"""Cedar's expressions as terms: the value of each, and when its evaluation is an error (Cedar 4, "Evaluation").

`&&`, `||` and `if` leave out what Cedar does not evaluate, with its errors. An expression that cannot be translated
stands for an unknown Boolean that is the same wherever the same text stands: what is proved so, holds whatever it is.
"""

import json
from collections.abc import Callable
from typing import Any

from clearway.adapters.cedar.expressions import Expression
from clearway.adapters.z3.extensions import CONSTRUCTORS, FUNCTIONS, Answer, bounded, call, literal
from clearway.adapters.z3.request import Party, SymbolicRequest
from clearway.adapters.z3.sets import Sets
from clearway.adapters.z3.solving import Term, any_of, both, choice, either, negated, z3
from clearway.adapters.z3.types import INTEGERS
from clearway.adapters.z3.values import (
    Atom,
    Entity,
    Members,
    Name,
    Record,
    Unsupported,
    Value,
    boolean,
    chosen,
    truth,
)
from clearway.adapters.z3.vocabulary import pattern_of

_MISSING: Answer = (Atom("missing", None), True)
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda one, other: one + other,
    "-": lambda one, other: one - other,
    "*": lambda one, other: one * other,
}
_ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}
_BOOLEAN = (
    {"!", "&&", "||", "==", "!=", "in", "has", "like", "is", "contains", "containsAll", "containsAny", "isEmpty"}
    | {"lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"}
    | {"isIpv4", "isIpv6", "isLoopback", "isMulticast", "isInRange", "hasTag"}
    | _ORDER.keys()
)


class Translator:
    """Translates for one party. `unsupported` collects what could not be translated since it was last emptied."""

    def __init__(self, request: SymbolicRequest, sets: Sets, party: Party) -> None:
        self._request, self._sets = request, sets
        self._party: Party = party
        self.unsupported: list[str] = []
        self._operators: dict[str, Callable[[Any], Answer]] = {
            "Value": self._value,
            "Var": self._variable,
            "!": self._not,
            "&&": self._and,
            "||": self._or,
            "if-then-else": self._if,
            "==": self._equal,
            "!=": self._unequal,
            "neg": self._negate,
            "like": self._like,
            "has": self._has,
            ".": self._attribute,
            "is": self._is,
            "in": self._in,
            "Set": self._set,
            "Record": self._record,
            "contains": self._contains,
            "containsAll": lambda operands: self._on_sets(Sets.includes, operands),
            "containsAny": lambda operands: self._on_sets(Sets.overlaps, operands),
            "isEmpty": self._is_empty,
        }

    def condition(self, expression: Expression) -> tuple[Term, Term]:
        """(whether it is true, whether it is an error); both are never true."""
        try:
            value, error = self.evaluate(expression)
            return both(truth(value), negated(error)), error
        except Unsupported as problem:
            value, error = self._unknown(expression, problem)
            return both(truth(value), negated(error)), error

    def evaluate(self, expression: Expression) -> Answer:
        """Where the error holds, the value means nothing. Errors: `Unsupported`."""
        ((operator, operands),) = expression.items()
        if operator not in _BOOLEAN:
            return self._evaluate(operator, operands)
        try:
            return self._evaluate(operator, operands)
        except Unsupported as problem:
            return self._unknown(expression, problem)

    def _unknown(self, expression: Expression, problem: Unsupported) -> Answer:
        self.unsupported.append(str(problem))
        name = f"{self._party}: {json.dumps(expression, sort_keys=True)}"
        return boolean(z3().Bool(name)), z3().Bool(f"error of {name}")

    def _evaluate(self, operator: str, operands: Any) -> Answer:
        if operator in self._operators:
            return self._operators[operator](operands)
        if operator in _ARITHMETIC:
            return self._arithmetic(operator, operands)
        if operator in _ORDER:
            return self._order(operator, operands)
        if operator in CONSTRUCTORS and "Value" in operands[0]:
            return literal(operator, operands[0]["Value"])
        if operator in FUNCTIONS:
            answers = [self.evaluate(operand) for operand in operands]
            value, error = call(operator, [answer[0] for answer in answers])
            return value, either(*(answer[1] for answer in answers), error)
        raise Unsupported(f"`{operator}`")

    def _value(self, written: Any) -> Answer:
        match written:
            case bool():
                return boolean(written), False
            case int():
                return Atom("Long", written), False
            case str():
                return Atom("String", self._request.variables.texts.index(written)), False
            case {"__entity": {"type": str(type_), "id": str(id_)}}:
                return self._request.variables.literal(type_, id_), False
            case _:
                raise Unsupported("a literal of an unknown form")

    def _variable(self, name: str) -> Answer:
        request = self._request
        match name:
            case "principal":
                return request.actors[self._party].entity, False
            case "resource":
                return request.target, False
            case "context":
                return request.context, False
            case "action":
                return request.variables.literal("Action", request.tool), False
            case _:
                raise Unsupported(f"the variable {name}")

    def _not(self, operands: Any) -> Answer:
        value, error = self.evaluate(operands["arg"])
        return boolean(negated(truth(value))), error

    def _and(self, operands: Any) -> Answer:
        value, error = self.evaluate(operands["left"])
        left = truth(value)
        if left is False or error is True:
            return boolean(False), error
        value, wrong = self.evaluate(operands["right"])
        return boolean(both(left, truth(value))), either(error, both(left, wrong))

    def _or(self, operands: Any) -> Answer:
        value, error = self.evaluate(operands["left"])
        left = truth(value)
        if left is True or error is True:
            return boolean(True), error
        value, wrong = self.evaluate(operands["right"])
        return boolean(either(left, truth(value))), either(error, both(negated(left), wrong))

    def _if(self, operands: Any) -> Answer:
        value, error = self.evaluate(operands["if"])
        condition = truth(value)
        if isinstance(condition, bool):
            value, wrong = self.evaluate(operands["then" if condition else "else"])
            return value, either(error, wrong)
        then, then_wrong = self.evaluate(operands["then"])
        otherwise, else_wrong = self.evaluate(operands["else"])
        return chosen(condition, then, otherwise), either(error, choice(condition, then_wrong, else_wrong))

    def _two(self, operands: Any) -> tuple[Value, Value, Term]:
        left, error = self.evaluate(operands["left"])
        right, wrong = self.evaluate(operands["right"])
        return left, right, either(error, wrong)

    def _equal(self, operands: Any) -> Answer:
        left, right, error = self._two(operands)
        return boolean(self._sets.equal(left, right)), error

    def _unequal(self, operands: Any) -> Answer:
        value, error = self._equal(operands)
        return boolean(negated(truth(value))), error

    def _arithmetic(self, operator: str, operands: Any) -> Answer:
        left, right, error = self._two(operands)
        if not (isinstance(left, Atom) and isinstance(right, Atom) and left.kind == right.kind == "Long"):
            raise Unsupported(f"`{operator}` of something else than Longs")
        value, beyond = bounded("Long", _ARITHMETIC[operator](left.term, right.term))
        return value, either(error, beyond)

    def _negate(self, operands: Any) -> Answer:
        value, error = self.evaluate(operands["arg"])
        if not (isinstance(value, Atom) and value.kind == "Long"):
            raise Unsupported("`-` of something else than a Long")
        negative, beyond = bounded("Long", -value.term)
        return negative, either(error, beyond)

    def _order(self, operator: str, operands: Any) -> Answer:
        left, right, error = self._two(operands)
        if not (isinstance(left, Atom) and isinstance(right, Atom) and left.kind == right.kind in INTEGERS):
            raise Unsupported(f"`{operator}` of values without an order")
        return boolean(_ORDER[operator](left.term, right.term)), error

    def _like(self, operands: Any) -> Answer:
        value, error = self.evaluate(operands["left"])
        if not (isinstance(value, Atom) and value.kind == "String"):
            raise Unsupported("`like` of something else than a String")
        return boolean(self._request.variables.texts.like(value.term, pattern_of(operands))), error

    def _has(self, operands: Any) -> Answer:
        value, error = self.evaluate(operands["left"])
        name = operands["attr"]
        if isinstance(value, Record):
            return boolean(value.fields[name][0] if name in value.fields else False), error
        if isinstance(value, Entity):
            try:
                return boolean(negated(self._request.attribute(value, name)[1])), error
            except Unsupported:
                if value is self._request.target or value in (a.entity for a in self._request.actors.values()):
                    return boolean(False), error
                raise
        raise Unsupported("`has` of something else than a record or an entity")

    def _attribute(self, operands: Any) -> Answer:
        value, error = self.evaluate(operands["left"])
        name = operands["attr"]
        if isinstance(value, Entity):
            inner, missing = self._request.attribute(value, name)
            return inner, either(error, missing)
        if not isinstance(value, Record):
            raise Unsupported("an attribute of something else than a record or an entity")
        if name not in value.fields:
            return _MISSING
        there, inner = value.fields[name]
        return inner, either(error, negated(there))

    def _is(self, operands: Any) -> Answer:
        value, error = self.evaluate(operands["left"])
        if not isinstance(value, Entity):
            raise Unsupported("`is` of something else than an entity")
        fits = any_of(guard for guard, type_, _ in value.options if type_ == operands["entity_type"])
        if "in" not in operands or fits is False:
            return boolean(fits), error
        above, wrong = self.evaluate(operands["in"])
        return boolean(both(fits, self._within(value, above))), either(error, both(fits, wrong))

    def _in(self, operands: Any) -> Answer:
        left, right, error = self._two(operands)
        return boolean(self._within(left, right)), error

    def _within(self, left: Value, right: Value) -> Term:
        if not isinstance(left, Entity):
            raise Unsupported("`in` of something else than an entity")
        if isinstance(right, Members):
            if right.variables:
                raise Unsupported("`in` a set of the request")
            return any_of(both(guard, self._within(left, item)) for guard, item in right.known)
        if not isinstance(right, Entity):
            raise Unsupported("`in` something else than entities")
        return any_of(self._one_in(option, parent) for option in left.options for parent in right.options)

    def _one_in(self, option: tuple[Term, str, Name], parent: tuple[Term, str, Name]) -> Term:
        if option[1] == parent[1] == "Action":
            known = self._request.variables.named("Action")
            # An action of the project is in the group of its tool's impact; only this one can be the left side.
            own = {known[name] for name in self._request.action_names if name in known}
            is_own = option[2].parts[0] == known.get(self._request.tool)
            same = option[2].parts[0] == parent[2].parts[0]
            return both(option[0], parent[0], same or (is_own and parent[2].parts[0] in own))
        return self._request.principal_in(option, parent)

    def _set(self, operands: Any) -> Answer:
        answers = [self.evaluate(operand) for operand in operands]
        return Members(tuple((True, value) for value, _ in answers)), any_of(error for _, error in answers)

    def _record(self, operands: Any) -> Answer:
        answers = {name: self.evaluate(operand) for name, operand in operands.items()}
        fields: dict[str, tuple[Term, Value]] = {name: (True, value) for name, (value, _) in answers.items()}
        return Record(fields), any_of(error for _, error in answers.values())

    def _on_sets(self, ask: Callable[[Sets, Members, Members], Term], operands: Any) -> Answer:
        left, right, error = self._two(operands)
        if not (isinstance(left, Members) and isinstance(right, Members)):
            raise Unsupported("a comparison of sets of something else than sets")
        return boolean(ask(self._sets, left, right)), error

    def _contains(self, operands: Any) -> Answer:
        left, right, error = self._two(operands)
        if not isinstance(left, Members):
            raise Unsupported("`contains` of something else than a set")
        return boolean(self._sets.contains(left, right)), error

    def _is_empty(self, operands: Any) -> Answer:
        value, error = self.evaluate(operands["arg"])
        if not isinstance(value, Members):
            raise Unsupported("`isEmpty` of something else than a set")
        return boolean(self._sets.is_empty(value)), error
