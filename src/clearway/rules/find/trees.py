"""Walks over a JSON tree: its fields are learned, and the texts collected that have to be looked through.

A tree is many small things, so a walk pays for each as little as it can: of a kind of object it knows which fields may
tell something (`known.Shape`), and what the run has looked through already it only passes by.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeGuard

from clearway.rules.find.again import Frozen, Part, frozen
from clearway.rules.find.found import is_token, without_tokens
from clearway.rules.find.keys import LONGEST_KEY, PLAIN_NAMES, about, may_tell, type_of, words
from clearway.rules.find.known import Form, RunMemory, Shape

if TYPE_CHECKING:
    from clearway.rules.find.finder import Finder

#: Deeper trees are refused at the doors already.
DEEPEST = 200
#: Lists that are no deeper may be conversations.
_DEEPEST_CHAT = 2
CONTAINERS = (dict, list, tuple)
_NOTHING_IN = frozenset((type(None), bool))

Path = tuple[str, ...]
#: The name that a value answers to, also through lists; the names above it, where a declaration asks; those next to it;
#: and the type that a declaration gives all of it.
Around = tuple[str, Path, Path, str]
_NONE: frozenset[str] = frozenset()
_UNASKED: Any = object()
_ROOT: Around = ("", (), (), "")


class TooDeep(ValueError):
    """A tree is nested deeper than `DEEPEST`. Nothing of it may be stored."""


class Walk:
    """For one tree.

    `nodes`: its objects and lists as they were met, each with where it stands; the first stands nowhere.
    `fields`: what names or declarations have told. `texts`: what may have changed, or has to be looked through.
    `numbers`: those that a run may know. `named`: the declaration of objects whose names become tokens too.
    `shapes`: of the objects with names that may have changed. `held`: parts of lists that came before and hold
    something that changed; `kept`: those to be remembered, by number. `shown`: what has become of texts.
    """

    __slots__ = ("_declared", "_dotted", "_finder", "_memory", "fields", "held", "kept", "named", "nodes", "numbers",
                 "shapes", "shown", "texts")  # fmt: skip

    def __init__(self, finder: "Finder", memory: RunMemory, declared: Iterable[str]) -> None:
        self._finder, self._memory = finder, memory
        self._declared = frozenset(declared) if declared else _NONE
        self._dotted = frozenset([name for name in self._declared if "." in name]) if self._declared else _NONE
        self.shown: dict[str, str] = {}
        self._begin()

    def _begin(self) -> None:
        self.nodes: list[tuple[Any, int, str | int]] = []
        self.fields: list[tuple[Form, int, str | int]] = []
        self.texts: list[tuple[str, int, str | int]] = []
        self.numbers: list[tuple[int | float, int, str | int]] = []
        self.named: dict[int, str] = {}
        self.shapes: dict[Path, Shape] = {}
        self.held: list[tuple[Part, int, str | int]] = []
        self.kept: list[tuple[dict[Frozen, Part], Frozen, int]] = []

    def gather(self, value: Any) -> list[str]:
        """Learns the fields of a tree; returns the texts that have to be looked through with what is known now."""
        memory = self._memory
        while True:
            touched, version, numbered = memory.touch(), memory.version, memory.numbered
            if isinstance(value, CONTAINERS):
                self._container(value, -1, 0, _ROOT, 0)
            else:
                self._container((value,), -1, 0, _ROOT, -1)
            if version == memory.version or (touched == memory.touch() and numbered == memory.numbered):
                break
            # The tree's own fields have taught something that may be in what seemed to be known; of whole numbers
            # nobody remembers where they were.
            self._begin()
        unread = [text for text, _, _ in self.texts]
        version_of = memory.unchanged.get
        for shape in self.shapes.values():
            if names := [name for name in shape.names if version_of(name, -1) < touched]:
                unread += names
            else:
                memory.settled[shape] = touched
        return memory.unread(unread, self.shown) if unread else unread

    def changes(self) -> bool:
        """Whether something may change, or has to be remembered."""
        known_numbers = self.numbers and self._memory.numbers
        return bool(self.shown or self.fields or self.held or self.kept or self.named or known_numbers)

    def _container(self, value: Any, node: int, place: str | int, around: Around, depth: int) -> None:
        if depth > DEEPEST:
            raise TooDeep(f"The value is nested deeper than {DEEPEST} levels.")
        self.nodes.append((value, node, place))
        node = len(self.nodes) - 1
        if not isinstance(value, dict):
            self._list(value, node, around, depth)
        else:
            subject = about(around[0]) if around[0] else ""
            shape = self._shape(value, subject)  # pyright: ignore[reportUnknownArgumentType]
            if self._declared and (around[3] or self._dotted or not self._declared.isdisjoint(shape.names)):
                self._declared_object(value, shape, node, around, depth)  # pyright: ignore[reportUnknownArgumentType]
            else:
                self._object(value, shape, node, depth)  # pyright: ignore[reportUnknownArgumentType]

    def _shape(self, items: dict[Any, Any], subject: str) -> Shape:
        memory, names = self._memory, tuple(items)
        shape = memory.shapes.get((names, subject) if subject else names) or memory.shape(names, subject)
        if memory.settled.get(shape, -1) < memory.touched:
            self.shapes[shape.names] = shape
        return shape

    def _object(self, items: dict[Any, Any], shape: Shape, node: int, depth: int) -> None:
        """Without a declaration that could concern the object's own fields."""
        texts, version_of, touched = self.texts, self._memory.unchanged.get, self._memory.touched
        answers = shape.answers
        if shape.named_within:
            self._named_within(items, shape, node)
        for name, tells, child in zip(shape.names, shape.tells, items.values(), strict=True):
            kind = child.__class__
            if kind is str and not tells:
                if version_of(child, -1) < touched:
                    texts.append((child, node, name))
            elif kind is int and not tells:
                if not -100 < child < 100:
                    self._number(child, node, name)
            elif kind in _NOTHING_IN:
                pass
            elif isinstance(child, CONTAINERS):
                self._container(child, node, name, (name, (), shape.names, ""), depth + 1)
            elif not (
                tells and self._field(child, node, name, (answers[name] if answers else name, (), shape.beside, ""))
            ):
                self._leaf(child, node, name)

    def _named_within(self, items: dict[Any, Any], shape: Shape, node: int) -> None:
        """Fields that texts name: of `{"name": "last_name", "value": …}`, and of columns and rows."""
        if shape.pair:
            said, value = items.get(shape.pair[0]), items.get(shape.pair[1])
            if _is_telling(said) and _is_plain(value):
                self._field(value, node, shape.pair[1], (said[:LONGEST_KEY], (), shape.names, ""))
        if shape.table:
            self._learn_table(items.get(shape.table[0]), items.get(shape.table[1]))

    def _learn_table(self, columns: Any, rows: Any) -> None:
        """What rows say under a column that tells is learned, and so found in them."""
        if not (isinstance(columns, list) and isinstance(rows, list)):
            return
        names: list[Any] = columns  # pyright: ignore[reportUnknownVariableType]
        telling = [(at, name) for at, name in enumerate(names) if _is_telling(name)]
        beside = tuple(name for name in names if isinstance(name, str))
        for row in rows if telling else ():  # pyright: ignore[reportUnknownVariableType]
            cells: Any = row if isinstance(row, list | tuple) else ()  # pyright: ignore[reportUnknownVariableType]
            for at, name in telling:
                if at < len(cells) and _is_plain(cells[at]):
                    self._form_of(str(cells[at]), (name, (), beside, ""))

    def _declared_object(self, items: dict[Any, Any], shape: Shape, node: int, around: Around, depth: int) -> None:
        _, path, _, declared = around
        if declared and not all(map(is_token, shape.names)):
            self.named[node] = declared
            for name in shape.names:
                if not is_token(name):
                    self._finder.form(name, declared, self._memory, declared=True)
        for name, tells, child in zip(shape.names, shape.tells, items.values(), strict=True):
            inner = (*path, name) if self._dotted else path
            answer = shape.answers[name] if shape.answers else name
            told = declared or self._declaration(name, inner)
            if isinstance(child, CONTAINERS):
                self._container(child, node, name, (name, inner, shape.names, told), depth + 1)
            elif (
                child is not None
                and (told or child.__class__ is not bool)
                and not ((tells or told) and self._field(child, node, name, (answer, inner, shape.beside, told)))
            ):
                self._leaf(child, node, name)

    def _list(self, parts: Any, node: int, around: Around, depth: int) -> None:
        _, path, _, declared = around
        if len(parts) > 1 and depth <= _DEEPEST_CHAT and not declared:
            known = self._memory.again.parts(parts[0], (depth, path, self._declared, about(around[0])))
            if known is not None:
                self._parts_again(parts, node, around, depth, known)
                return
        for place, part in enumerate(parts):
            self._list_item(part, node, place, around, depth)

    def _list_item(self, part: Any, node: int, place: int, around: Around, depth: int) -> None:
        if isinstance(part, CONTAINERS):
            self._container(part, node, place, around, depth + 1)
        elif part is not None and (around[3] or part.__class__ is not bool):
            key, _, _, declared = around
            if not (key and (declared or may_tell(key)) and self._field(part, node, place, around)):
                self._leaf(part, node, place)

    def _leaf(self, value: Any, node: int, place: str | int) -> None:
        if isinstance(value, str):
            if self._memory.unchanged.get(value, -1) < self._memory.touched:
                self.texts.append((str(value), node, place))
        elif value.__class__ is int:
            self._number(value, node, place)
        elif value.__class__ is float:
            self.numbers.append((value, node, place))

    def _number(self, value: int, node: int, place: str | int) -> None:
        """Detectors read whole numbers that are long enough for a card."""
        if 10**12 <= value < 10**16:
            if self._memory.unchanged.get(text := str(value), -1) < self._memory.touched:
                self.texts.append((text, node, place))
        else:
            self.numbers.append((value, node, place))

    def _field(self, value: Any, node: int, place: str | int, around: Around) -> bool:
        """Whether the field's name or declaration tells what its value is."""
        if value.__class__ is bool:
            # Its token tells no less than itself to whoever knows one of them, but the field says nothing by itself.
            self.fields.append(((around[3], "true" if value else "false"), node, place))
            return True
        text = str(value)
        asked = (around[0], text, around[3])
        form = self._memory.told.get(asked, _UNASKED)
        if form is _UNASKED:
            form = self._form_of(text, around)
            if words(around[0]) not in PLAIN_NAMES:
                self._memory.told[asked] = form
        if form is None:
            return False
        self.fields.append((form, node, place))
        return True

    def _form_of(self, text: str, around: Around) -> Form | None:
        """What the name or the declaration makes of the value, which is learned."""
        if not text or is_token(text):
            return None
        key, _, beside, declared = around
        bare = without_tokens(text)
        kind = type_of(key, bare, beside)
        kind = (kind and self._finder.accepted(kind, bare, declared)) or declared
        return self._finder.form(text, kind, self._memory, declared=bool(declared)) if kind else None

    def _declaration(self, name: str, path: Path) -> str:
        if name in self._declared or (
            self._dotted and any(".".join(path[start:]) in self._dotted for start in range(len(path) - 1))
        ):
            return type_name_of(name)
        return ""

    # --- What comes again ---

    def _parts_again(self, parts: Any, node: int, around: Around, depth: int, known: dict[Frozen, Part]) -> None:
        """The parts of a list of which some came before. Only objects are remembered."""
        memory, within = self._memory, (around[0], around[1], (), "")
        for place, part in enumerate(parts):
            if part.__class__ is not dict:
                self._list_item(part, node, place, around, depth)
                continue
            form = frozen(part)
            if form is not None:
                if (held := known.get(form)) is not None and memory.holds(held, part):
                    if held.result is not None:
                        self.held.append((held, node, place))
                    continue
                self.kept.append((known, form, len(self.nodes)))
            self._container(part, node, place, within, depth + 1)


def _is_telling(name: Any) -> TypeGuard[str]:
    return isinstance(name, str) and may_tell(name[:LONGEST_KEY])


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and value.__class__ is not bool


def type_name_of(field: str) -> str:
    """A token's type out of a field's name: `payer-iban` → `PAYER_IBAN`."""
    name = words(field).upper().replace(" ", "_")[:48].strip("_")
    return name if name[:1].isalpha() else f"FIELD_{name}".strip("_")
