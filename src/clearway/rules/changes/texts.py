"""A finite set of texts that is enough to tell two sets of policies apart.

Policies see texts through equality and `like` only. So whatever they say of any texts, they say of some from a small
universe: all literals that they name, and of each class of other texts (those that match the same patterns) as many as
there can be different ones in one request. A class that is smaller is there whole.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

#: A pattern of `like`: characters, and None for the wildcard.
Pattern = tuple[str | None, ...]

#: Every text with a colon in it.
WITH_COLON: Pattern = (None, ":", None)

_MOST_STEPS = 400_000
_MOST_TRANSITIONS = 40_000
_NAMES = ("other", "another", "third", "fourth", "fifth", "sixth")


class TooManyClasses(Exception):
    """The patterns cut the texts into more classes than can be walked."""


@dataclass(frozen=True, slots=True)
class Universe:
    """`texts`, different from each other; a text is known by its index. The first `literals` are those given."""

    texts: tuple[str, ...]
    indices: dict[str, int]
    literals: int

    def index(self, text: str) -> int:
        return self.indices[text]

    def matching(self, pattern: Pattern) -> list[int]:
        """The indices of the texts that match, ascending."""
        return [index for index, text in enumerate(self.texts) if matches(pattern, text)]


def universe(literals: Collection[str], patterns: Collection[Pattern], different: int) -> Universe:
    """`different`: how many texts of one class a request can hold at most. Errors: `TooManyClasses`."""
    texts = dict.fromkeys(sorted(literals))
    fresh = _by_class(sorted(set(patterns), key=str), texts, different) if patterns else _names(texts, different)
    found = tuple(dict.fromkeys([*texts, *fresh]))
    return Universe(found, {text: index for index, text in enumerate(found)}, len(texts))


def matches(pattern: Pattern, text: str) -> bool:
    """Whether `text` is `like` the pattern."""
    states = _start(pattern)
    for character in text:
        states = _step(pattern, states, character)
    return bool(states >> len(pattern) & 1)


def _names(taken: Collection[str], count: int) -> list[str]:
    found: list[str] = []
    number = 0
    while len(found) < count:
        name = _NAMES[number] if number < len(_NAMES) else f"other-{number}"
        number += 1
        if name not in taken:
            found.append(name)
    return found


def _by_class(patterns: Sequence[Pattern], literals: Collection[str], different: int) -> Iterator[str]:
    """Of each class the shortest texts that are no literals: `different`, or all of them where there are fewer.

    Walks the product of the patterns' automata, breadth first. A state is left as often as it takes: `different` times,
    and once more for each literal that passes it. Where a text is not walked on, as many others are that lead wherever
    it does, are no longer, and become no literal.
    """
    spoken = sorted({character for pattern in patterns for character in pattern if character is not None} | {":"})
    # Two letters that no pattern speaks of stand for all of those; there are more letters than a policy has room for.
    alphabet = [chr(letter) for letter in range(ord("a"), 0xD800) if chr(letter) not in spoken][:2] + spoken
    automaton = _Product(patterns)
    passing = Counter(state for literal in literals for state in automaton.passed_by(literal))
    walked: Counter[_State] = Counter()
    kept: Counter[tuple[bool, ...]] = Counter()
    todo = deque([("", automaton.start)])
    steps = 0
    while todo:
        text, state = todo.popleft()
        if walked[state] >= different + passing[state]:
            continue
        walked[state] += 1
        accepted = automaton.accepted(state)
        if text not in literals and kept[accepted] < different:
            kept[accepted] += 1
            yield text
        steps += len(alphabet)
        if steps > _MOST_STEPS:
            raise TooManyClasses
        todo.extend((text + character, automaton.step(state, character)) for character in alphabet)


_State = tuple[int, ...]


class _Product:
    """The patterns' automata side by side; each step is worked out once."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = patterns
        self._steps: dict[tuple[_State, str], _State] = {}
        self.start: _State = tuple(_start(pattern) for pattern in patterns)

    def step(self, state: _State, character: str) -> _State:
        reached = self._steps.get((state, character))
        if reached is None:
            if len(self._steps) >= _MOST_TRANSITIONS:
                raise TooManyClasses
            reached = tuple(
                _step(pattern, part, character) for pattern, part in zip(self._patterns, state, strict=True)
            )
            self._steps[state, character] = reached
        return reached

    def accepted(self, state: _State) -> tuple[bool, ...]:
        return tuple(bool(part >> len(pattern) & 1) for pattern, part in zip(self._patterns, state, strict=True))

    def passed_by(self, text: str) -> set[_State]:
        """The states on a text's way."""
        state, passed = self.start, {self.start}
        for character in text:
            # Not remembered: a literal may hold characters that no pattern speaks of.
            state = tuple(_step(pattern, part, character) for pattern, part in zip(self._patterns, state, strict=True))
            passed.add(state)
        return passed


def _start(pattern: Pattern) -> int:
    return _through_wildcards(pattern, 1)


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
