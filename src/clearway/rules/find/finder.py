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
from clearway.rules.find.found import CERTAIN, LIKELY, Found, settle
from clearway.rules.find.known import Leaf, RunMemory
from clearway.rules.find.normal import fold
from clearway.rules.find.patterns import detect
from clearway.rules.find.prose import by_given_name
from clearway.rules.find.regex import in_characters, own_pattern
from clearway.rules.find.trees import Walk

Token = Callable[[str, str], str]

#: What a person shares with thousands, and an agent needs to do its work: a city, a country. Found where asked for.
COARSE = frozenset(("LOCATION",))
_BETWEEN = "\n\0\n"
_OPENING = frozenset("{[ \n\r\t")
#: What the words around or the form have told is looked for in the run's other texts too.
_TOLD = frozenset(("PERSON", "USERNAME", "EMAIL", "DOB"))


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
        """What is personal or secret in `text`, in order, without overlaps. Learns into `memory`, if there is one."""
        memory = RunMemory() if memory is None else memory
        inside = self._fields_in(text, memory)
        return settle([*inside, *self._scan(text, memory)], text)

    def scrub(self, text: str, memory: RunMemory, token: Token) -> str:
        """`tokenize` of one text."""
        return str(self.tokenize(text, memory, token))

    def learn(self, value: Any, memory: RunMemory, declared: Iterable[str] = ()) -> None:
        """Remembers the sensitive fields of a tree; returns and replaces nothing. Errors: `trees.TooDeep`."""
        for text in Walk(self, memory, _no_token, declared).gather(value):
            self._fields_in(text, memory)

    def tokenize(self, value: Any, memory: RunMemory, token: Token, declared: Iterable[str] = ()) -> Any:
        """`value`, a JSON tree, with a pseudonym for everything that is found; `value` itself stays as it is.

        `declared`: names of fields, or dotted paths, that are sensitive as a whole. `token(canonical value, type)`
        makes the pseudonym. Objects stay objects and lists lists; a number that is sensitive becomes its pseudonym's
        text. A tree without findings is returned itself. INVARIANT: `tokenize` of its own result changes nothing.
        Errors: `trees.TooDeep`.
        """
        walk = Walk(self, memory, token, declared)
        self._resolve(walk.gather(value), memory, token)
        return walk.rebuild(value) if walk.has_changes() else value

    def accepted(self, kind: str, text: str, declared: str) -> str:
        """`kind`, as far as the project minds it."""
        if kind in self._ignore or (self._allow and not declared and fold(text).text.strip().lower() in self._allow):
            return ""
        return kind

    def field_type(self, text: str, kind: str) -> tuple[str, str]:
        """(type, canonical value) of a field; a value whose form is certain keeps that form's type under any name."""
        if kind not in _OWN_FORM and 6 <= len(text) <= 64:
            folded = fold(text).text.strip()
            if "@" in folded or sum(map(str.isdigit, folded)) >= 4 or len(folded) >= 20:
                for one in detect(folded, folded.encode("utf-8", "surrogatepass")):
                    if one.weight == CERTAIN and one.start == 0 and one.end == len(folded) and one.type in _FORMS:
                        return one.type, one.value
        return kind, canonical(kind, text)

    # --- The texts ---

    def _resolve(self, texts: list[str], memory: RunMemory, token: Token) -> None:
        """Looks through all new texts in one go: the passes' fixed costs are paid once for a tree."""
        if not texts:
            return
        inside = {text: fields for text in texts if text[:1] in _OPENING and (fields := self._fields_in(text, memory))}
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
            found.setdefault(at, []).append(_moved(one, one.start - begin, end))
        version, leaves = memory.version, memory.leaves
        memory.make_room(texts)
        for text in texts:
            leaves[text] = Leaf(version, text, False)
        for at in found.keys() | {at for at, text in enumerate(texts) if text in inside}:
            text = texts[at]
            settled = settle(found.get(at, []) + inside.get(text, []), text)
            if settled:
                leaves[text] = Leaf(version, _replace(text, settled, memory, token), True)

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
            kind, value = self.field_type(one.value, one.type)
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
        if self._own:
            found += self._by_own_patterns(clean, data)
        if found:
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


#: Forms that tell their type under any field's name.
_FORMS = frozenset(("CARD", "SSN", "IBAN", "EMAIL", "IP", "MAC", "JWT", "API_KEY", "PRIVATE_KEY"))
#: Types whose field is believed whatever its value looks like.
_OWN_FORM = frozenset(("CARD", "SSN", "EMAIL", "PHONE", "PERSON", "DOB", "PASSWORD", "AGE", "GEO", "TRAIT"))


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


def _no_token(value: str, type_name: str) -> str:
    raise AssertionError("Learning makes no tokens.")
