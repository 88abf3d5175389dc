"""What was seen: in texts, wherever it stands; in records, field by field."""

import itertools
from dataclasses import dataclass, field
from typing import TypeVar

from clearway.rules.provenance.atoms import Cut, compact, is_specific, without_year, words_of

#: Of a run and kind; an entry takes about 150 bytes.
MOST_ENTRIES = 200_000
#: A field with more atoms is a text, not a value.
LONGEST_FIELD = 32
#: Sources that are remembered of one value.
MOST_SOURCES = 4
#: Fields that a part of an argument is compared with are no longer.
_LONGEST_PART = 8
_JOIN = "\x1e"

K = TypeVar("K", str, int)

#: For each atom of a value the numbers of the sources in which it was seen; () where in none.
Covered = list[tuple[int, ...]]


@dataclass(slots=True)
class Mentions:
    """What texts mention: `atoms` and `pairs` of neighbours → the numbers of their sources.

    `overflowed`: something was dropped, as it was too much. Pairs are kept by their hash: two that share one (2⁻⁶⁴, by
    a seed that nobody outside knows) count as one.
    """

    atoms: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    pairs: dict[int, tuple[int, ...]] = field(default_factory=dict[int, tuple[int, ...]])
    overflowed: bool = False

    def add(self, cut: Cut, source: int, *, days_are_numbers: bool = True) -> None:
        """`days_are_numbers`: whether "June 13" mentions a 13, too."""
        if len(self.atoms) + len(self.pairs) + 2 * len(cut.atoms) > MOST_ENTRIES:
            self.overflowed = True
            return
        before = ""
        days = () if days_are_numbers else cut.of_days()
        for place, atom in enumerate(cut.atoms):
            if place not in days:
                _note(self.atoms, atom, source)
            if before:
                _note(self.pairs, hash((before, atom)), source)
            before = atom
            other = compact(atom)
            if other is not None:
                _note(self.atoms, other, source)
            for pair in _pairs(words_of(atom)):
                _note(self.pairs, hash(pair), source)
        for atom in (*(atom for _, _, atom in cut.readings), *filter(is_specific, cut.perhaps)):
            _note(self.atoms, atom, source)

    def covered(self, cut: Cut, *, by_single_words: bool) -> Covered:
        """An atom counts as seen together with a neighbour; by itself if it is specific (`by_single_words`: any)."""
        if not self.atoms:
            return [()] * len(cut.atoms)
        found = [self._alone(atom, by_single_words) for atom in cut.atoms]
        for place, pair in enumerate(_pairs(cut.atoms)):
            sources = self.pairs.get(hash(pair))
            if sources is not None:
                found[place : place + 2] = [found[place] or sources, found[place + 1] or sources]
        for start, end, atom in cut.readings:
            sources = self.atoms.get(atom)
            if sources is not None:
                found[start:end] = [sources] * (end - start)
        return found

    def runs(self, cut: Cut, at_least: int) -> list[tuple[int, ...]]:
        """The sources of each stretch of so many atoms or more that is written as it stands somewhere: of its pairs."""
        found: list[tuple[int, ...]] = []
        run: list[tuple[int, ...]] = []
        for pair in [*_pairs(cut.atoms), ("", "")]:
            sources = self.pairs.get(hash(pair))
            if sources is not None:
                run.append(sources)
                continue
            if len(run) + 1 >= at_least:
                found.append(tuple({number for one in run for number in one}))
            run = []
        return found

    def _alone(self, atom: str, by_single_words: bool) -> tuple[int, ...]:
        if by_single_words or is_specific(atom):
            for reading in (atom, compact(atom), without_year(atom)):
                if reading is not None and reading in self.atoms:
                    return self.atoms[reading]
        sources = [self.pairs.get(hash(pair), ()) for pair in _pairs(words_of(atom))]
        return sources[0] if sources and all(sources) else ()


@dataclass(slots=True)
class Records:
    """Values of trusted fields → the numbers of their sources. `firsts`: the first atoms of these values.

    INVARIANT: a field vouches for its value as a whole, never for a word that somebody wrote into it.
    """

    values: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    firsts: set[str] = field(default_factory=set[str])

    def add(self, cut: Cut, source: int) -> None:
        if 0 < len(cut.atoms) <= LONGEST_FIELD and len(self.values) < MOST_ENTRIES:
            for value in (whole(cut), *_as_one(cut)):
                _note(self.values, value, source)
                self.firsts.add(value.partition(_JOIN)[0])

    def covered(self, cut: Cut) -> Covered:
        """An atom counts as seen where the whole value, or a part of several neighbours, is a field's value."""
        if len(cut.atoms) <= LONGEST_FIELD:
            for value in (whole(cut), *_as_one(cut)):
                if value in self.values:
                    return [self.values[value]] * len(cut.atoms)
        found: Covered = [()] * len(cut.atoms)
        for start, first in enumerate(cut.atoms):
            if first not in self.firsts:
                continue
            for end in range(min(start + _LONGEST_PART, len(cut.atoms)), start, -1):
                sources = self.values.get(_JOIN.join(cut.atoms[start:end]))
                if sources is not None:
                    found[start:end] = [sources] * (end - start)
                    break
        return found


def whole(cut: Cut) -> str:
    """What tells a value as a whole."""
    return _JOIN.join(cut.atoms)


def _note(seen: dict[K, tuple[int, ...]], key: K, source: int) -> None:
    sources = seen.get(key)
    if sources is None:
        seen[key] = (source,)
    elif sources[-1] != source and len(sources) < MOST_SOURCES and source not in sources:
        seen[key] = (*sources, source)


def _as_one(cut: Cut) -> list[str]:
    """Other writings of a value that is one: an account number in groups, a day in words."""
    found = [atom for start, end, atom in cut.readings if end - start == len(cut.atoms)]
    other = compact(cut.atoms[0]) if len(cut.atoms) == 1 else None
    return found if other is None else [*found, other]


def _pairs(atoms: list[str]) -> list[tuple[str, str]]:
    return list(itertools.pairwise(atoms))
