"""Walks over a JSON tree: its fields are learned and its texts collected; then what changed is built anew.

A tree is many small things, so a walk pays once for each: it numbers the texts as it meets them, and each object or
list remembers the first and the last of its own. What holds none that changed is not touched again.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from clearway.rules.find.found import is_token, without_tokens
from clearway.rules.find.keys import may_tell, type_of, words
from clearway.rules.find.known import RunMemory

if TYPE_CHECKING:
    from clearway.rules.find.finder import Finder, Token

#: Deeper trees are refused at the doors already.
DEEPEST = 200

Path = tuple[str, ...]
_CONTAINERS = (dict, list, tuple)


class TooDeep(ValueError):
    """A tree is nested deeper than `DEEPEST`. Nothing of it may be stored."""


class Walk:
    """`gather`, then look through what it returns, then `rebuild` with what has become of it. For one tree."""

    def __init__(self, finder: "Finder", memory: RunMemory, token: "Token", declared: Iterable[str]) -> None:
        self._finder, self._memory, self._token = finder, memory, token
        self._declared = frozenset(declared)
        self._dotted = frozenset(name for name in self._declared if "." in name)
        #: By number: every text that detectors read, and an empty one for each field and number.
        self._texts: list[str] = []
        self._numbers: list[tuple[int, int]] = []
        self._names: set[Path] = set()
        #: Of each object and list: its first text, one past its last, and the number of the node after it.
        self._nodes: list[tuple[int, int, int]] = []
        #: What a field's name or declaration has told, by node and place: (type, canonical value).
        self._fields: dict[tuple[int, str | int], tuple[str, str]] = {}
        self._changed: list[int] = []
        self._renamed: list[int] = []
        #: What has become of the texts that changed. Kept here, for the run's memory may forget at any time.
        self._shown: dict[str, str] = {}
        self._at = 0

    def gather(self, value: Any) -> list[str]:
        """Learns the fields of a tree; returns the texts that have to be looked through with what is known now."""
        if isinstance(value, _CONTAINERS):
            self._look_at(value, "", (), (), 0)
        else:
            self._look_at((value,), "", (), (), -1)
        memory, shown = self._memory, self._shown
        touched, leaf_of = memory.touched, memory.leaves.get
        pending: dict[str, None] = {}
        for names in (self._texts, *self._names):
            for text in names:
                leaf = leaf_of(text)
                if leaf is None or (leaf.version < touched and memory.is_stale(text, leaf)):
                    pending[text] = None
                elif leaf.changed:
                    shown[text] = leaf.result
        return list(pending)

    def rebuild(self, value: Any, shown: dict[str, str]) -> Any:
        """`value`, anew where something in it changed. `shown`: what became of the pending texts that changed."""
        if shown:
            self._shown.update(shown)
        shown, changed = self._shown, self._changed
        if shown:
            changed += [number for number, text in enumerate(self._texts) if text in shown]
            if any(name in shown for names in self._names for name in names):
                changed += range(len(self._texts) + 1)
        changed += [place for place, number in self._numbers if self._memory.knows(str(number))]
        if not changed:
            return value
        changed += self._renamed
        changed.sort()
        if isinstance(value, _CONTAINERS):
            return self._rebuild(value, ())
        return self._rebuild((value,), ())[0]

    # --- Looking ---

    def _look_at(self, value: Any, key: str, path: Path, beside: Path, depth: int) -> None:
        """`key` is the name that the value answers to, also through lists; `beside` are the names next to it."""
        if depth > DEEPEST:
            raise TooDeep(f"The value is nested deeper than {DEEPEST} levels.")
        node, first = len(self._nodes), len(self._texts)
        self._nodes.append((0, 0, 0))
        if isinstance(value, dict):
            self._look_at_object(value, node, path, depth)  # pyright: ignore[reportUnknownArgumentType]
        else:
            self._look_at_list(value, node, key, path, beside, depth)
        # One past the last text: an object without any has its names.
        self._texts.append("")
        self._nodes[node] = first, len(self._texts), len(self._nodes)

    def _look_at_object(self, items: dict[Any, Any], node: int, path: Path, depth: int) -> None:
        texts, is_declared = self._texts, bool(self._declared)
        names = tuple(map(str, items))
        shape = self._memory.shapes.get(names)
        if shape is None:
            shape = self._memory.shapes[names] = tuple(map(may_tell, names))
        self._names.add(names)
        inner = path
        if is_declared and self._declaration(path) and not all(map(is_token, names)):
            self._renamed.append(len(texts))
        for name, tells, child in zip(names, shape, items.values(), strict=True):
            if is_declared:
                inner = (*path, name)
            if child.__class__ is str and not tells and not is_declared:
                texts.append(child)
            elif isinstance(child, _CONTAINERS):
                self._look_at(child, name, inner, names, depth + 1)
            else:
                self._leaf(child, (node, name), inner, names, tells=tells or is_declared)

    def _look_at_list(self, parts: Any, node: int, key: str, path: Path, beside: Path, depth: int) -> None:
        tells = bool(key) and (bool(self._declared) or may_tell(key))
        for place, part in enumerate(parts):
            if part.__class__ is str and not tells:
                self._texts.append(part)
            elif isinstance(part, _CONTAINERS):
                self._look_at(part, key, path, beside, depth + 1)
            else:
                self._leaf(part, (node, place), path, beside, tells=tells, key=key)

    def _leaf(
        self, value: Any, place: tuple[int, str | int], path: Path, beside: Path, *, tells: bool, key: str = ""
    ) -> None:
        if value is None or value.__class__ is bool:
            return
        key = key or str(place[1])
        if tells and key and (kind := self._kind(value, key, path, beside)):
            text = str(value)
            known = (text, kind) in self._memory.forms
            form = self._fields[place] = self._form(text, kind)
            if not known:
                self._memory.learn(text, form[0])
            self._changed.append(len(self._texts))
            self._texts.append("")
        elif (text := _as_text(value)) is not None:
            self._texts.append(text)
        elif value.__class__ is int and abs(value) > 99:
            self._numbers.append((len(self._texts), value))
            self._texts.append("")

    def _kind(self, value: Any, key: str, path: Path, beside: Path) -> str:
        """The type that the field's name or declaration gives; empty where it gives none."""
        text = str(value)
        if not text or is_token(text):
            return ""
        declared = self._declaration(path)
        text = without_tokens(text)
        if key in ("name", "Name", "holder"):
            kind = type_of(key, text, beside)
        else:
            known = self._memory.kinds.get((key, text))
            kind = self._memory.kinds[key, text] = type_of(key, text, beside) if known is None else known
        return (kind and self._finder.accepted(kind, text, declared)) or declared

    def _form(self, text: str, kind: str) -> tuple[str, str]:
        form = self._memory.forms.get((text, kind))
        if form is None:
            form = self._memory.forms[text, kind] = self._finder.field_type(text, kind)
        return form

    def _declaration(self, path: Path) -> str:
        if self._declared:
            for place, name in enumerate(path):
                if name in self._declared or (
                    self._dotted and any(".".join(path[start : place + 1]) in self._dotted for start in range(place))
                ):
                    return type_name_of(name)
        return ""

    # --- Building anew ---

    def _rebuild(self, value: Any, path: Path) -> Any:
        node = self._at
        first, last, after = self._nodes[node]
        nearest = bisect_left(self._changed, first)
        if nearest == len(self._changed) or self._changed[nearest] >= last:
            self._at = after
            return value
        self._at = node + 1
        if isinstance(value, dict):
            return self._object(value, node, path)  # pyright: ignore[reportUnknownArgumentType]
        fields = self._fields
        return [
            self._rebuild(part, path)
            if isinstance(part, _CONTAINERS)
            else self._scalar(part, fields.get((node, place)))
            for place, part in enumerate(value)
        ]

    def _object(self, items: dict[Any, Any], node: int, path: Path) -> dict[str, Any]:
        shown, fields = self._shown, self._fields
        declared = self._declaration(path)
        rebuilt: dict[str, Any] = {}
        for key, child in items.items():
            name = str(key)
            new = self._shown_name(name, declared) if declared else shown.get(name, name)
            while new != name and new in rebuilt:
                new += "*"
            if isinstance(child, _CONTAINERS):
                rebuilt[new] = self._rebuild(child, (*path, name) if self._declared else path)
            else:
                rebuilt[new] = self._scalar(child, fields.get((node, name)))
        return rebuilt

    def _scalar(self, value: Any, form: tuple[str, str] | None) -> Any:
        if form is not None:
            return self._memory.token(*form, self._token)
        if value.__class__ is str:
            return self._shown.get(value, value)
        text = _as_text(value)
        if text is not None:
            return self._shown.get(text, value)
        if value.__class__ is int and (known := self._memory.knows(str(value))):
            return self._memory.token(*known, self._token)
        return value

    def _shown_name(self, name: str, declared: str) -> str:
        """What is declared sensitive as a whole may keep its values in its keys."""
        if is_token(name):
            return self._shown.get(name, name)
        return self._memory.token(*self._form(name, declared), self._token)


def type_name_of(field: str) -> str:
    """A token's type out of a field's name: `payer-iban` → `PAYER_IBAN`."""
    name = words(field).upper().replace(" ", "_")[:48].strip("_")
    return name if name[:1].isalpha() else f"FIELD_{name}".strip("_")


def _as_text(leaf: Any) -> str | None:
    """What detectors read of a leaf: texts, and whole numbers that are long enough for a card."""
    if leaf.__class__ is str:
        return leaf
    if leaf.__class__ is int and 10**12 <= leaf < 10**16:
        return str(leaf)
    return str(leaf) if isinstance(leaf, str) else None
