"""What was found, where, and which of two that overlap stands."""

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

#: A pseudonym as `ports.Sealer.token` makes it: type, version 1, base32.
TOKEN = re.compile(r"<[A-Z][A-Z0-9_]{0,63}:1[a-z2-7]{16,64}>")
#: No pseudonym has as many digits in a row (1 in 10^8 would), but a card number dressed up as one does.
_DIGITS = re.compile(r"[0-9]{12}")

#: Beats a longer finding of another kind, because its form or its field leaves no doubt.
CERTAIN = 3
#: Has a checksum, a fixed prefix, or words before it that announce it.
LIKELY = 2
#: Found by a list of given names, or by a loose form.
LOOSE = 1


@dataclass(slots=True, unsafe_hash=True)
class Found:
    """Characters `start` to `end` of the text are a `type` (`CARD`, `PERSON` …).

    `value` is the canonical form that the token is made of; it is kept out of `repr`, and so out of logs.
    INVARIANT: nobody changes one once it is made. Not frozen, for that makes the making of it twice as slow.
    """

    start: int
    end: int
    type: str
    value: str = field(repr=False, default="")
    weight: int = field(repr=False, compare=False, default=LIKELY)


def is_token(text: str) -> bool:
    """Whether `text` is one pseudonym and nothing else."""
    return text.startswith("<") and TOKEN.fullmatch(text) is not None and _DIGITS.search(text) is None


def token_places(text: str) -> list[tuple[int, int]]:
    """(start, end) of the pseudonyms in `text`, in order."""
    if "<" not in text:
        return []
    return [match.span() for match in TOKEN.finditer(text) if _DIGITS.search(match.group()) is None]


def without_tokens(text: str) -> str:
    """`text` with something for each pseudonym that no field's value looks like, however long: what a field's name said
    nothing about before its text was tokenized, it says nothing about afterwards."""
    return TOKEN.sub("<" * 600, text) if "<" in text else text


def settle(found: Iterable[Found], text: str) -> list[Found]:
    """`found` without overlaps, in order: heavier first, then longer, then earlier. Pseudonyms are left alone."""
    tokens = token_places(text)
    by_place: dict[tuple[int, int], Found] = {}
    for one in found:
        place = one.start, one.end
        other = by_place.setdefault(place, one)
        if other is not one and (-one.weight, one.type) < (-other.weight, other.type):
            by_place[place] = one
    candidates = [by_place[place] for place in sorted(by_place) if place[1] > place[0]]
    if tokens:
        candidates = [one for one in candidates if not _only_tokens(one, tokens, text)]
    if all([one.end <= following.start for one, following in pairwise(candidates)]):
        return candidates
    candidates.sort(key=lambda one: (-one.weight, one.start - one.end, one.start))
    taken: list[Found] = []
    occupied = bytearray(len(text))
    for one in candidates:
        free = occupied.find(1, one.start, one.end) < 0
        if free:
            occupied[one.start : one.end] = b"\1" * (one.end - one.start)
            taken.append(one)
        else:
            taken.extend(_left_over(one, occupied, text))
    taken.sort(key=lambda one: one.start)
    return taken


def _left_over(one: Found, occupied: bytearray, text: str) -> list[Found]:
    """INVARIANT: what any detector found is covered, also where a heavier finding takes a part of it."""
    pieces: list[Found] = []
    place = one.start
    while place < one.end:
        begin = occupied.find(0, place, one.end)
        if begin < 0:
            break
        stop = occupied.find(1, begin, one.end)
        stop = one.end if stop < 0 else stop
        piece = text[begin:stop]
        if sum(map(str.isalnum, piece)) >= 3:
            pieces.append(Found(begin, stop, one.type, piece.strip(), one.weight))
            occupied[begin:stop] = b"\1" * (stop - begin)
        place = stop
    return pieces


def _only_tokens(one: Found, tokens: list[tuple[int, int]], text: str) -> bool:
    """Whether nothing but pseudonyms would be covered, or only a part of one."""
    place, kept = one.start, False
    for at in range(max(0, bisect_left(tokens, (one.start, 0)) - 1), len(tokens)):
        start, end = tokens[at]
        if end <= one.start:
            continue
        if start >= one.end:
            break
        if start < one.start or end > one.end:
            return True
        kept = kept or any(map(str.isalnum, text[place:start]))
        place = end
    return place > one.start and not (kept or any(map(str.isalnum, text[place : one.end])))
