"""Walks over a JSON tree: its fields are learned and its texts collected. What becomes of it is `rebuilt`'s.

A tree is many small things, so a walk pays once for each: it numbers the texts as it meets them, and each object or
list remembers the first and the last of its own. What holds none that changed is not touched again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from clearway.rules.find.again import Key, Part, key_of
from clearway.rules.find.found import is_token, without_tokens
from clearway.rules.find.keys import may_tell, type_of, words
from clearway.rules.find.known import Form, RunMemory, Shape

if TYPE_CHECKING:
    from clearway.rules.find.finder import Finder

#: Deeper trees are refused at the doors already.
DEEPEST = 200
#: Lists that are no deeper may be conversations.
_DEEPEST_CHAT = 2
CONTAINERS = (dict, list, tuple)

Path = tuple[str, ...]
_NONE: frozenset[str] = frozenset()
_UNASKED: Any = object()
#: Fields whose meaning hangs on their neighbours.
_PLAIN_NAMES = frozenset(("name", "Name", "holder"))


class TooDeep(ValueError):
    """A tree is nested deeper than `DEEPEST`. Nothing of it may be stored."""


@dataclass(slots=True)
class Seen:
    """What a walk has met. Objects and lists are numbered as they were met: those are the nodes.

    `texts`: by number, every text that detectors read, and an empty one for each field, number and remembered part.
    `numbers`: (number of its text, the number itself). `shapes`: of each object, in order.
    `nodes`: first text, one past the last, and the number of the node after it.
    `fields`: what names or declarations of fields have told, by node and place. `named`: the declaration of objects
    whose names become tokens too. `held`: parts of lists that came before; `kept`: those to be remembered, with their
    texts. `changed`: texts that changed already. `version`: the words that were known when the walk was over.
    """

    texts: list[str] = field(default_factory=list[str])
    numbers: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    shapes: list[Shape] = field(default_factory=list[Shape])
    nodes: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])
    fields: dict[tuple[int, str | int], Form] = field(default_factory=dict[tuple[int, str | int], Form])
    named: dict[int, str] = field(default_factory=dict[int, str])
    held: dict[tuple[int, int], tuple[Key, Part]] = field(default_factory=dict[tuple[int, int], tuple[Key, Part]])
    kept: dict[tuple[int, int], tuple[Key, str]] = field(default_factory=dict[tuple[int, int], tuple[Key, str]])
    changed: list[int] = field(default_factory=list[int])
    version: int = 0


class Walk:
    """For one tree."""

    def __init__(self, finder: "Finder", memory: RunMemory, declared: Iterable[str]) -> None:
        self._finder, self._memory = finder, memory
        self._declared = frozenset(declared) if declared else _NONE
        self._dotted = frozenset([name for name in self._declared if "." in name]) if self._declared else _NONE
        self.seen = Seen()
        #: What has become of the texts that changed. Kept here, for the run's memory may forget at any time.
        self.shown: dict[str, str] = {}

    def gather(self, value: Any) -> list[str]:
        """Learns the fields of a tree; returns the texts that have to be looked through with what is known now."""
        while True:
            if isinstance(value, CONTAINERS):
                self._look_at(value, "", (), (), "", 0)
            else:
                self._look_at((value,), "", (), (), "", -1)
            if not self.seen.held or self._holds():
                break
            self.seen = Seen()
        memory, seen = self._memory, self.seen
        touched, unchanged = memory.touched, memory.unchanged
        unread = [text for text in seen.texts if text not in unchanged]
        for shape in seen.shapes:
            if shape.unchanged < touched:
                if names := [name for name in shape.names if name not in unchanged]:
                    unread += names
                else:
                    shape.unchanged = touched
        seen.version = memory.version
        return self._not_known(unread, touched) if unread else unread

    def _not_known(self, texts: list[str], touched: int) -> list[str]:
        """Those of the texts that were never looked through, or not with all that is known now."""
        memory, shown = self._memory, self.shown
        leaves, unknown, old = memory.leaves, list[str](), list[str]()
        for text in dict.fromkeys(texts):
            leaf = leaves.get(text)
            if leaf is None:
                unknown.append(text)
            elif leaf.version < touched:
                old.append(text)
            elif leaf.changed:
                shown[text] = leaf.result
        if old:
            stale = memory.stale(old)
            for text in set(old).difference(stale):
                leaf = leaves[text]
                if leaf.changed:
                    shown[text] = leaf.result
                else:
                    memory.unchanged.add(text)
            unknown += stale
        return unknown

    def _look_at(self, value: Any, key: str, path: Path, beside: Path, declared: str, depth: int) -> None:
        """`key` is the name that the value answers to, also through lists; `beside` are the names next to it, `path`
        those above it where a declaration asks; `declared` is the type that a declaration gives all of it."""
        if depth > DEEPEST:
            raise TooDeep(f"The value is nested deeper than {DEEPEST} levels.")
        seen = self.seen
        node, first = len(seen.nodes), len(seen.texts)
        seen.nodes.append((0, 0, 0))
        if not isinstance(value, dict):
            self._look_at_list(value, node, (key, path, beside, declared), depth)
        elif self._declared:
            self._look_at_declared(value, node, path, declared, depth)  # pyright: ignore[reportUnknownArgumentType]
        else:
            self._look_at_object(value, node, depth)  # pyright: ignore[reportUnknownArgumentType]
        # One past the last text: an object without any has its names.
        seen.texts.append("")
        seen.nodes[node] = first, len(seen.texts), len(seen.nodes)

    def _shape(self, items: dict[Any, Any]) -> Shape:
        names = tuple(map(str, items))
        shape = self._memory.shapes.get(names)
        if shape is None:
            shape = self._memory.shapes[names] = Shape(names)
        self.seen.shapes.append(shape)
        return shape

    def _look_at_object(self, items: dict[Any, Any], node: int, depth: int) -> None:
        shape, texts = self._shape(items), self.seen.texts
        for name, tells, child in zip(shape.names, shape.tells, items.values(), strict=True):
            kind = child.__class__
            if kind is str and not tells:
                texts.append(child)
            elif isinstance(child, CONTAINERS):
                self._look_at(child, name, (), shape.names, "", depth + 1)
            elif kind is int and not tells:
                self._number(child)
            elif child is not None and kind is not bool:
                self._leaf(child, (node, name), name, shape.names, "", tells=tells)

    def _look_at_declared(self, items: dict[Any, Any], node: int, path: Path, declared: str, depth: int) -> None:
        shape, seen = self._shape(items), self.seen
        if declared and not all(map(is_token, shape.names)):
            seen.named[node] = declared
            seen.changed.append(len(seen.texts))
        for name, tells, child in zip(shape.names, shape.tells, items.values(), strict=True):
            inner = (*path, name) if self._dotted else path
            told = declared or self._declaration(name, inner)
            if isinstance(child, CONTAINERS):
                self._look_at(child, name, inner, shape.names, told, depth + 1)
            elif child is not None and child.__class__ is not bool:
                self._leaf(child, (node, name), name, shape.names, told, tells=tells or bool(told))

    def _look_at_list(self, parts: Any, node: int, around: tuple[str, Path, Path, str], depth: int) -> None:
        key, path, beside, declared = around
        tells = bool(key) and (bool(declared) or may_tell(key))
        comes_again = (
            len(parts) > 1 and depth <= _DEEPEST_CHAT and not declared and self._comes_again(parts, path, depth)
        )
        for place, part in enumerate(parts):
            kind = part.__class__
            if kind is str and not tells:
                self.seen.texts.append(part)
            elif comes_again and kind is dict:
                self._part(part, (node, place), path, depth)
            elif isinstance(part, CONTAINERS):
                self._look_at(part, key, path, beside, declared, depth + 1)
            elif part is not None and kind is not bool:
                self._leaf(part, (node, place), key, beside, declared, tells=tells)

    def _leaf(
        self, value: Any, place: tuple[int, str | int], key: str, beside: Path, declared: str, *, tells: bool
    ) -> None:
        seen = self.seen
        if tells and (form := self._told(value, key, beside, declared)):
            seen.fields[place] = form
            seen.changed.append(len(seen.texts))
            seen.texts.append("")
        elif (text := as_text(value)) is not None:
            seen.texts.append(text)
        elif value.__class__ is int:
            self._number(value)

    def _number(self, value: int) -> None:
        seen = self.seen
        if (text := as_text(value)) is not None:
            seen.texts.append(text)
        elif not -100 < value < 100:
            seen.numbers.append((len(seen.texts), value))
            seen.texts.append("")

    def _told(self, value: Any, key: str, beside: Path, declared: str) -> Form | None:
        """The type that the field's name or declaration gives, with the canonical value; None where it gives none."""
        text, memory = str(value), self._memory
        place = (key, text, declared)
        if key in _PLAIN_NAMES or (form := memory.told.get(place, _UNASKED)) is _UNASKED:
            form = None
            if text and not is_token(text):
                bare = without_tokens(text)
                kind = type_of(key, bare, beside)
                if kind := (kind and self._finder.accepted(kind, bare, declared)) or declared:
                    form = self._finder.form(text, kind, memory)
            memory.told[place] = form
        return form

    def _declaration(self, name: str, path: Path) -> str:
        if name in self._declared or (
            self._dotted and any(".".join(path[start:]) in self._dotted for start in range(len(path) - 1))
        ):
            return type_name_of(name)
        return ""

    # --- What comes again ---

    def _comes_again(self, parts: Any, path: Path, depth: int) -> bool:
        if parts[0].__class__ is not dict:
            return False
        known = key_of(parts[0], depth, path, self._declared)
        return known is not None and self._memory.again.comes_again(known)

    def _part(self, part: Any, place: tuple[int, int], path: Path, depth: int) -> None:
        seen, known = self.seen, key_of(part, depth, path, self._declared)
        held = None if known is None else self._memory.again.parts.get(known)
        if known is not None and held is not None:
            seen.held[place] = known, held
            if held.result is not None:
                seen.changed.append(len(seen.texts))
            seen.texts.append("")
            return
        shapes, numbers, texts = len(seen.shapes), len(seen.numbers), len(seen.texts)
        self._look_at(part, "", path, (), "", depth + 1)
        if known is not None:
            names = [name for shape in seen.shapes[shapes:] for name in shape.names]
            written = [str(number) for _, number in seen.numbers[numbers:]]
            seen.kept[place] = known, "\n".join((*seen.texts[texts:], *names, *written))

    def _holds(self) -> bool:
        """Whether what became of the parts that came again still holds, now that the tree's fields were learned."""
        memory, holds = self._memory, True
        for known, part in self.seen.held.values():
            if part.version < memory.version:
                if part.may_hold(memory.heads_since(part.version)):
                    memory.again.parts.pop(known, None)
                    holds = False
                else:
                    part.version = memory.version
        return holds


def type_name_of(field: str) -> str:
    """A token's type out of a field's name: `payer-iban` → `PAYER_IBAN`."""
    name = words(field).upper().replace(" ", "_")[:48].strip("_")
    return name if name[:1].isalpha() else f"FIELD_{name}".strip("_")


def as_text(leaf: Any) -> str | None:
    """What detectors read of a leaf: texts, and whole numbers that are long enough for a card."""
    if leaf.__class__ is str:
        return leaf
    if leaf.__class__ is int and 10**12 <= leaf < 10**16:
        return str(leaf)
    return str(leaf) if isinstance(leaf, str) else None
