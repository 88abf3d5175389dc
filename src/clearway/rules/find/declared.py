"""How a value that somebody declared sensitive may come back: as it is, in pieces, or as people write a number."""

import re
from collections.abc import Iterator
from decimal import Decimal

from clearway.rules.find.canonical import canonical
from clearway.rules.find.normal import folded

#: A longer value is looked for in pieces: its sentences and lines, and what has no blank whole.
LONGEST, SHORTEST_PIECE, MOST_PIECES, LONGEST_WORD = 256, 12, 2_000, 16_384
#: They are everywhere, and tell nothing.
ANSWERS = frozenset(("yes", "no", "true", "false", "none", "null", "unknown", "n/a"))
_NUMBER = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?")
_BREAK = re.compile(r"(?<=[.!?;:])\s+|[\r\n]+")
_SWAPPED = str.maketrans(",.", ".,")


def declared_forms(value: str, type_name: str) -> Iterator[tuple[str, str]]:
    """(how it may be written, canonical value). None for what is too short to be told apart from other things: less
    than three characters, or than four in a number."""
    text = folded(value).strip()
    if "<" in text:
        return
    if len(text) > LONGEST:
        for piece in _pieces(text):
            yield piece, piece
    elif len(text) >= 4 or (len(text) == 3 and text.isalnum() and not text.isdecimal()):
        yield text, canonical(type_name, value)
        if _NUMBER.fullmatch(text):
            for spelling in _spellings(text):
                yield spelling, canonical(type_name, value)


def _spellings(text: str) -> Iterator[str]:
    """A number with its thousands apart, in English and on the continent; a whole one with and without `.0`."""
    number = Decimal(text)
    if number == number.to_integral_value() and len(text) >= 4:
        whole = text.split(".", 1)[0]
        if len(whole) >= 4:
            yield whole
        yield f"{whole}.0"
    if abs(number) >= 1000:
        grouped = f"{number:,}"
        yield grouped
        yield grouped.translate(_SWAPPED)


def _pieces(text: str) -> Iterator[str]:
    """At most `MOST_PIECES`. INVARIANT: none ends within a word, for there it would not be found."""
    count = 0
    for sentence in _BREAK.split(text):
        rest = sentence.strip()
        while rest and count < MOST_PIECES:
            cut = len(rest) if len(rest) <= LONGEST else rest.rfind(" ", SHORTEST_PIECE, LONGEST)
            if cut < 0:
                cut = rest.find(" ", LONGEST, LONGEST_WORD)
                cut = min(len(rest), LONGEST_WORD) if cut < 0 else cut
            piece, rest = rest[:cut].strip(), rest[cut:].strip()
            if len(piece) >= SHORTEST_PIECE:
                yield piece
                count += 1
