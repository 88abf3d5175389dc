"""The values that one run knows, to be found again in its free texts.

A name out of `first_name` is found where somebody writes it, whole or in part; a date of birth also in other spellings.
A value is looked for only where a word of it, its head, is among the words of a text.
"""

from collections.abc import Collection, Iterable, Sequence

from clearway.rules.find.canonical import canonical
from clearway.rules.find.declared import ANSWERS, declared_forms
from clearway.rules.find.dictionary import Dictionary
from clearway.rules.find.forms import forms_of, shyness, spellings, year_of
from clearway.rules.find.found import CERTAIN, LIKELY, Found
from clearway.rules.find.given import PARTICLES
from clearway.rules.find.normal import folded
from clearway.rules.find.words import all_words, head_of, lower

SHORTEST, LONGEST = 2, 256
#: Too short or too common to be looked for elsewhere, though their field is replaced.
_NOT_PROPAGATED = frozenset(("AGE", "TRAIT", "GEO", "CARD_CODE", "CARD_EXPIRY", "PIN", "LOCATION"))
_SMALL_MERGE = 64
#: So few values are searched for one by one, of so many characters: more would make a long text slow.
_FEW_PLACES, _MOST_COMPARED = 64, 800
#: Characters of a text whose words are counted.
LONG = 4_000
#: Texts whose words are kept apart: most are followed by others before anything is learned that could be in them.
_MOST_SPLIT = 64


#: (type, canonical value, shy, weight) of a word. Shy: it counts anywhere (0), only with a capital letter, because it
#: is also a word (1), or only beside another name, because as a word it is everywhere (2).
_Meaning = tuple[str, str, int, int]


class Lexicon:
    """What was learned so far. `version` grows with every word; `numbers`: the words that are numbers."""

    def __init__(self) -> None:
        self.version = 0
        self.numbers: set[str] = set()
        self._words: dict[str, int] = {}
        self._meanings: list[_Meaning] = []
        #: What was learned, in order, each by its head; a head's words, each with its number; and their characters.
        self._order: list[str] = []
        self._by_head: dict[str, list[tuple[str, int]]] = {}
        self._chars: dict[str, int] = {}
        #: Dates by their year, whose other spellings nobody has needed yet: (text, type, weight).
        self._unspelt: dict[str, list[tuple[str, str, int]]] = {}
        self._heads: set[str] = set()
        self._old, self._old_size = Dictionary({}), 0
        self._new, self._new_size = Dictionary({}), 0
        #: By value and type: how it was told.
        self._learned: dict[tuple[str, str], int] = {}
        #: The words of all texts that were looked through, but for those that nobody asked about yet: of a few texts
        #: that are split into words already, and of long ones.
        self._vocabulary: set[str] = set()
        self._split: list[Collection[str]] = []
        self._unread: list[str] = []
        #: The version since which no text that was looked through holds a word learned later; how far that is known.
        self.touched = self._compared = 0
        #: The version in which a number was learned last.
        self.numbered = 0

    def learn(self, value: str, type_name: str, *, sure: bool = True, declared: bool = False) -> None:
        """Remembers a value of a field (`sure`), or one that its context has told. Pseudonyms are not learned.

        `declared`: somebody has said that the value is sensitive, so it is looked for however common its type is.
        """
        how = 2 if declared else int(sure)
        if self._learned.get((value, type_name), -1) >= how:
            return
        self._learned[value, type_name] = how
        if value.strip().lower() in ANSWERS:
            return
        if declared:
            for form, meaning in declared_forms(value, type_name):
                self._add(form, type_name, meaning, 0, CERTAIN)
            if type_name != "DOB":
                self._learn_year(folded(value).strip(), type_name, CERTAIN)
        if type_name not in _NOT_PROPAGATED and len(value) <= LONGEST * 2:
            self._learn_forms(folded(value).strip(), type_name, CERTAIN if sure else LIKELY)

    def _learn_forms(self, text: str, type_name: str, weight: int) -> None:
        if not SHORTEST <= len(text) <= LONGEST or "<" in text or (len(text) < 3 and type_name != "PERSON"):
            return
        if type_name == "PERSON" and text.isalpha():
            if (low := text.lower()) not in PARTICLES:
                self._add(text, "PERSON", text, shyness(low), weight)
            return
        for form, (kind, meaning), shy in forms_of(text, type_name):
            self._add(form, kind, meaning, shy, weight)
        if type_name == "DOB":
            self._learn_year(text, type_name, weight)

    def _learn_year(self, text: str, type_name: str, weight: int) -> None:
        """All spellings of a date hold its year, so none is needed before a text holds it."""
        if year := year_of(text):
            self._unspelt.setdefault(year, []).append((text, type_name, weight))
            self._by_head.setdefault(year, [])
            self._chars.setdefault(year, 0)
            self._heads.add(year)
            self._told(year)

    def meaning(self, word: str) -> tuple[str, str]:
        """(type, canonical value) of one of `numbers`."""
        return self._meanings[self._words[word]][:2]

    def heads_since(self, version: int) -> Sequence[str]:
        """A word of each value that was learned since."""
        return self._order[version:]

    def touch(self) -> int:
        """`touched`, now that what was learned since is compared with the texts."""
        if self._compared == self.version:
            return self.touched
        vocabulary = self._vocabulary
        vocabulary.update(*self._split, *map(all_words, self._unread))
        self._split.clear()
        self._unread.clear()
        new = self._order[self._compared :]
        self._compared = self.version
        if "" in new or not vocabulary.isdisjoint(new):
            self.touched = self.version
        return self.touched

    def occurrences(self, text: str, words: Collection[str] | None) -> list[Found]:
        """Every known value in a folded `text`, overlaps too. The text counts as looked through.

        `words`: the text's, as `all_words` has them; None for one longer than `LONG`, which has too many.
        """
        if self._compared < self.version:
            self.touch()
        if words is None:
            self._unread.append(text)
            return self._found(text, self._heads) if self._heads else []
        self._split.append(words)
        if len(self._split) > _MOST_SPLIT:
            self._vocabulary.update(*self._split)
            self._split.clear()
        if not self._heads or (self._heads.isdisjoint(words) and "" not in self._heads):
            return []
        heads = self._heads.intersection(words)
        if "" in self._by_head:
            heads.add("")
        return self._found(text, heads) if heads else []

    def _found(self, text: str, heads: set[str]) -> list[Found]:
        low = lower(text)
        found: list[Found] = []
        small: list[Found] = []
        starts: set[int] = set()
        ends: set[int] = set()
        for start, end, number in self._places(low, heads):
            if not _bounded(low, start, end):
                continue
            type_name, value, shy, weight = self._meanings[number]
            one = Found(start, end, type_name, value, weight)
            if type_name == "PERSON":
                starts.add(start)
                ends.add(end)
            if shy and (shy == 2 or not _has_capital(text, start, end)):
                small.append(one)
            else:
                found.append(one)
        # "noah lee" in small letters: two names side by side are no longer doubtful.
        return found + [one for one in small if one.end + 1 in starts or one.start - 1 in ends] if small else found

    def _places(self, low: str, heads: Iterable[str]) -> Iterable[tuple[int, int, int]]:
        """(start, end, number) of what may be known values: few in a short text are searched for one by one."""
        candidates: list[tuple[str, int]] = []
        chars = 0 if len(low) <= LONG else _MOST_COMPARED + 1
        for head in heads:
            if head in self._unspelt:
                self._spell(head)
            candidates += self._by_head[head]
            chars += self._chars[head]
            if chars > _MOST_COMPARED or len(candidates) > _FEW_PLACES:
                self._build()
                return [*self._old.occurrences(low), *self._new.occurrences(low)]
        places: list[tuple[int, int, int]] = []
        for word, number in candidates:
            start = low.find(word)
            while start >= 0:
                places.append((start, start + len(word), number))
                start = low.find(word, start + 1)
        return places

    def _spell(self, year: str) -> None:
        """The year's dates in all spellings. Their head, the year, was counted when they were learned."""
        for text, type_name, weight in self._unspelt.pop(year):
            value, known = canonical(type_name, text), self.version
            for spelling in spellings(text):
                self._add(spelling, type_name, value, 0, weight)
            del self._order[known:]
            self.version = known

    def _told(self, head: str) -> None:
        self._order.append(head)
        self.version += 1

    def _add(self, form: str, type_name: str, value: str, shy: int, weight: int) -> None:
        low = lower(form)
        number = self._words.get(low)
        if number is None:
            head = head_of(low)
            words = self._by_head.get(head)
            if words is None:
                words = self._by_head[head] = []
                self._chars[head] = 0
                self._heads.add(head)
            words.append((low, len(self._meanings)))
            self._chars[head] += len(low)
            self._words[low] = len(self._meanings)
            self._meanings.append((type_name, value, shy, weight))
            self._told(head)
            if low[-1].isdecimal() and low.removeprefix("-").replace(".", "", 1).isdecimal():
                self.numbers.add(low)
                self.numbered = self.version
        elif shy < self._meanings[number][2]:
            # Learned as a field's whole value now; texts seen since have to be looked at again.
            kind, meaning, _, before = self._meanings[number]
            self._meanings[number] = kind, meaning, shy, before
            self._told(head_of(low))

    def _build(self) -> None:
        """Two automata, so that learning word after word doesn't rebuild all of them each time."""
        for year in list(self._unspelt):
            self._spell(year)
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
