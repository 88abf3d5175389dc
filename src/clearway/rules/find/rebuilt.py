"""Builds a tree anew after a walk: only what holds something that changed; the rest is the same objects."""

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from clearway.rules.find.again import Part
from clearway.rules.find.found import is_token
from clearway.rules.find.known import Form, RunMemory
from clearway.rules.find.trees import CONTAINERS, Seen, as_text

if TYPE_CHECKING:
    from clearway.rules.find.finder import Finder, Token


class Rebuilding:
    """For one tree, which `seen` is of. `shown`: what became of the texts that changed."""

    def __init__(self, finder: "Finder", memory: RunMemory, token: "Token", seen: Seen, shown: dict[str, str]) -> None:
        self._finder, self._memory, self._token = finder, memory, token
        self._seen, self._shown = seen, shown
        self._changed = seen.changed
        self._results: dict[tuple[int, int], Any] = {}
        self._at = 0

    def rebuild(self, value: Any) -> Any:
        """`value` with what changed in its place. What may come again is remembered."""
        seen, shown, changed = self._seen, self._shown, self._changed
        if shown:
            changed += [number for number, text in enumerate(seen.texts) if text in shown]
            if any(not shown.keys().isdisjoint(shape.names) for shape in dict.fromkeys(seen.shapes)):
                changed += range(len(seen.texts) + 1)
        if self._memory.knows_numbers:
            changed += [place for place, number in seen.numbers if self._memory.knows(str(number))]
        if changed:
            changed.sort()
            value = self._rebuild(value) if isinstance(value, CONTAINERS) else self._rebuild((value,))[0]
        for place, (known, text) in seen.kept.items():
            self._memory.again.parts[known] = Part(self._results.get(place), seen.version, text)
        return value

    def _rebuild(self, value: Any) -> Any:
        node = self._at
        first, last, after = self._seen.nodes[node]
        nearest = bisect_left(self._changed, first)
        if nearest == len(self._changed) or self._changed[nearest] >= last:
            self._at = after
            return value
        self._at = node + 1
        if isinstance(value, dict):
            return self._object(value, node)  # pyright: ignore[reportUnknownArgumentType]
        return [self._item(part, (node, place)) for place, part in enumerate(value)]

    def _item(self, part: Any, place: tuple[int, int]) -> Any:
        seen = self._seen
        if not isinstance(part, CONTAINERS):
            return self._scalar(part, seen.fields.get(place))
        if place in seen.held:
            result: Any = seen.held[place][1].result
            return part if result is None else result  # pyright: ignore[reportUnknownVariableType]
        rebuilt = self._rebuild(part)
        if place in seen.kept and rebuilt is not part:
            self._results[place] = rebuilt
        return rebuilt

    def _object(self, items: dict[Any, Any], node: int) -> dict[str, Any]:
        shown, fields, declared = self._shown, self._seen.fields, self._seen.named.get(node, "")
        rebuilt: dict[str, Any] = {}
        for key, child in items.items():
            name = key if key.__class__ is str else str(key)
            new = self._shown_name(name, declared) if declared else shown.get(name, name)
            while new != name and new in rebuilt:
                new += "*"
            if isinstance(child, CONTAINERS):
                rebuilt[new] = self._rebuild(child)
            else:
                rebuilt[new] = self._scalar(child, fields.get((node, name)))
        return rebuilt

    def _scalar(self, value: Any, form: Form | None) -> Any:
        if form is not None:
            return self._memory.token(*form, self._token) or value
        if value.__class__ is str:
            return self._shown.get(value, value)
        text = as_text(value)
        if text is not None:
            return self._shown.get(text, value)
        if value.__class__ is int and (known := self._memory.knows(str(value))):
            return self._memory.token(*known, self._token) or value
        return value

    def _shown_name(self, name: str, declared: str) -> str:
        """What is declared sensitive as a whole may keep its values in its keys."""
        if is_token(name):
            return self._shown.get(name, name)
        return self._memory.token(*self._finder.field_type(name, declared), self._token) or name
