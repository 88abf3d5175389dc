"""What one run knows: the values that its fields have shown, to be found again in its free texts.

A name out of `first_name` is found where somebody writes it, whole or in part; a date of birth also in other spellings.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from clearway.rules.find.dictionary import Dictionary
from clearway.rules.find.forms import forms_of
from clearway.rules.find.found import CERTAIN, LIKELY, Found, is_token
from clearway.rules.find.normal import folded
from clearway.rules.find.words import all_words, head_of, lower, readable

SHORTEST, LONGEST = 2, 256
#: Characters of leaves that a run remembers with what became of them; then it starts anew.
CACHE_CHARS = 16_000_000
#: Too short or too common to be looked for elsewhere, though their field is replaced.
_NOT_PROPAGATED = frozenset(("AGE", "TRAIT", "GEO", "CARD_CODE", "CARD_EXPIRY", "PIN", "LOCATION"))
_SMALL_MERGE = 64
#: So few words are searched for one by one, of so many characters: more would make a long text slow.
_FEW, _FEW_PLACES, _MOST_COMPARED = 5, 24, 400
#: Characters of a text whose words are counted; a longer one has too many, and is searched through at once.
_LONG = 4_000
#: Kinds of objects that a run remembers.
_MOST_SHAPES = 4096


class _Word(NamedTuple):
    """`shy`: counts anywhere (0), only with a capital letter, because it is also a word (1), or only beside another
    name, because as a word it is everywhere (2)."""

    type: str
    value: str
    shy: int
    weight: int


class Leaf(NamedTuple):
    """What became of a text, when the run knew `version` words. `result` is empty where nothing changed."""

    version: int
    result: str
    changed: bool


class RunMemory:
    """One run's dictionary, its leaf cache and its tokens. Not shared between runs, nor between threads.

    `version` grows with every word learned.
    """

    def __init__(self) -> None:
        self.leaves: dict[str, Leaf] = {}
        self._leaf_chars = 0
        self._words: dict[str, int] = {}
        self._meanings: list[_Word] = []
        #: What was learned, in order, each by its head; and a head's words, each with its number.
        self._order: list[str] = []
        self._by_head: dict[str, list[tuple[str, int]]] = {}
        self._heads: set[str] = set()
        self._old, self._old_size = Dictionary({}), 0
        self._new, self._new_size = Dictionary({}), 0
        self._tokens: dict[tuple[str, str], str] = {}
        self._seen: set[tuple[str, str, bool]] = set()
        #: What fields' names and forms have said, by (name, value) and (value, type); which names of an object may.
        self.kinds: dict[tuple[str, str], str] = {}
        self.forms: dict[tuple[str, str], tuple[str, str]] = {}
        self.shapes: dict[tuple[str, ...], tuple[bool, ...]] = {}
        self._touched = self._compared = 0
        #: The words of all texts that were looked through, but for those of the texts that nobody asked about yet.
        self._vocabulary: set[str] = set()
        self._unread: list[str] = []

    @property
    def version(self) -> int:
        return len(self._order)

    def learn(self, value: str, type_name: str, *, sure: bool = True) -> None:
        """Remembers a value of a field (`sure`), or one that its context has told. Pseudonyms are not learned."""
        if (value, type_name, sure) in self._seen:
            return
        self._seen.add((value, type_name, sure))
        if len(value) > LONGEST * 2:
            return
        text = folded(value).strip()
        if len(text) < 3 and type_name != "PERSON":
            return
        if not SHORTEST <= len(text) <= LONGEST or type_name in _NOT_PROPAGATED or is_token(text) or "<" in text:
            return
        weight = CERTAIN if sure else LIKELY
        for form, meaning, shy in forms_of(text, type_name):
            self._add(form, _Word(type_name if form == text else meaning[0], meaning[1], shy, weight))

    def knows(self, text: str) -> tuple[str, str] | None:
        """(type, canonical value) where `text` as a whole is a known value."""
        number = self._words.get(lower(text))
        return None if number is None else (self._meanings[number].type, self._meanings[number].value)

    @property
    def touched(self) -> int:
        """The version since which no remembered leaf holds a word learned later: leaves of it and after are valid."""
        if self._compared < len(self._order):
            for text in self._unread:
                self._vocabulary.update(all_words(text))
            self._unread.clear()
            if any(not head or head in self._vocabulary for head in self._order[self._compared :]):
                self._touched = len(self._order)
            self._compared = len(self._order)
        return self._touched

    def is_stale(self, text: str, leaf: Leaf) -> bool:
        """Whether a word that was learned since may be in the text."""
        heads = self._order[leaf.version :]
        low = readable(text)
        if len(heads) < _FEW:
            for head in heads:
                if head in low:
                    return True
        elif "" in heads or not {*heads}.isdisjoint(all_words(low)):
            return True
        self.leaves[text] = Leaf(len(self._order), leaf.result, leaf.changed)
        return False

    def occurrences(self, text: str) -> Iterator[Found]:
        """Every known value in a folded `text`, overlaps too. The text counts as looked through."""
        if not self._order:
            self._unread.append(text)
            return
        if len(text) > _LONG:
            self._unread.append(text)
            heads = self._heads
        else:
            words = all_words(text)
            self._vocabulary.update(words)
            heads = self._heads.intersection(words)
            if "" in self._by_head:
                heads.add("")
        if not heads:
            return
        low = lower(text)
        small: list[Found] = []
        starts, ends = set[int](), set[int]()
        for start, end, number in self._places(low, heads):
            if not _bounded(low, start, end):
                continue
            word = self._meanings[number]
            one = Found(start, end, word.type, word.value, word.weight)
            if word.type == "PERSON":
                starts.add(start)
                ends.add(end)
            if word.shy and (word.shy == 2 or not _has_capital(text, start, end)):
                small.append(one)
            else:
                yield one
        # "noah lee" in small letters: two names side by side are no longer doubtful.
        yield from (one for one in small if one.end + 1 in starts or one.start - 1 in ends)

    def _places(self, low: str, heads: Iterable[str]) -> Iterator[tuple[int, int, int]]:
        """(start, end, number) of what may be known values: few in a short text are searched for one by one."""
        candidates: list[tuple[str, int]] = []
        is_long = len(low) > _LONG
        for head in heads:
            candidates += self._by_head[head]
            if is_long or len(candidates) > _FEW_PLACES or sum([len(word) for word, _ in candidates]) > _MOST_COMPARED:
                self._build()
                yield from self._old.occurrences(low)
                yield from self._new.occurrences(low)
                return
        for word, number in candidates:
            start = low.find(word)
            while start >= 0:
                yield start, start + len(word), number
                start = low.find(word, start + 1)

    def token(self, type_name: str, value: str, make: Callable[[str, str], str]) -> str:
        """The pseudonym of a canonical value; made once a run."""
        known = self._tokens.get((type_name, value))
        if known is None:
            known = self._tokens[type_name, value] = make(value, type_name)
        return known

    def make_room(self, size: int) -> None:
        """Announces so many characters of texts that are about to be looked through."""
        self._leaf_chars += size
        if self._leaf_chars > CACHE_CHARS or len(self.shapes) > _MOST_SHAPES:
            for remembered in (self.leaves, self.kinds, self.forms, self.shapes, self._vocabulary, self._unread):
                remembered.clear()
            self._leaf_chars = size

    def _add(self, form: str, word: _Word) -> None:
        low = lower(form)
        number = self._words.get(low)
        if number is None:
            head = head_of(low)
            self._by_head.setdefault(head, []).append((low, len(self._meanings)))
            self._heads.add(head)
            self._words[low] = len(self._meanings)
            self._meanings.append(word)
            self._order.append(head)
        elif word.shy < self._meanings[number].shy:
            # Learned as a field's whole value now; texts seen since have to be looked at again.
            self._meanings[number] = self._meanings[number]._replace(shy=word.shy)
            self._order.append(head_of(low))

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


def _has_capital(text: str, start: int, end: int) -> bool:
    """Not MIA, the airport, for Mia."""
    return text[start].isupper() and (end - start > 4 or not text[start:end].isupper())


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
