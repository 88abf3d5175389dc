"""What comes again as it was: the messages of a conversation that is sent whole at each turn.

A part of a list is known again by its names and values, and then neither walked nor looked through.
INVARIANT: what became of a part holds only until the run learns something that may be in it.
"""

from collections.abc import Sequence
from typing import Any

from clearway.rules.find.normal import folded
from clearway.rules.find.words import all_words

#: A part as `_frozen` has it, how deep it is, the path that leads there, and the declared fields.
Key = tuple[object, int, tuple[str, ...], frozenset[str]]


class Part:
    """What became of a part (`result`; None where nothing changed) when the run knew `version` words."""

    __slots__ = ("_text", "_words", "result", "version")

    def __init__(self, result: Any, version: int, text: str) -> None:
        self.result = result
        self.version = version
        #: Its texts, until its words are asked for.
        self._text = text
        self._words: frozenset[str] | None = None

    def may_hold(self, heads: Sequence[str]) -> bool:
        """Whether one of the words that were learned since, each by its head, may be in the part."""
        if self._words is None:
            self._words, self._text = frozenset(all_words(folded(self._text))), ""
        return "" in heads or not self._words.isdisjoint(heads)


class Again:
    """The parts of one run. Only of lists whose first part has come before: most lists come once."""

    def __init__(self) -> None:
        self.parts: dict[Key, Part] = {}
        self._firsts: set[Key] = set()

    def comes_again(self, first: Key) -> bool:
        """Whether a list's first part was a list's first part before."""
        if first in self._firsts:
            return True
        self._firsts.add(first)
        return False

    def clear(self) -> None:
        self.parts.clear()
        self._firsts.clear()


def key_of(part: Any, depth: int, path: tuple[str, ...], declared: frozenset[str]) -> Key | None:
    """None where the part is no plain JSON."""
    try:
        return _frozen(part), depth, path, declared
    except (TypeError, RecursionError):
        return None


def _frozen(value: Any) -> object:
    """Equal for equal JSON, and for nothing else: `1`, `1.0` and `true` are three values."""
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
