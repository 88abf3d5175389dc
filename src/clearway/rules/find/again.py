"""What comes again as it was: the messages of a conversation that is sent whole at each turn.

A part of a list is known again by its names and values, and then neither walked nor looked through.
INVARIANT: what became of a part holds only until the run learns something that may be in it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from clearway.rules.find.normal import folded
from clearway.rules.find.words import all_words

#: How deep a list is, the path that leads there, the declared fields, and what its parts are about: what becomes of
#: them hangs on these.
Where = tuple[int, tuple[str, ...], frozenset[str], str]
#: A part as `frozen` has it.
Frozen = tuple[Any, ...]


class Part:
    """What became of a part (`result`; None where nothing changed) when the run knew `version` words."""

    __slots__ = ("_words", "result", "version")

    def __init__(self, result: Any, version: int) -> None:
        self.result = result
        self.version = version
        self._words: frozenset[str] | None = None

    def may_hold(self, heads: Sequence[str], part: Any) -> bool:
        """Whether one of the words that were learned since, each by its head, may be in the `part`."""
        if self._words is None:
            self._words = frozenset(all_words(folded("\n".join(_texts(part)))))
        return "" in heads or not self._words.isdisjoint(heads)


class Again:
    """The parts of one run. Only of lists whose first part has come before: most lists come once."""

    def __init__(self) -> None:
        self._parts: dict[Where, dict[Frozen, Part]] = {}
        self._firsts: set[tuple[Frozen, Where]] = set()

    def parts(self, first: Any, where: Where) -> dict[Frozen, Part] | None:
        """What became of the parts of such lists, by what they are `frozen`; None for a list whose first part was no
        list's first part before."""
        known = frozen(first)
        if known is None:
            return None
        if (known, where) in self._firsts:
            return self._parts.setdefault(where, {})
        self._firsts.add((known, where))
        return None

    def clear(self) -> None:
        """INVARIANT: what a walk that has begun still remembers is lost as well: the run has forgotten which words were
        in the texts that the walk passed by."""
        self._parts.clear()
        self._firsts.clear()


def frozen(part: Any) -> Frozen | None:
    """Equal for equal objects of plain JSON, and for nothing else: `1`, `1.0` and `true` are three values. None for
    what is no such object."""
    try:
        return _frozen(part) if part.__class__ is dict else None
    except (TypeError, RecursionError):
        return None


def _frozen(value: Any) -> Any:
    kind = value.__class__
    if kind is str or value is None:
        return value
    if kind is dict:
        return dict, *[
            (name if name.__class__ is str else _frozen(name), one if one.__class__ is str else _frozen(one))
            for name, one in value.items()
        ]
    if kind is list:
        return list, *[one if one.__class__ is str else _frozen(one) for one in value]
    if kind is int or kind is bool:
        return kind, value
    if kind is float:
        return kind, repr(value)
    raise TypeError


def _texts(value: Any) -> Iterator[str]:
    """Every name, text and number in a part, however deep."""
    pending: list[Any] = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            pending += one
            pending += one.values()
        elif isinstance(one, list | tuple):
            pending += one
        elif isinstance(one, str | int | float):
            yield str(one)
