"""The words just before and after a place, which tell an order number from a phone number."""

import re
from collections.abc import Iterable

BEFORE, AFTER = 40, 16
#: A field's border in JSON text, a leaf's border in joined text, or a sentence's end: what stands beyond says nothing.
_BORDER = re.compile(r"[\x00{}\[\]]|,\s?\"|[.?!]\s+(?=[A-Z])")
_WORD = re.compile(r"[^\W\d_]+")
_LONGEST_GLUED = 12


def before(text: str, start: int) -> str:
    piece = text[max(0, start - BEFORE) : start]
    last = None
    for border in _BORDER.finditer(piece):
        last = border
    return piece[last.end() :] if last else piece


def after(text: str, end: int) -> str:
    piece = text[end : end + AFTER]
    border = _BORDER.search(piece)
    return piece[: border.start()] if border else piece


def words_of(piece: str) -> list[str]:
    """The words of a piece of text in small letters, in order."""
    return _WORD.findall(piece.lower())


def says(piece: str, stems: Iterable[str], whole: frozenset[str] = frozenset()) -> bool:
    """Whether one of `stems` is in the piece, also within a word (`phone` in `contactPhone`), or a word of `whole`."""
    low = piece.lower()
    # Asked very often, and any() of a generator takes twice as long.
    for stem in stems:
        if stem in low:
            return True
    return bool(whole) and not whole.isdisjoint(_WORD.findall(low))


def telling(stems: Iterable[str], whole: Iterable[str]) -> bytes:
    """A pattern over UTF-8 that occurs in every text in whose pieces `says` finds one of these."""
    words = "|".join(sorted(whole))
    return f"(?i:{'|'.join(sorted(stems))})|(?:^|[^A-Za-z])(?i:{words})(?:[^A-Za-z]|$)".encode()


def stands_alone(text: str, start: int, end: int, glued: tuple[str, ...] = ()) -> bool:
    """Whether no letter or digit touches the place: what is found is not the middle of something longer. Words that end
    like one of `glued` may touch its beginning (`card4111…`, `myPhone+49…`): they announce it."""
    if end < len(text) and text[end].isalnum():
        return False
    if not start or not text[start - 1].isalnum():
        return True
    return bool(glued) and text[max(0, start - _LONGEST_GLUED) : start].lower().endswith(glued)
