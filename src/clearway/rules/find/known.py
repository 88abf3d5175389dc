"""What one run remembers: the values that it knows, what became of texts that it has seen, and its tokens."""

from collections.abc import Callable, Sequence
from typing import Any

from clearway.rules.find.again import Again, Frozen, Part
from clearway.rules.find.keys import telling
from clearway.rules.find.lexicon import Lexicon
from clearway.rules.find.normal import folded
from clearway.rules.find.words import all_words

#: Characters of leaves that a run remembers with what became of them; then it starts anew.
CACHE_CHARS = 16_000_000
#: Kinds of objects that a run remembers.
_MOST_SHAPES = 4096

_NEVER = (-1, None)
#: (type, canonical value) of a field.
Form = tuple[str, str]


#: What became of a text (None where nothing changed), behind the number of words that the run knew.
Leaf = tuple[int, str | None]


class Shape:
    """A kind of object: the names of its fields, in order, and which of them may tell something of their values.
    `unchanged`: all names were looked through and stay as they are, as of that version; -1 where not."""

    __slots__ = ("names", "tells", "unchanged")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.tells = telling(names)
        self.unchanged = -1


class RunMemory(Lexicon):
    """One run's. Not shared between runs, nor between threads.

    `unchanged`: texts that stay as they are, as of `touched`: the version since which no text that was looked through
    holds a word learned later.
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
        self.shapes: dict[tuple[Any, ...], Shape] = {}
        self._leaf_chars = 0
        self._tokens: dict[tuple[str, str], str] = {}

    def shape(self, names: tuple[Any, ...]) -> Shape:
        """Of an object with these names, which may be anything that a name can be: only texts are remembered."""
        plain = tuple(map(str, names))
        shape = self.shapes.get(plain)
        if shape is None:
            shape = self.shapes[plain] = Shape(plain)
        return shape

    def touch(self) -> int:
        """As everywhere; what may hold something new is no longer unchanged."""
        if self._compare():
            self.unchanged.clear()
            self.unchanged.add("")
        return self.touched

    def unread(self, texts: Sequence[str], shown: dict[str, str]) -> list[str]:
        """Those of the texts that were never looked through, or not with all that is known now; what has become of the
        others goes into `shown`."""
        leaves, unchanged, touched = self.leaves, self.unchanged, self.touched
        unknown: list[str] = []
        old: list[str] = []
        for text in dict.fromkeys(texts):
            version, result = leaves.get(text, _NEVER)
            if version < 0:
                unknown.append(text)
            elif version < touched:
                old.append(text)
            elif result is not None:
                shown[text] = result
        if old:
            stale = self._stale(old)
            unknown += stale
            for text in set(old).difference(stale):
                result = leaves[text][1]
                leaves[text] = self.version, result
                if result is None:
                    unchanged.add(text)
                else:
                    shown[text] = result
        return unknown

    def _stale(self, texts: Sequence[str]) -> list[str]:
        """Those of some remembered texts in which a word may be that was learned since."""
        leaves = self.leaves
        heads = frozenset(self.heads_since(min([leaves[text][0] for text in texts])))
        if "" not in heads and heads.isdisjoint(all_words(folded("\n".join(texts)))):
            return []
        return [text for text in texts if self._is_stale(text, leaves[text][0])]

    def _is_stale(self, text: str, version: int) -> bool:
        heads = self.heads_since(version)
        return "" in heads or not set(heads).isdisjoint(all_words(folded(text)))

    def holds(self, part: Part, form: Frozen) -> bool:
        """Whether what became of a part that came before still holds."""
        if part.version < max(self.touched, self.numbered):
            if part.may_hold(self.heads_since(part.version), form):
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
                self.leaves, self.unchanged, self.told, self.forms, self.shapes, self.again, self._vocabulary,
                self._unread,
            ):  # fmt: skip
                remembered.clear()
            self.unchanged.add("")
            self._leaf_chars = size
