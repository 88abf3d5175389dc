"""What one run knows: the values that its fields have shown, to be found again in its free texts.

A name out of `first_name` is found where somebody writes it, whole or in part; a date of birth also in other spellings.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from clearway.rules.find.canonical import canonical
from clearway.rules.find.dictionary import Dictionary
from clearway.rules.find.found import CERTAIN, LIKELY, Found, is_token
from clearway.rules.find.given import ALSO_WORDS, GIVEN, NOT_FAMILY, NOT_NAMES, PARTICLES
from clearway.rules.find.normal import fold
from clearway.rules.find.values import GENERIC

SHORTEST, LONGEST = 2, 256
#: Characters of leaves that a run remembers with what became of them; then it starts anew.
CACHE_CHARS = 16_000_000
#: Too short or too common to be looked for elsewhere, though their field is replaced.
_NOT_PROPAGATED = frozenset(("AGE", "TRAIT", "GEO", "CARD_CODE", "CARD_EXPIRY", "PIN", "LOCATION"))
_MONTHS = "January February March April May June July August September October November December".split()
_WORD = re.compile(r"[^\W\d_][\w'-]*")
_SMALL_MERGE = 64


class _Word(NamedTuple):
    """`capital`: counts only where the text writes it with a capital letter, because it is also a word."""

    type: str
    value: str
    capital: bool
    weight: int


@dataclass(slots=True)
class Leaf:
    """What became of a text, when the run knew `version` words."""

    version: int
    result: str
    found: tuple[Found, ...] = field(repr=False, default=())


class RunMemory:
    """One run's dictionary, its leaf cache and its tokens. Not shared between runs, nor between threads.

    `version` grows with every word learned.
    """

    def __init__(self) -> None:
        self.leaves: dict[str, Leaf] = {}
        self._leaf_chars = 0
        self._words: dict[str, int] = {}
        self._meanings: list[_Word] = []
        self._order: list[str] = []
        self._old, self._old_size = Dictionary({}), 0
        self._new, self._new_size = Dictionary({}), 0
        self._tokens: dict[tuple[str, str], str] = {}
        self._seen: set[tuple[str, str, bool]] = set()

    @property
    def version(self) -> int:
        return len(self._order)

    def learn(self, value: str, type_name: str, *, sure: bool = True) -> None:
        """Remembers a value of a field (`sure`), or one that its context has told. Pseudonyms are not learned."""
        if (value, type_name, sure) in self._seen:
            return
        self._seen.add((value, type_name, sure))
        text = fold(value[: LONGEST * 2]).text.strip() if len(value) <= LONGEST * 2 else ""
        if len(text) < 3 and type_name != "PERSON":
            return
        if not SHORTEST <= len(text) <= LONGEST or type_name in _NOT_PROPAGATED or is_token(text) or "<" in text:
            return
        weight = CERTAIN if sure else LIKELY
        for form, meaning, capital in _forms(text, type_name):
            self._add(form, _Word(type_name if form == text else meaning[0], meaning[1], capital, weight))

    def knows(self, text: str) -> tuple[str, str] | None:
        """(type, canonical value) where `text` as a whole is a known value."""
        number = self._words.get(_lower(text))
        return None if number is None else (self._meanings[number].type, self._meanings[number].value)

    def touches(self, text: str, since: int) -> bool:
        """Whether a word learned after `since` may be in `text`."""
        low = _lower(text if text.isascii() and "%" not in text and "\\" not in text else fold(text).text)
        return any(word in low for word in self._order[since:])

    def occurrences(self, text: str) -> Iterator[Found]:
        """Every known value in a folded `text`, overlaps too."""
        if not self._order:
            return
        self._build()
        low = _lower(text)
        small: list[Found] = []
        starts, ends = set[int](), set[int]()
        for dictionary in (self._old, self._new):
            for start, end, number in dictionary.occurrences(low):
                if not _bounded(low, start, end):
                    continue
                word = self._meanings[number]
                one = Found(start, end, word.type, word.value, word.weight)
                if word.type == "PERSON":
                    starts.add(start)
                    ends.add(end)
                if word.capital and not (text[start].isupper() and (end - start > 4 or not text[start:end].isupper())):
                    small.append(one)
                else:
                    yield one
        # "noah lee" in small letters: two names side by side are no longer doubtful.
        yield from (one for one in small if one.end + 1 in starts or one.start - 1 in ends)

    def token(self, type_name: str, value: str, make: Callable[[str, str], str]) -> str:
        """The pseudonym of a canonical value; made once a run."""
        known = self._tokens.get((type_name, value))
        if known is None:
            known = self._tokens[type_name, value] = make(value, type_name)
        return known

    def keep(self, text: str, leaf: Leaf) -> None:
        self._leaf_chars += len(text)
        if self._leaf_chars > CACHE_CHARS:
            self.leaves.clear()
            self._leaf_chars = len(text)
        self.leaves[text] = leaf

    def _add(self, form: str, word: _Word) -> None:
        low = _lower(form)
        number = self._words.get(low)
        if number is None:
            self._words[low] = len(self._meanings)
            self._meanings.append(word)
            self._order.append(low)
        elif self._meanings[number].capital and not word.capital:
            # Learned as a field's whole value now; texts seen since have to be looked at again.
            self._meanings[number] = self._meanings[number]._replace(capital=False)
            self._order.append(low)

    def _build(self) -> None:
        """Two automata, so that learning word after word doesn't rebuild all of them each time."""
        total = len(self._meanings)
        if self._new_size == total:
            return
        words = list(self._words)
        if total - self._old_size > max(_SMALL_MERGE, self._old_size // 2):
            self._old, self._old_size = Dictionary({word: number for number, word in enumerate(words)}), total
            self._new = Dictionary({})
        else:
            later = range(self._old_size, total)
            self._new = Dictionary({words[number]: number for number in later})
        self._new_size = total


def _lower(text: str) -> str:
    """Lower case with every character in its place."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(char.lower() if len(char.lower()) == 1 else char for char in text)


def _bounded(low: str, start: int, end: int) -> bool:
    """Whether a value stands by itself, not within a longer word or number."""
    if start:
        left = low[start - 1]
        if left.isalnum() and low[start].isalnum():
            return False
        if left in ".," and low[start].isdigit() and start > 1 and low[start - 2].isdigit():
            return False
    if end < len(low):
        right = low[end]
        if right.isalnum() and low[end - 1].isalnum():
            return False
        if right in ".," and low[end - 1].isdigit() and low[end + 1 : end + 2].isdigit():
            return False
    return True


def _forms(text: str, type_name: str) -> Iterator[tuple[str, tuple[str, str], bool]]:
    """(how it may be written, (type, canonical value), whether only with a capital letter)."""
    whole = (type_name, canonical(type_name, text))
    if type_name == "PERSON":
        yield from _names(text)
        return
    if type_name == "ADDRESS" and text.isalpha():
        return
    if len(text) >= 4 or (text.isalnum() and not text.isdecimal()):
        yield text, whole, False
    if type_name in ("USERNAME", "EMAIL"):
        yield from _names_in_handle(text)
    elif type_name == "DOB":
        for spelling in _spellings(text):
            yield spelling, whole, False
    elif type_name == "ADDRESS" and "," in text:
        street = text.split(",", 1)[0].strip()
        if any(map(str.isdigit, street)) and any(map(str.isalpha, street)) and len(street) >= 8:
            yield street, ("ADDRESS", " ".join(street.split())), False


def _names(text: str) -> Iterator[tuple[str, tuple[str, str], bool]]:
    """A name, and those of its parts that stand for the person."""
    parts = [part for part in re.split(r"[\s,]+", text) if part.strip(".").lower() not in PARTICLES]
    if len(parts) > 1:
        yield text, ("PERSON", " ".join(text.split())), False
    for part in parts:
        word = part.strip(".'\"()")
        low = word.lower()
        if len(word) < 2 or not _WORD.fullmatch(word) or low in NOT_FAMILY or (len(parts) > 1 and low in NOT_NAMES):
            continue
        if len(word) >= 3 or len(parts) <= 2:
            ambiguous = len(word) < 5 or low in ALSO_WORDS or (len(parts) == 1 and low in NOT_NAMES)
            yield word, ("PERSON", word), ambiguous


def _names_in_handle(text: str) -> Iterator[tuple[str, tuple[str, str], bool]]:
    """`chen_lee_6825` tells two names, if they look like a person's."""
    parts = [part for part in re.split(r"[._\d+-]+", text.split("@", 1)[0]) if part]
    if not 2 <= len(parts) <= 3 or GENERIC & {part.lower() for part in parts}:
        return
    if not any(part.lower() in GIVEN for part in parts):
        return
    for part in parts:
        if part.isalpha() and len(part) >= 2 and part.lower() not in NOT_NAMES:
            yield part, ("PERSON", part.capitalize()), True


def _spellings(text: str) -> Iterator[str]:
    """Other ways to write a date: ISO, American, European, in words."""
    match = re.fullmatch(r"(\d{4})[-/.](\d\d?)[-/.](\d\d?)", text)
    if match:
        year, month, day = map(int, match.groups())
    else:
        match = re.fullmatch(r"(\d\d?)[-/.](\d\d?)[-/.](\d{4})", text)
        if not match:
            return
        month, day, year = map(int, match.groups())
        if month > 12:
            month, day = day, month
    try:
        when = date(year, month, day)
    except ValueError:
        return
    name = _MONTHS[when.month - 1]
    suffix = "th" if 11 <= when.day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(when.day % 10, "th")
    yield when.isoformat()
    for month_name in (name, name[:3]):
        yield f"{month_name} {when.day}, {when.year}"
        yield f"{month_name} {when.day}{suffix}, {when.year}"
        yield f"{when.day} {month_name} {when.year}"
    for sign in "/-.":
        for first, second in ((when.month, when.day), (when.day, when.month)):
            yield f"{first}{sign}{second}{sign}{when.year}"
            yield f"{first:02}{sign}{second:02}{sign}{when.year}"
