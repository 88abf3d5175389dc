"""Finds and replaces over texts and whole JSON trees; the one entry that other packages use.

    finder, memory = Finder(own_patterns={"POLICY_NO": r"\\bPN-[0-9]{6}\\b"}), RunMemory()
    safe = finder.tokenize(tree, memory, lambda value, kind: sealer.token(value, kind, scope))
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from clearway.rules.find import embedded
from clearway.rules.find.blobs import hidden_types
from clearway.rules.find.canonical import canonical
from clearway.rules.find.found import CERTAIN, LIKELY, Found, is_token, settle
from clearway.rules.find.keys import may_tell, type_of, words
from clearway.rules.find.known import Leaf, RunMemory
from clearway.rules.find.normal import fold
from clearway.rules.find.patterns import detect
from clearway.rules.find.prose import by_given_name
from clearway.rules.find.regex import in_characters, own_pattern

Token = Callable[[str, str], str]

#: What a person shares with thousands, and an agent needs to do its work: a city, a country. Found where asked for.
COARSE = frozenset(("LOCATION",))
#: Deeper trees are refused at the doors already.
DEEPEST = 200
_BETWEEN = "\n\0\n"
#: What the words around or the form have told is looked for in the run's other texts too.
_TOLD = frozenset(("PERSON", "USERNAME", "EMAIL", "DOB"))


class TooDeep(ValueError):
    """A tree is nested deeper than `DEEPEST`. Nothing of it may be stored."""


class Finder:
    """One project's finding: what it never minds (`allow`), what it alone minds (`own_patterns`: type → re2 pattern).

    `ignore`: types that are not wanted. `allow` compares whole findings, without case. Errors: `regex.BadPattern`.
    """

    def __init__(
        self,
        allow: Iterable[str] = (),
        own_patterns: Mapping[str, str] | None = None,
        ignore: Iterable[str] = COARSE,
    ) -> None:
        self._allow = frozenset(fold(text).text.strip().lower() for text in allow)
        self._own = [(name, own_pattern(source)) for name, source in (own_patterns or {}).items()]
        self._ignore = frozenset(ignore)

    def spans(self, text: str, memory: RunMemory | None = None) -> list[Found]:
        """What is personal or secret in `text`, in order and without overlaps. Learns into `memory`, where there is one."""
        memory = RunMemory() if memory is None else memory
        inside = self._fields_in(text, memory)
        return settle([*inside, *self._scan(text, memory)], text)

    def learn(self, value: Any, memory: RunMemory, declared: Iterable[str] = ()) -> None:
        """Remembers the sensitive fields of a tree; returns and replaces nothing. Errors: `TooDeep`."""
        self._gather(value, memory, _Declared(declared), [])

    def tokenize(self, value: Any, memory: RunMemory, token: Token, declared: Iterable[str] = ()) -> Any:
        """`value`, a JSON tree, with a pseudonym for everything that is found; `value` itself stays as it is.

        `declared`: names of fields, or dotted paths, that are sensitive as a whole. `token(canonical value, type)`
        makes the pseudonym. Objects stay objects and lists lists; a number that is sensitive becomes its pseudonym's
        text. INVARIANT: `tokenize` of its own result changes nothing. Errors: `TooDeep`.
        """
        wanted = _Declared(declared)
        pending: list[str] = []
        self._gather(value, memory, wanted, pending)
        self._resolve(pending, memory, token)
        return self._rebuild(value, memory, token, wanted, (), (), 0)

    def scrub(self, text: str, memory: RunMemory, token: Token) -> str:
        """`tokenize` of one text."""
        self._gather(text, memory, _NONE, pending := [])
        self._resolve(pending, memory, token)
        return memory.leaves[text].result if text in memory.leaves else text

    # --- First walk: learn the fields, collect the other texts ---

    def _gather(self, value: Any, memory: RunMemory, wanted: "_Declared", pending: list[str]) -> None:
        for path, siblings, leaf in _leaves(value, (), (), wanted, 0):
            kind = self._kind(path, siblings, leaf, wanted)
            if kind:
                self._learn_field(str(leaf), kind, memory)
                continue
            text = _as_text(leaf)
            if text is not None and (text not in memory.leaves or self._is_stale(text, memory)):
                pending.append(text)

    def _is_stale(self, text: str, memory: RunMemory) -> bool:
        leaf = memory.leaves[text]
        if leaf.version == memory.version:
            return False
        if memory.touches(text, leaf.version):
            return True
        leaf.version = memory.version
        return False

    def _kind(self, path: tuple[str, ...], siblings: tuple[str, ...], leaf: Any, wanted: "_Declared") -> str:
        if not path or leaf is None or isinstance(leaf, bool) or leaf == "":
            return ""
        declared = wanted.name(path)
        if not declared and not may_tell(path[-1]):
            return ""
        text = str(leaf)
        if is_token(text):
            return ""
        kind = type_of(path[-1], text, siblings) or declared
        if kind in self._ignore and not declared:
            return ""
        if self._allow and fold(text).text.strip().lower() in self._allow:
            return ""
        return kind

    def _learn_field(self, text: str, kind: str, memory: RunMemory) -> None:
        memory.learn(text, *self._field_type(text, kind)[:1])

    def _field_type(self, text: str, kind: str) -> tuple[str, str]:
        """(type, canonical value) of a field; a value whose form is certain keeps that form's type under any name."""
        folded = fold(text).text.strip()
        if len(folded) <= 64 and kind not in _OWN_FORM and folded:
            for one in detect(folded, folded.encode("utf-8", "surrogatepass")):
                if one.weight == CERTAIN and one.start == 0 and one.end == len(folded) and one.type in _FORMS:
                    return one.type, one.value
        return kind, canonical(kind, text)

    # --- The texts ---

    def _resolve(self, pending: list[str], memory: RunMemory, token: Token) -> None:
        """Looks through all new texts in one go: the passes' fixed costs are paid once for a tree."""
        texts = list(dict.fromkeys(pending))
        if not texts:
            return
        inside = {text: fields for text in texts if (fields := self._fields_in(text, memory))}
        starts: list[int] = []
        place = 0
        for text in texts:
            starts.append(place)
            place += len(text) + len(_BETWEEN)
        found: dict[int, list[Found]] = {}
        for one in self._scan(_BETWEEN.join(texts), memory):
            at = bisect_right(starts, one.start) - 1
            begin = starts[at]
            end = min(one.end - begin, len(texts[at]))
            found.setdefault(at, []).append(Found(one.start - begin, end, one.type, one.value, one.weight))
        for at, text in enumerate(texts):
            candidates = found.get(at, []) + inside.get(text, [])
            settled = settle(candidates, text) if candidates else []
            memory.keep(text, Leaf(memory.version, _replace(text, settled, memory, token)))

    def _fields_in(self, text: str, memory: RunMemory) -> list[Found]:
        """The telling fields of a text that is JSON; their values are learned."""
        if not embedded.looks_like_json(text):
            return []
        found: list[Found] = []
        for one in embedded.fields(text):
            if one.type in self._ignore or (self._allow and one.value.strip().lower() in self._allow):
                continue
            if embedded.looks_like_json(one.value):
                continue
            kind, value = self._field_type(one.value, one.type)
            memory.learn(one.value, kind)
            found.append(Found(one.start, one.end, kind, value, CERTAIN))
        return found

    def _scan(self, text: str, memory: RunMemory, depth: int = 2) -> list[Found]:
        """Everything in `text` by form, by context and by what the run knows; overlaps too."""
        folded = fold(text)
        clean = folded.text
        data = clean.encode("utf-8", "surrogatepass")
        found = detect(clean, data)
        found += by_given_name(clean)
        found += self._by_own_patterns(clean, data)
        found = list(self._wanted(found, depth))
        for one in found:
            if one.type in _TOLD and one.weight >= LIKELY:
                memory.learn(one.value, one.type, sure=False)
        found += (one for one in memory.occurrences(clean) if one.value.lower() not in self._allow)
        if folded.text is not text:
            found = [_moved(one, *folded.raw(one.start, one.end)) for one in found]
        return found

    def _wanted(self, found: Iterable[Found], depth: int) -> Iterator[Found]:
        for one in found:
            if one.type == "BLOB":
                kind = hidden_types(one.value, lambda text: self._scan(text, RunMemory(), depth - 1)) if depth else ""
                if not kind:
                    continue
                one = Found(one.start, one.end, kind, one.value, LIKELY)
            if one.type not in self._ignore and not (self._allow and one.value.lower() in self._allow):
                yield one

    def _by_own_patterns(self, text: str, data: bytes) -> list[Found]:
        found: list[Found] = []
        for name, pattern in self._own:
            spans = list(pattern.bounded_spans(data))
            if spans and len(data) != len(text):
                places = in_characters(data, [place for span in spans for place in span])
                spans = [(places[start], places[end]) for start, end in spans]
            found += (Found(start, end, name, text[start:end], CERTAIN) for start, end in spans)
        return found

    # --- Second walk: replace ---

    def _rebuild(
        self, value: Any, memory: RunMemory, token: Token, wanted: "_Declared", path: tuple[str, ...],
        siblings: tuple[str, ...], depth: int,
    ) -> Any:  # fmt: skip
        if isinstance(value, dict):
            items: dict[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
            keys = tuple(map(str, items))
            rebuilt: dict[str, Any] = {}
            whole = wanted.covers(path)
            for name, child in items.items():
                key = str(name)
                shown = self._key(key, path, memory, token, whole)
                while shown != key and shown in rebuilt:
                    shown += "*"
                rebuilt[shown] = self._rebuild(child, memory, token, wanted, (*path, key), keys, depth + 1)
            return rebuilt
        if isinstance(value, list | tuple):
            parts: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
            return [self._rebuild(part, memory, token, wanted, path, siblings, depth + 1) for part in parts]
        kind = self._kind(path, siblings, value, wanted)
        if kind:
            return memory.token(*self._field_type(str(value), kind), token)
        text = _as_text(value)
        if text is None:
            return self._number(value, memory, token)
        leaf = memory.leaves.get(text)
        result = text if leaf is None else leaf.result
        return value if result == text else result

    def _key(self, key: str, path: tuple[str, ...], memory: RunMemory, token: Token, whole: bool) -> str:
        if whole and not is_token(key):
            # What is declared sensitive as a whole may keep its values in its keys.
            return memory.token(*self._field_type(key, wanted_name(path)), token)
        leaf = memory.leaves.get(key)
        return key if leaf is None else leaf.result

    def _number(self, value: Any, memory: RunMemory, token: Token) -> Any:
        """A number that the run knows as somebody's."""
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) < 1000:
            return value
        known = memory.knows(str(value))
        return value if known is None else memory.token(*known, token)


class _Declared:
    """Names and dotted paths of fields that are sensitive as a whole."""

    __slots__ = ("_names",)

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)

    def covers(self, path: tuple[str, ...]) -> bool:
        return bool(self._names) and any(
            name in self._names or ".".join(path[: place + 1]) in self._names for place, name in enumerate(path)
        )

    def name(self, path: tuple[str, ...]) -> str:
        """The type that a declaration gives; empty where there is none."""
        if not self._names:
            return ""
        for place, name in enumerate(path):
            if name in self._names or ".".join(path[: place + 1]) in self._names:
                return wanted_name((name,))
        return ""


_NONE = _Declared(())
#: Forms that tell their type under any field's name.
_FORMS = frozenset(("CARD", "SSN", "IBAN", "EMAIL", "IP", "MAC", "JWT", "API_KEY", "PRIVATE_KEY"))
#: Types whose field is believed whatever its value looks like.
_OWN_FORM = frozenset(("CARD", "SSN", "EMAIL", "PHONE", "PERSON", "DOB", "PASSWORD", "AGE", "GEO", "TRAIT"))


def wanted_name(path: tuple[str, ...]) -> str:
    """A token's type out of a field's name: `payer-iban` → `PAYER_IBAN`."""
    name = words(path[-1]).upper().replace(" ", "_")[:48].strip("_") if path else ""
    return name if name[:1].isalpha() else f"FIELD_{name}".strip("_")


def _leaves(
    value: Any, path: tuple[str, ...], siblings: tuple[str, ...], wanted: _Declared, depth: int
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...], Any]]:
    """(path of names, names next to it, leaf) of every scalar; dictionary keys as leaves without a name."""
    if depth > DEEPEST:
        raise TooDeep(f"The value is nested deeper than {DEEPEST} levels.")
    if isinstance(value, dict):
        items: dict[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        keys = tuple(map(str, items))
        for name, child in items.items():
            yield (), (), str(name)
            yield from _leaves(child, (*path, str(name)), keys, wanted, depth + 1)
    elif isinstance(value, list | tuple):
        parts: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
        for part in parts:
            yield from _leaves(part, path, siblings, wanted, depth + 1)
    else:
        yield path, siblings, value


def _as_text(leaf: Any) -> str | None:
    """What detectors read of a leaf: texts, and whole numbers that are long enough for a card."""
    if isinstance(leaf, str):
        return leaf if len(leaf) > 1 else None
    if isinstance(leaf, int) and not isinstance(leaf, bool) and 10**12 <= leaf < 10**16:
        return str(leaf)
    return None


def _moved(one: Found, start: int, end: int) -> Found:
    return Found(start, end, one.type, one.value, one.weight)


def _replace(text: str, found: list[Found], memory: RunMemory, token: Token) -> str:
    if not found:
        return text
    out: list[str] = []
    last = 0
    for one in found:
        out += (text[last : one.start], memory.token(one.type, one.value, token))
        last = one.end
    out.append(text[last:])
    return "".join(out)
