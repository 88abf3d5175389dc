"""pyahocorasick with types: many words found in one pass over a text."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import ahocorasick

_ahocorasick: Any = cast(Any, ahocorasick)


class Dictionary:
    """A fixed set of words, each with a number."""

    __slots__ = ("_automaton",)

    def __init__(self, words: Mapping[str, int]) -> None:
        self._automaton: Any = _ahocorasick.Automaton()
        for word, number in words.items():
            self._automaton.add_word(word, (number, len(word)))
        if words:
            self._automaton.make_automaton()

    def occurrences(self, text: str) -> Iterator[tuple[int, int, int]]:
        """(start, end, number) of every occurrence, overlapping ones too, by end."""
        if not len(self._automaton):
            return
        for last, (number, length) in self._automaton.iter(text):
            yield last + 1 - length, last + 1, number
