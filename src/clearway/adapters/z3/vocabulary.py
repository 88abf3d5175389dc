"""What policies speak of, read before they are translated: texts, patterns, and how many texts can matter at once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from clearway.adapters.cedar.expressions import Est, all_expressions
from clearway.adapters.z3.types import RecordOf, Scalar, SetOf, Type
from clearway.rules.changes.texts import WITH_COLON, Pattern, TooManyClasses, Universe, sampled, universe

#: What may make a witness: `if` between sets asks one of each.
_ON_SETS = frozenset({"contains", "containsAll", "containsAny", "isEmpty", "if-then-else"})


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`comparisons`: how often a policy compares two texts of a request, or asks something of a set."""

    texts: frozenset[str]
    patterns: frozenset[Pattern]
    comparisons: int

    def universe(self, context: RecordOf, known: Iterable[str]) -> Universe:
        """The texts to look at. Where the patterns are too many for a proof, it is not whole."""
        # One for each text of the request, and those of a witness for each comparison of sets.
        compared = self.comparisons * max([1, *_widths(context)])
        different = 1 + (_count_texts(context) + compared if compared else 1)
        literals = self.texts.union(known)
        patterns = self.patterns | {WITH_COLON} if self.patterns else frozenset[Pattern]()
        try:
            return universe(literals, patterns, different)
        except TooManyClasses:
            return sampled(literals, patterns, different)


def read(policies: Iterable[Est]) -> Vocabulary:
    texts: set[str] = set()
    patterns: set[Pattern] = set()
    comparisons = 0
    for est in policies:
        for scope in (est["principal"], est["resource"]):
            for one in (scope, scope.get("in", {})):
                texts.update(_parts_of_target(one.get("entity", {})))
        for expression in all_expressions(est):
            ((operator, operands),) = expression.items()
            if operator == "Value":
                texts.update(_texts_of(operands))
            elif operator == "like":
                patterns.add(pattern_of(operands))
            elif operator in ("==", "!="):
                # Of sets, each may hold what the other does not.
                comparisons += 0 if "Value" in operands["left"] or "Value" in operands["right"] else 2
            else:
                comparisons += operator in _ON_SETS
    return Vocabulary(frozenset(texts), frozenset(patterns), comparisons)


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


def _count_texts(type_: Type) -> int:
    match type_:
        case Scalar(name):
            return int(name == "String")
        case RecordOf(fields):
            return sum(_count_texts(field.type) for field in fields.values())
        case _:
            return 0


def _widths(type_: Type) -> Iterator[int]:
    """How many texts an element of each set has."""
    match type_:
        case SetOf(item):
            yield _count_texts(item)
        case RecordOf(fields):
            for field in fields.values():
                yield from _widths(field.type)
        case _:
            pass
