"""What one run remembers: the values that it knows, what became of texts that it has seen, and its tokens."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from clearway.rules.find.again import Again, Part
from clearway.rules.find.keys import is_person, names_within, pair_of, table_of, telling
from clearway.rules.find.lexicon import Lexicon
from clearway.rules.find.normal import folded
from clearway.rules.find.words import all_words

#: Characters of leaves that a run remembers with what became of them; then it starts anew.
CACHE_CHARS = 16_000_000
#: Kinds of objects that a run remembers.
_MOST_SHAPES = 4096

#: A version that every text has: the empty one holds nothing.
_ALWAYS = sys.maxsize
#: (type, canonical value) of a field.
Form = tuple[str, str]


#: What became of a text, behind the number of words that the run knew.
Leaf = tuple[int, str]


class Shape:
    """A kind of object: the names of its fields, in order, and which of them may tell something of their values.

    `answers`: what the value of each answers to, in an object that is `about` something. `beside`: the names that tell
    what a plain `name` is. `pair`: the names of `{"name": "last_name", "value": …}`, whose one text names the other;
    `table`: those of columns and rows; `named_within`: whether there is one of these.
    INVARIANT: the same for every run, and never changed.
    """

    __slots__ = ("answers", "beside", "named_within", "names", "pair", "table", "tells")

    def __init__(self, names: tuple[str, ...], subject: str) -> None:
        self.names = self.beside = names
        self.answers: Mapping[str, str] | None = None
        self.tells = telling(names)
        self.pair, self.table = pair_of(names), table_of(names)
        self.named_within = self.pair is not None or self.table is not None
        if subject:
            self.answers, self.tells = names_within(subject, names)
            self.beside = (*names, "email") if is_person(subject) else names


@lru_cache(maxsize=_MOST_SHAPES)
def _shape(names: tuple[str, ...], subject: str) -> Shape:
    return Shape(names, subject)


class RunMemory(Lexicon):
    """One run's. Not shared between runs, nor between threads.

    `unchanged`: texts that stayed as they are, as of that version; `leaves`: what became of the others. Both hold as
    long as their version is not below `touched`: since then nothing was learned that a text seen before holds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.leaves: dict[str, Leaf] = {}
        self.unchanged: dict[str, int] = {"": _ALWAYS}
        #: What came whole, and may come again.
        self.again = Again()
        #: What fields' names and forms have said, by (name, value, declared type) and by (value, type).
        self.told: dict[tuple[str, str, str], Form | None] = {}
        self.forms: dict[tuple[str, str], Form] = {}
        self.shapes: dict[tuple[Any, ...], Shape] = {}
        #: Shapes whose names were looked through and stay as they are, as of that version.
        self.settled: dict[Shape, int] = {}
        self._leaf_chars = 0
        self._tokens: dict[tuple[str, str], str] = {}

    def shape(self, names: tuple[Any, ...], subject: str = "") -> Shape:
        """Of an object with these names, which may be anything that a name can be: only texts are remembered."""
        plain = tuple(map(str, names))
        key = (plain, subject) if subject else plain
        shape = self.shapes.get(key)
        if shape is None:
            shape = self.shapes[key] = _shape(plain, subject)
        return shape

    def unread(self, texts: Sequence[str], shown: dict[str, str]) -> list[str]:
        """Those of the texts that were never looked through, or not with all that is known now; what has become of the
        others goes into `shown`."""
        leaves, unchanged, touched = self.leaves, self.unchanged, self.touched
        unknown: list[str] = []
        old: list[str] = []
        for text in dict.fromkeys(texts):
            if (leaf := leaves.get(text)) is not None:
                if leaf[0] < touched:
                    old.append(text)
                else:
                    shown[text] = leaf[1]
            elif text not in unchanged:
                unknown.append(text)
            elif unchanged[text] < touched:
                old.append(text)
        if old:
            stale = self._stale(old)
            unknown += stale
            for text in stale:
                leaves.pop(text, None)
            for text in set(old).difference(stale):
                if (leaf := leaves.get(text)) is None:
                    unchanged[text] = self.version
                else:
                    leaves[text] = self.version, leaf[1]
                    shown[text] = leaf[1]
        return unknown

    def looked_through(self, texts: Sequence[str], changed: Mapping[str, str]) -> None:
        """Remembers what has become of texts, now that all is known that the run knows."""
        version, leaves, unchanged = self.version, self.leaves, self.unchanged
        unchanged.update(dict.fromkeys(texts, version))
        for text, result in changed.items():
            leaves[text] = version, result
            del unchanged[text]

    def _stale(self, texts: Sequence[str]) -> list[str]:
        """Those of some remembered texts in which a word may be that was learned since."""
        heads = frozenset(self.heads_since(min(map(self._version_of, texts))))
        if "" not in heads and heads.isdisjoint(all_words(folded("\n".join(texts)))):
            return []
        return [text for text in texts if self._is_stale(text, self._version_of(text))]

    def _version_of(self, text: str) -> int:
        leaf = self.leaves.get(text)
        return self.unchanged[text] if leaf is None else leaf[0]

    def _is_stale(self, text: str, version: int) -> bool:
        heads = self.heads_since(version)
        return "" in heads or not set(heads).isdisjoint(all_words(folded(text)))

    def holds(self, part: Part, again: Any) -> bool:
        """Whether what became of a part that came before, and comes `again`, still holds."""
        if part.version < max(self.touched, self.numbered):
            if part.may_hold(self.heads_since(part.version), again):
                return False
            part.version = self.version
        return True

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
            for remembered in (
                self.leaves, self.unchanged, self.told, self.forms, self.shapes, self.settled, self.again,
                self._vocabulary,
                self._unread, self._split,
            ):  # fmt: skip
                remembered.clear()
            self.unchanged[""] = _ALWAYS
            self._leaf_chars = size
