"""Patterns of `like`: what matches, and which of two says more."""

from functools import cache

#: A pattern of `like`: characters, and None for the wildcard.
Pattern = tuple[str | None, ...]

#: Every text with a colon in it.
WITH_COLON: Pattern = (None, ":", None)

#: Letters that no policy can write: Cedar's texts hold no lone surrogates.
_STRANGE = ("\ud800", "\ud801")


def matches(pattern: Pattern, text: str) -> bool:
    """Whether `text` is `like` the pattern."""
    first, *between = pieces(pattern)
    if not between:
        return text == first
    last = between.pop()
    at, end = len(first), len(text) - len(last)
    if at > end or not text.startswith(first) or not text.endswith(last):
        return False
    for piece in between:  # the leftmost place leaves most room for what follows
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


@cache
def pieces(pattern: Pattern) -> tuple[str, ...]:
    """What stands between the wildcards."""
    found = [""]
    for part in pattern:
        found = [*found, ""] if part is None else [*found[:-1], found[-1] + part]
    return tuple(found)


def filled(pattern: Pattern, filling: str) -> str:
    """A text that matches: `filling` in place of each wildcard."""
    return filling.join(pieces(pattern))


@cache
def includes(whole: Pattern, part: Pattern) -> bool:
    """Whether every text that matches `part` matches `whole`.

    Exact: of a letter that `whole` does not speak of, only its wildcards take notice, and they take any other text too.
    """
    return matches(whole, filled(part, _STRANGE[0]))


@cache
def are_disjoint(one: Pattern, other: Pattern) -> bool:
    """Whether their beginnings or their ends contradict each other: then no text matches both."""
    mine, theirs = pieces(one), pieces(other)
    if len(mine) == 1 or len(theirs) == 1:
        exact, pattern = (mine[0], other) if len(mine) == 1 else (theirs[0], one)
        return not matches(pattern, exact)
    shorter = min(len(mine[0]), len(theirs[0]))
    if mine[0][:shorter] != theirs[0][:shorter]:
        return True
    shorter = min(len(mine[-1]), len(theirs[-1]))
    return shorter > 0 and mine[-1][-shorter:] != theirs[-1][-shorter:]


def exactly(text: str) -> Pattern:
    """The pattern that only this text matches."""
    return tuple(text)
