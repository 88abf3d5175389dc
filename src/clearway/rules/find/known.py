"""What one run remembers: the values that it knows, what became of texts that it has seen, and its tokens."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from clearway.rules.find.again import Again
from clearway.rules.find.keys import may_tell
from clearway.rules.find.lexicon import Lexicon
from clearway.rules.find.normal import folded
from clearway.rules.find.words import all_words

#: Characters of leaves that a run remembers with what became of them; then it starts anew.
CACHE_CHARS = 16_000_000
#: Kinds of objects that a run remembers.
_MOST_SHAPES = 4096

#: (type, canonical value) of a field.
Form = tuple[str, str]


class Leaf(NamedTuple):
    """What became of a text, when the run knew `version` words. `result` is empty where nothing changed."""

    version: int
    result: str
    changed: bool


class Shape:
    """A kind of object: the names of its fields, in order, and which of them may tell something of their values.
    `unchanged`: all names were looked through and stay as they are, as of that version; -1 where not."""

    __slots__ = ("names", "tells", "unchanged")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.tells = tuple(map(may_tell, names))
        self.unchanged = -1


class RunMemory(Lexicon):
    """One run's. Not shared between runs, nor between threads.

    `unchanged`: texts that stay as they are, as of `touched`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.leaves: dict[str, Leaf] = {}
        self.unchanged: set[str] = {""}
        #: What came whole, and may come again.
        self.again = Again()
        #: What fields' names and forms have said, by (name, value, declared type) and by (value, type).
        self.told: dict[tuple[str, str, str], Form | None] = {}
        self.forms: dict[tuple[str, str], Form] = {}
        self.shapes: dict[tuple[str, ...], Shape] = {}
        self._leaf_chars = 0
        self._tokens: dict[tuple[str, str], str] = {}
        self._touched = self._compared = 0

    @property
    def touched(self) -> int:
        """The version since which no remembered leaf holds a word learned later: leaves of it and after are valid."""
        if self._compared < len(self._order):
            for text in self._unread:
                self._vocabulary.update(all_words(text))
            self._unread.clear()
            new = self._order[self._compared :]
            if "" in new or not self._vocabulary.isdisjoint(new):
                self._touched = len(self._order)
                self.unchanged.clear()
                self.unchanged.add("")
            self._compared = len(self._order)
        return self._touched

    def stale(self, texts: Sequence[str]) -> list[str]:
        """Those of some remembered texts in which a word may be that was learned since; the others are valid now."""
        leaves, version = self.leaves, len(self._order)
        heads = frozenset(self._order[min([leaves[text].version for text in texts]) :])
        found: list[str] = []
        if "" in heads or not heads.isdisjoint(all_words(folded("\n".join(texts)))):
            found = [text for text in texts if self._is_stale(text, leaves[text].version)]
        for text in texts:
            leaf = leaves[text]
            leaves[text] = Leaf(version, leaf.result, leaf.changed)
        return found

    def _is_stale(self, text: str, version: int) -> bool:
        heads = self._order[version:]
        return "" in heads or not set(heads).isdisjoint(all_words(folded(text)))

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
                self.leaves, self.unchanged, self.told, self.forms, self.shapes, self.again, self._vocabulary,
                self._unread,
            ):  # fmt: skip
                remembered.clear()
            self.unchanged.add("")
            self._leaf_chars = size
