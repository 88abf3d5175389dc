"""A text that matches some patterns and none of others, or the few of them that contradict each other.

A text is looked for by walking the product of the patterns' automata, those nearest to the end first. Patterns join the
product only once a text was found without them of which they say otherwise: of many patterns few contradict each other.
"""

import heapq
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from clearway.rules.changes.patterns import Pattern, are_disjoint, exactly, filled, includes, matches

#: How many transitions are tried for one text.
_MOST_STEPS = 60_000
_MOST_PAIRS = 200
_NAMES = ("other", "another", "third", "fourth", "fifth", "sixth")


class TooHard(Exception):
    """Whether there is such a text was not found out in the steps that are spent on it."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """No text that is free to use matches all of `matching` and none of `others`. `taken`: texts that do, and that are
    in use by other values of the same request; without them there is one."""

    matching: frozenset[Pattern]
    others: frozenset[Pattern]
    taken: frozenset[str] = frozenset()


def contradicting_pairs(matching: Collection[Pattern], others: Collection[Pattern]) -> Iterator[Contradiction]:
    """Those that two patterns make by themselves, the first two hundred."""
    found = 0
    wanted = sorted(matching, key=str)
    for number, one in enumerate(wanted):
        pairs = [
            *(Contradiction(frozenset({one}), frozenset({no})) for no in others if includes(no, one)),
            *(Contradiction(frozenset({one, two}), frozenset()) for two in wanted[:number] if are_disjoint(one, two)),
        ]
        yield from pairs
        found += len(pairs)
        if found >= _MOST_PAIRS:
            return


def text_or_contradiction(
    matching: Collection[Pattern], others: Collection[Pattern], literals: Collection[str], taken: Collection[str]
) -> str | Contradiction:
    """A text that is none of `literals` and not `taken`. Errors: `TooHard`."""
    wanted, unwanted = sorted(matching, key=_freedom), sorted(others, key=str)
    for text in _guesses(wanted):
        if text not in literals and text not in taken and _fits(text, wanted, unwanted):
            return text
    yes: list[Pattern] = []
    no: list[Pattern] = []
    used: list[str] = []
    while True:
        text = _found(yes, [*no, *map(exactly, used)])
        if text is None:
            return _least(yes, no, literals, taken)
        if (caught := next((one for one in unwanted if matches(one, text)), None)) is not None:
            no.append(caught)
        elif (missed := next((one for one in wanted if not matches(one, text)), None)) is not None:
            yes.append(missed)
        elif text in literals or text in taken:
            used.append(text)
        else:
            return text


def names(unusable: Collection[str]) -> Iterator[str]:
    """Readable texts of which nothing is asked."""
    for number in count():
        name = _NAMES[number] if number < len(_NAMES) else f"other-{number}"
        if name not in unusable:
            yield name


def _freedom(pattern: Pattern) -> tuple[int, str]:
    """Patterns that are bound to the beginning or the end come first: they contradict each other sooner."""
    return sum(part is None for part in (pattern[:1] + pattern[-1:])), str(pattern)


def _fits(text: str, matching: Iterable[Pattern], others: Iterable[Pattern]) -> bool:
    return all(matches(one, text) for one in matching) and not any(matches(one, text) for one in others)


def _guesses(matching: Sequence[Pattern]) -> Iterator[str]:
    """Texts that are readable, and often fit."""
    yield from _NAMES
    for filling in ("", *_NAMES):
        for one in matching:
            yield filled(one, filling)
    yield "".join(filled(one, "") for one in matching)
    for filling in _NAMES:
        yield filling.join(filled(one, "") for one in matching)


def _least(yes: list[Pattern], no: list[Pattern], literals: Collection[str], taken: Collection[str]) -> Contradiction:
    """A part of the contradiction of which nothing can be left out, as far as that is found out cheaply."""
    for some in (yes, no):
        for one in list(some):
            some.remove(one)
            if _all_of(yes, no, (literals, taken)) is None:
                some.append(one)
    used = _all_of(yes, no, (literals, taken))
    in_use = taken if used is None else [text for text in used if text not in literals]
    return Contradiction(frozenset(yes), frozenset(no), frozenset(in_use))


def _all_of(yes: Sequence[Pattern], no: Sequence[Pattern], unusable: Sequence[Collection[str]]) -> list[str] | None:
    """All texts that fit, where none of them is free to use; None where one is, or that was not found out."""
    used: list[str] = []
    try:
        while (text := _found(yes, [*no, *map(exactly, used)])) is not None:
            if not any(text in some for some in unusable):
                return None
            used.append(text)
    except TooHard:
        return None
    return used


#: The positions in each pattern, as bits.
_State = tuple[int, ...]
#: Of a pattern: every text that goes on from here matches; none does.
_ALL, _NONE = -1, 0


def _found(yes: Sequence[Pattern], no: Sequence[Pattern]) -> str | None:
    """A short text that matches all of `yes` and none of `no`; None where there is none. Errors: `TooHard`."""
    walk = _Walk([*yes, *no], len(yes))
    start = tuple(_through_wildcards(pattern, 1) for pattern in walk.patterns)
    state = walk.known(start)
    if state is None:
        return None
    order = count()
    todo = [(walk.ahead(state), next(order), "", state)]
    seen = {state}
    steps = 0
    while todo:
        _, _, text, state = heapq.heappop(todo)
        if walk.accepts(state):
            return text
        for character in walk.alphabet(state):
            steps += 1
            reached = walk.step(state, character)
            if reached is not None and reached not in seen:
                seen.add(reached)
                further = text + character
                heapq.heappush(todo, (len(further) + walk.ahead(reached), next(order), further, reached))
        if steps > _MOST_STEPS:
            raise TooHard
    return None


class _Walk:
    """The automata side by side: the first `wanted` have to accept, the others must not."""

    def __init__(self, patterns: Sequence[Pattern], wanted: int) -> None:
        self.patterns, self._wanted = patterns, wanted
        spoken = {character for pattern in patterns for character in pattern if character is not None}
        # Stands for every letter that no pattern speaks of, or waits for at a place: they all lead to the same state.
        self._other = next(chr(letter) for letter in range(ord("a"), 0xD800) if chr(letter) not in spoken)
        self._own: dict[tuple[int, int, str], int] = {}

    def alphabet(self, state: _State) -> list[str]:
        waiting = {
            character
            for pattern, part in zip(self.patterns, state, strict=True)
            if part > 0
            for place, character in enumerate(pattern)
            if character is not None and part >> place & 1
        }
        return [*sorted(waiting), self._other]

    def step(self, state: _State, character: str) -> _State | None:
        reached: list[int] = []
        for number, part in enumerate(state):
            if part in (_ALL, _NONE):
                reached.append(part)
                continue
            after = self._own.get((number, part, character))
            if after is None:
                after = self._own[number, part, character] = _step(self.patterns[number], part, character)
            reached.append(after)
        return self.known(tuple(reached))

    def known(self, state: _State) -> _State | None:
        """The state without what no longer matters; None where it leads nowhere."""
        kept: list[int] = []
        for number, part in enumerate(state):
            pattern = self.patterns[number]
            decided = _ALL if pattern and pattern[-1] is None and part >> len(pattern) & 1 else part
            if decided == (_NONE if number < self._wanted else _ALL):
                return None
            kept.append(decided)
        return tuple(kept)

    def accepts(self, state: _State) -> bool:
        return all(
            (part == _ALL or part >> len(pattern) & 1 == 1) is (number < self._wanted)
            for number, (pattern, part) in enumerate(zip(self.patterns, state, strict=True))
        )

    def ahead(self, state: _State) -> int:
        """How many letters the wanted patterns still wait for, all together."""
        parts = zip(self.patterns[: self._wanted], state, strict=False)
        return sum(_letters_after(pattern, part.bit_length() - 1) for pattern, part in parts if part != _ALL)


def _letters_after(pattern: Pattern, place: int) -> int:
    return sum(part is not None for part in pattern[place:])


def _step(pattern: Pattern, states: int, character: str) -> int:
    """The positions reached, as bits: bit n stands before the pattern's n-th part."""
    reached = 0
    for position, part in enumerate(pattern):
        if states >> position & 1:
            if part is None:
                reached |= 1 << position
            elif part == character:
                reached |= 1 << position + 1
    return _through_wildcards(pattern, reached)


def _through_wildcards(pattern: Pattern, states: int) -> int:
    for position, part in enumerate(pattern):
        if part is None and states >> position & 1:
            states |= 1 << position + 1
    return states
