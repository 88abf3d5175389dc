"""A finite set of texts that is enough to tell two sets of policies apart.

Policies see texts through equality and `like` only. So whatever they say of any texts, they say of some from a small
universe: all literals that they name, and of each class of other texts (those that match the same patterns) as many as
there can be different ones in one request. A class that is smaller is there whole.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

#: A pattern of `like`: characters, and None for the wildcard.
Pattern = tuple[str | None, ...]

#: Every text with a colon in it.
WITH_COLON: Pattern = (None, ":", None)

_MOST_STEPS = 400_000
_MOST_TRANSITIONS = 40_000
_MOST_SAMPLED = 1_500
_NAMES = ("other", "another", "third", "fourth", "fifth", "sixth")


class TooManyClasses(Exception):
    """The patterns cut the texts into more classes than can be walked."""


@dataclass(frozen=True, slots=True)
class Universe:
    """`texts`, different from each other; a text is known by its index. The first `literals` are those given.
    `is_whole`: whether it is enough for a proof, and not only for finding what there is."""

    texts: tuple[str, ...]
    indices: dict[str, int]
    literals: int
    is_whole: bool = True
    _matching: dict[Pattern, list[int]] = field(default_factory=dict[Pattern, list[int]], compare=False)

    def index(self, text: str) -> int:
        return self.indices[text]

    def matching(self, pattern: Pattern) -> list[int]:
        """The indices of the texts that match, ascending. Worked out once: many policies share a pattern."""
        found = self._matching.get(pattern)
        if found is None:
            found = self._matching[pattern] = [n for n, text in enumerate(self.texts) if matches(pattern, text)]
        return found


def universe(literals: Collection[str], patterns: Collection[Pattern], different: int) -> Universe:
    """`different`: how many texts of one class a request can hold at most. Errors: `TooManyClasses`."""
    texts = dict.fromkeys(sorted(literals))
    fresh = _by_class(sorted(set(patterns), key=str), texts, different) if patterns else _names(texts, different)
    found = tuple(dict.fromkeys([*texts, *fresh]))
    return Universe(found, {text: index for index, text in enumerate(found)}, len(texts))


def sampled(literals: Collection[str], patterns: Collection[Pattern], different: int) -> Universe:
    """Where the classes are too many to be walked: texts of many of them, of those that match one pattern, two, and all
    but one."""
    texts = dict.fromkeys(sorted(literals))
    ordered = sorted(set(patterns), key=str)
    spoken = {character for pattern in ordered for character in pattern if character is not None}
    filling = next(chr(letter) for letter in range(ord("q"), 0xD800) if chr(letter) not in spoken)
    kept: Counter[tuple[bool, ...]] = Counter()
    found = dict.fromkeys(texts)
    for text in _combined(ordered, filling, different):
        accepted = tuple(matches(pattern, text) for pattern in ordered)
        if text not in found and kept[accepted] < different:
            kept[accepted] += 1
            found[text] = None
        if len(found) >= len(texts) + _MOST_SAMPLED:
            break
    whole = tuple(found)
    return Universe(whole, {text: index for index, text in enumerate(whole)}, len(texts), is_whole=False)


def _combined(patterns: Sequence[Pattern], filling: str, different: int) -> Iterator[str]:
    cores = ["".join(_pieces(pattern)) for pattern in patterns]
    for more in range(different):
        extra = filling * more
        yield extra
        yield from (_filled(pattern, extra) for pattern in patterns)
        for left_out in range(-1, len(cores)):
            yield extra + "".join(core for number, core in enumerate(cores) if number != left_out)
        for pattern in patterns:
            yield from (_filled(pattern, core + extra) for core in cores)


def _filled(pattern: Pattern, inner: str) -> str:
    """A text that matches, with `inner` in place of the first wildcard."""
    first, *others = _pieces(pattern)
    return first + inner + "".join(others) if others else first


def matches(pattern: Pattern, text: str) -> bool:
    """Whether `text` is `like` the pattern."""
    first, *between = _pieces(pattern)
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
def _pieces(pattern: Pattern) -> tuple[str, ...]:
    """What stands between the wildcards."""
    found = [""]
    for part in pattern:
        found = [*found, ""] if part is None else [*found[:-1], found[-1] + part]
    return tuple(found)


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
    # They also stand for every letter that no pattern waits for at a place: it leads wherever they do.
    others = [chr(letter) for letter in range(ord("a"), 0xD800) if chr(letter) not in spoken][:2]
    automaton = _Product(patterns)
    passing = Counter(state for literal in literals for state in automaton.passed_by(literal))
    walked: Counter[_State] = Counter()
    kept: Counter[tuple[int, ...]] = Counter()
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
        alphabet = [*others, *automaton.awaited(state)]
        steps += len(alphabet)
        if steps > _MOST_STEPS:
            raise TooManyClasses
        todo.extend((text + character, automaton.step(state, character)) for character in alphabet)


#: (pattern, the positions in it, as bits) of each pattern that some text from here on may still match.
_State = tuple[tuple[int, int], ...]


class _Product:
    """The patterns' automata side by side; each step is worked out once."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = patterns
        self._steps: dict[tuple[_State, str], _State] = {}
        self._own: dict[tuple[int, int, str], int] = {}
        self._next: dict[_State, list[str]] = {}
        self.start: _State = tuple((number, _start(pattern)) for number, pattern in enumerate(patterns))

    def step(self, state: _State, character: str) -> _State:
        reached = self._steps.get((state, character))
        if reached is None:
            if len(self._steps) >= _MOST_TRANSITIONS:
                raise TooManyClasses
            reached = self._steps[state, character] = self._reached(state, character)
        return reached

    def awaited(self, state: _State) -> list[str]:
        """The characters that take some pattern a place further, sorted."""
        found = self._next.get(state)
        if found is None:
            parts = ((self._patterns[number], part) for number, part in state)
            waiting = {c for pattern, part in parts for n, c in enumerate(pattern) if c is not None and part >> n & 1}
            found = self._next[state] = sorted(waiting)
        return found

    def accepted(self, state: _State) -> tuple[int, ...]:
        return tuple(number for number, part in state if part >> len(self._patterns[number]) & 1)

    def passed_by(self, text: str) -> set[_State]:
        """The states on a text's way."""
        state, passed = self.start, {self.start}
        for character in text:
            # Not remembered as a whole: a literal may hold characters that no pattern speaks of.
            state = self._reached(state, character)
            passed.add(state)
        return passed

    def _reached(self, state: _State, character: str) -> _State:
        """Patterns that nothing matches any more are left out: of many prefixes, all but a few after some letters."""
        own = self._own
        found: list[tuple[int, int]] = []
        for number, part in state:
            after = own.get((number, part, character))
            if after is None:
                after = own[number, part, character] = _step(self._patterns[number], part, character)
            if after:
                found.append((number, after))
        return tuple(found)


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
