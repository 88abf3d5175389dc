"""Walks over a JSON tree: its fields are learned and its texts collected; then it is built anew with tokens."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from clearway.rules.find.found import is_token, without_tokens
from clearway.rules.find.keys import may_tell, type_of, words
from clearway.rules.find.known import RunMemory

if TYPE_CHECKING:
    from clearway.rules.find.finder import Finder, Token

#: Deeper trees are refused at the doors already.
DEEPEST = 200


class TooDeep(ValueError):
    """A tree is nested deeper than `DEEPEST`. Nothing of it may be stored."""


class Walk:
    """`gather`, then look through what it returns, then `rebuild`."""

    def __init__(self, finder: "Finder", memory: RunMemory, token: "Token", declared: Iterable[str]) -> None:
        self._finder, self._memory, self._token = finder, memory, token
        self._declared = frozenset(declared)
        self._dotted = frozenset(name for name in self._declared if "." in name)
        self._leaves = memory.leaves
        self._texts: list[str] = []
        self._numbers: list[int] = []
        self._has_fields = False

    def gather(self, value: Any) -> list[str]:
        """Learns the fields of a tree; returns the texts that have to be looked through with what is known now."""
        self._look_at(value, "", (), (), 0)
        memory, leaves = self._memory, self._leaves
        touched = memory.touched
        self._texts = list(dict.fromkeys(self._texts))
        pending: list[str] = []
        for text in self._texts:
            leaf = leaves.get(text)
            if leaf is None or (leaf.version < touched and memory.is_stale(text, leaf)):
                pending.append(text)
        return pending

    def has_changes(self) -> bool:
        """Asked once the pending texts are looked through."""
        leaves = self._leaves
        return (
            self._has_fields
            or any(text in leaves and leaves[text].changed for text in self._texts)
            or any(self._memory.knows(str(number)) for number in self._numbers)
        )

    def _look_at(self, value: Any, key: str, path: tuple[str, ...], beside: tuple[str, ...], depth: int) -> None:
        """`key` is the name that the value answers to, also through lists; `beside` are the names next to it."""
        if depth > DEEPEST:
            raise TooDeep(f"The value is nested deeper than {DEEPEST} levels.")
        if isinstance(value, dict):
            items: dict[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
            names = tuple(map(str, items))
            self._texts.extend(names)
            for name, child in zip(names, items.values(), strict=True):
                inner = (*path, name) if self._declared else path
                if child.__class__ is str and not self._declared and not may_tell(name):
                    self._texts.append(child)
                elif isinstance(child, dict | list | tuple):
                    self._look_at(child, name, inner, names, depth + 1)
                else:
                    self._leaf(child, name, inner, names)
        elif isinstance(value, list | tuple):
            parts: list[Any] = value  # pyright: ignore[reportAssignmentType, reportUnknownVariableType]
            for part in parts:
                self._look_at(part, key, path, beside, depth + 1)
        else:
            self._leaf(value, key, path, beside)

    def _leaf(self, value: Any, key: str, path: tuple[str, ...], beside: tuple[str, ...]) -> None:
        if value is None or value.__class__ is bool:
            return
        if key and (self._declared or may_tell(key)) and (kind := self._kind(value, key, path, beside)):
            self._has_fields = True
            text = str(value)
            if (text, kind) not in self._memory.forms:
                self._memory.learn(text, self._form(text, kind)[0])
        elif (text := _as_text(value)) is not None:
            self._texts.append(text)
        elif value.__class__ is int and abs(value) > 99:
            self._numbers.append(value)

    def rebuild(self, value: Any, key: str = "", path: tuple[str, ...] = (), beside: tuple[str, ...] = ()) -> Any:
        if isinstance(value, dict):
            items: dict[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
            names = tuple(map(str, items))
            rebuilt: dict[str, Any] = {}
            for name, child in zip(names, items.values(), strict=True):
                shown = self._shown_key(name, path)
                while shown != name and shown in rebuilt:
                    shown += "*"
                if child.__class__ is str and not self._declared and not may_tell(name):
                    leaf = self._leaves.get(child)
                    rebuilt[shown] = leaf.result if leaf is not None and leaf.changed else child
                else:
                    rebuilt[shown] = self.rebuild(child, name, (*path, name) if self._declared else path, names)
            return rebuilt
        if isinstance(value, list | tuple):
            parts: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
            return [self.rebuild(part, key, path, beside) for part in parts]
        if value is None or value.__class__ is bool:
            return value
        if key and (self._declared or may_tell(key)) and (kind := self._kind(value, key, path, beside)):
            return self._memory.token(*self._form(str(value), kind), self._token)
        text = _as_text(value)
        if text is not None:
            leaf = self._leaves.get(text)
            return leaf.result if leaf is not None and leaf.changed else value
        if value.__class__ is int and (known := self._memory.knows(str(value))):
            return self._memory.token(*known, self._token)
        return value

    def _kind(self, value: Any, key: str, path: tuple[str, ...], beside: tuple[str, ...]) -> str:
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

    def _declaration(self, path: tuple[str, ...]) -> str:
        if self._declared:
            for place, name in enumerate(path):
                if name in self._declared or (
                    self._dotted and any(".".join(path[start : place + 1]) in self._dotted for start in range(place))
                ):
                    return type_name_of(name)
        return ""

    def _shown_key(self, name: str, path: tuple[str, ...]) -> str:
        declared = self._declaration(path) if self._declared else ""
        if declared and not is_token(name):
            # What is declared sensitive as a whole may keep its values in its keys.
            return self._memory.token(*self._form(name, declared), self._token)
        leaf = self._leaves.get(name)
        return leaf.result if leaf is not None and leaf.changed else name


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
