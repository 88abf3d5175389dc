"""Builds a tree anew after a walk: only what holds something that changed; the rest is the same objects."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from clearway.rules.find.again import Part
from clearway.rules.find.found import is_token
from clearway.rules.find.known import RunMemory
from clearway.rules.find.trees import CONTAINERS, Walk

if TYPE_CHECKING:
    from clearway.rules.find.finder import Finder


_TEXT = frozenset((str,))


class Rebuilding:
    """For one tree, over which `walk` went. Copies are made of what holds a change, and of what holds a copy."""

    def __init__(self, finder: "Finder", memory: RunMemory, token: Callable[[str, str], str], walk: Walk) -> None:
        self._finder, self._memory, self._token, self._walk = finder, memory, token, walk
        #: By the number of the object or list that each is of.
        self._copies: dict[int, Any] = {}

    def rebuild(self, value: Any, version: int) -> Any:
        """`value` with what changed in its place. What may come again is remembered, with the `version` of what the
        run knew when it was looked through."""
        walk, copies = self._walk, self._copies
        changes, renamed = self._changes(), self._renamed()
        for node, place, new in changes:
            copy = copies.get(node)
            if copy is None:
                copy = self._copied(node)
            copy[place] = new
        if changes or renamed:
            self._settle(renamed)
        for parts, form, node in walk.kept:
            parts[form] = Part(copies.get(node), version)
        if not copies:
            return value
        return copies[0] if isinstance(value, CONTAINERS) else copies[0][0]

    def _changes(self) -> list[tuple[int, str | int, Any]]:
        walk, memory, shown, make = self._walk, self._memory, self._walk.shown, self._token
        changes: list[tuple[int, str | int, Any]] = [(node, place, part.result) for part, node, place in walk.held]
        for (type_name, value), node, place in walk.fields:
            if token := memory.token(type_name, value, make):
                changes.append((node, place, token))
        if shown:
            changes += [(node, place, shown[text]) for text, node, place in walk.texts if text in shown]
        if memory.numbers:
            for number, node, place in walk.numbers:
                if (written := str(number)) in memory.numbers:
                    known = memory.meaning(written)
                    if token := memory.token(*known, make):
                        changes.append((node, place, token))
        return changes

    def _renamed(self) -> list[int]:
        """The numbers of the objects whose names change."""
        walk, shown = self._walk, self._walk.shown
        renamed = list(walk.named)
        if shown and not all([shown.keys().isdisjoint(names) for names in walk.shapes]):
            renamed += [
                node
                for node, (value, _, _) in enumerate(walk.nodes)
                if isinstance(value, dict) and not shown.keys().isdisjoint(map(str, value))  # pyright: ignore[reportUnknownArgumentType]
            ]
        return renamed

    def _copied(self, node: int) -> Any:
        """A copy, and one of each object or list around it that has none yet."""
        value, around, _ = self._walk.nodes[node]
        copy: Any = _with_text_names(value) if isinstance(value, dict) else list(value)  # pyright: ignore[reportUnknownArgumentType]
        self._copies[node] = copy
        if around >= 0 and around not in self._copies:
            self._copied(around)
        return copy

    def _settle(self, renamed: list[int]) -> None:
        """Puts each copy into the one around it; what is inside comes after what is around it."""
        copies, nodes = self._copies, self._walk.nodes
        for node in renamed:
            if node not in copies:
                self._copied(node)
        names = frozenset(renamed)
        for node in sorted(copies, reverse=True):
            if node in names:
                copies[node] = self._with_names(copies[node], self._walk.named.get(node, ""))
            _, around, place = nodes[node]
            if around >= 0:
                copies[around][place] = copies[node]

    def _with_names(self, items: dict[str, Any], declared: str) -> dict[str, Any]:
        shown = self._walk.shown
        rebuilt: dict[str, Any] = {}
        for name, child in items.items():
            new = self._shown_name(name, declared) if declared else shown.get(name, name)
            while new != name and new in rebuilt:
                new += "*"
            rebuilt[new] = child
        return rebuilt

    def _shown_name(self, name: str, declared: str) -> str:
        """What is declared sensitive as a whole may keep its values in its keys."""
        if is_token(name):
            return self._walk.shown.get(name, name)
        return self._memory.token(*self._finder.field_type(name, declared), self._token) or name


def _with_text_names(items: dict[Any, Any]) -> dict[str, Any]:
    if _TEXT.issuperset(map(type, items)):
        return dict(items)
    return {str(name): one for name, one in items.items()}
