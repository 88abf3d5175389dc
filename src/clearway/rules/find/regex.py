"""google-re2 with types: every pattern over bytes, linear time, small memory.

Byte patterns in Latin-1 mode keep the automata small: `[A-Za-z\\x80-\\xff]` is "a letter" in UTF-8 text.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import re2  # pyright: ignore[reportMissingTypeStubs]

_re2: Any = cast(Any, re2)

_MEMORY_BYTES = 32 << 20
#: Bytes of searching that one own pattern may cost in one text before it has to go on piece by piece.
_BUDGET = 128 << 20
_PIECE, _OVERLAP = 1024, 256
_ANYWHERE: Any = _re2._re2.RE2.Anchor.UNANCHORED
_CONTINUATION = bytes(range(0x80, 0xC0))


class BadPattern(ValueError):
    """An own pattern does not compile, is too big, or matches the empty text."""


def _options(latin: bool = True) -> Any:
    options = _re2.Options()
    if latin:
        options.encoding = _re2.Options.Encoding.LATIN1
    options.max_mem = _MEMORY_BYTES
    options.log_errors = False
    return options


class Pattern:
    """One compiled pattern. Where it has a group, the first group is the finding."""

    __slots__ = ("_compiled", "_group", "_match")

    def __init__(self, source: bytes, *, latin: bool = True) -> None:
        try:
            self._compiled: Any = _re2.compile(source, _options(latin))
        except _re2.error as error:
            raise BadPattern(f"The pattern does not compile: {_words(error)}") from None
        self._group = 1 if self._compiled.groups else 0
        # Of the wrapped pattern itself: a match object for each finding costs more than the search for it.
        self._match: Any = self._compiled._regexp.Match

    def spans(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Byte offsets of what is found in `data`, in order."""
        match, group, size = self._match, self._group, len(data)
        place = 0
        while place <= size:
            groups = match(_ANYWHERE, data, place, size)
            start, end = groups[0]
            if start < 0:
                return
            if groups[group][0] >= 0:
                yield groups[group]
            place = end if end > place else place + 1

    def occurs(self, data: bytes) -> bool:
        found: tuple[tuple[int, int], ...] = self._match(_ANYWHERE, data, 0, len(data))
        return found[0][0] >= 0

    def fullmatch(self, data: bytes) -> bool:
        return self._compiled.fullmatch(data) is not None

    def bounded_spans(self, data: bytes) -> Iterator[tuple[int, int]]:
        """As `spans`, for patterns of others: a search is linear, but `a(.*b)?` searches to the end from every place.

        Past a budget the rest is searched in pieces of a kilobyte, where `$` also matches at a piece's end and nothing
        longer than a piece is found.
        """
        place, size, spent = 0, len(data), 0
        while place <= size and spent < _BUDGET:
            match = next(self._compiled.finditer(data, place), None)
            if match is None:
                return
            spent += size - match.start()
            if match.end() > match.start():
                yield match.span(self._group) if match.start(self._group) >= 0 else match.span()
            place = max(match.end(), match.start() + 1)
        for begin in range(place, size, _PIECE - _OVERLAP):
            piece = data[begin : begin + _PIECE]
            for match in self._compiled.finditer(piece):
                if match.end() > match.start():
                    start, end = match.span(self._group) if match.start(self._group) >= 0 else match.span()
                    yield begin + start, begin + end


class Triggers:
    """Learns in one pass which of many patterns occur in a text."""

    def __init__(self, sources: Sequence[bytes]) -> None:
        self._count = len(sources)
        self._set: Any = _re2.Set.SearchSet(_options())
        for source in sources:
            self._set.Add(source)
        self._set.Add(b"")
        self._set.Compile()
        # Of the wrapped set itself, as in `Pattern`.
        self._match: Any = self._set._set.Match

    def hits(self, data: bytes) -> Sequence[int]:
        """Places in `sources` of those that occur, and of all where re2 gives up: the empty pattern always matches."""
        found: list[int] = self._match(data)
        if len(found) < 2:
            return () if found else range(self._count)
        found.sort()
        # The empty pattern is the last.
        return found[:-1]


def own_pattern(source: str) -> Pattern:
    """A project's pattern. Errors: `BadPattern`."""
    pattern = Pattern(source.encode(), latin=False)
    if pattern.fullmatch(b""):
        raise BadPattern("The pattern matches the empty text, so it would match everywhere.")
    return pattern


def in_characters(data: bytes, offsets: Sequence[int]) -> dict[int, int]:
    """Byte offset → character offset for UTF-8 `data`."""
    places: dict[int, int] = {}
    last = characters = 0
    for offset in sorted(set(offsets)):
        piece = data[last:offset]
        characters += len(piece) if piece.isascii() else len(piece.translate(None, _CONTINUATION))
        places[offset] = characters
        last = offset
    return places


def _words(error: Exception) -> str:
    text = error.args[0] if error.args else ""
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
