"""Finds and replaces over texts and whole JSON trees; the one entry that other packages use.

finder, memory = Finder(own_patterns={"POLICY_NO": r"\\bPN-[0-9]{6}\\b"}), RunMemory()
safe = finder.tokenize(tree, memory, lambda value, kind: sealer.token(value, kind, scope))
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from clearway.rules.find import embedded
from clearway.rules.find.blobs import hidden_types
from clearway.rules.find.canonical import canonical
from clearway.rules.find.found import CERTAIN, LIKELY, Found, settle
from clearway.rules.find.known import Form, RunMemory
from clearway.rules.find.lexicon import LONG
from clearway.rules.find.normal import fold, folded, is_plain
from clearway.rules.find.patterns import detect
from clearway.rules.find.rebuilt import Rebuilding
from clearway.rules.find.regex import in_characters, own_pattern
from clearway.rules.find.trees import Walk
from clearway.rules.find.words import all_words

#: Makes the pseudonym of a canonical value of a type; empty for one that stays as it was written.
Token = Callable[[str, str], str]

#: What a person shares with thousands, and an agent needs to do its work: a city, a country. Found where asked for.
COARSE = frozenset(("LOCATION",))
_BETWEEN = "\n\0\n"
_OPENING = frozenset('{[" \n\r\t')
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
        self._allow = frozenset(folded(text).strip().lower() for text in allow)
        self._own = [(name, own_pattern(source)) for name, source in (own_patterns or {}).items()]
        self._ignore = frozenset(ignore)

    def spans(self, text: str, memory: RunMemory | None = None) -> list[Found]:
        """What is personal or secret in `text`, in order, without overlaps. Learns into `memory`, if there is one."""
        memory = RunMemory() if memory is None else memory
        memory.make_room(len(text))
        inside = self._fields_in(text, memory) if embedded.looks_like_json(text) else ()
        return settle([*inside, *self._scan(text, memory)], text)

    def scrub(self, text: str, memory: RunMemory, token: Token) -> str:
        """`tokenize` of one text."""
        return str(self.tokenize(text, memory, token))

    def learn(self, value: Any, memory: RunMemory, declared: Iterable[str] = ()) -> None:
        """Remembers the sensitive fields of a tree; returns and replaces nothing. Errors: `trees.TooDeep`."""
        for text in Walk(self, memory, declared).gather(value):
            if embedded.looks_like_json(text):
                self._fields_in(text, memory)

    def tokenize(self, value: Any, memory: RunMemory, token: Token, declared: Iterable[str] = ()) -> Any:
        """`value`, a JSON tree, with a pseudonym for everything that is found; `value` itself stays as it is.

        `declared`: names of fields, or dotted paths, that are sensitive as a whole. `token(canonical value, type)`
        makes the pseudonym. Objects stay objects and lists lists; a number that is sensitive becomes its pseudonym's
        text. A tree without findings is returned itself. INVARIANT: `tokenize` of its own result changes nothing.
        Errors: `trees.TooDeep`.
        """
        walk = Walk(self, memory, declared)
        unread = walk.gather(value)
        version = memory.version
        if unread:
            walk.shown.update(self._resolve(unread, memory, token))
        if not walk.changes():
            return value
        return Rebuilding(self, memory, token, walk).rebuild(value, version)

    def accepted(self, kind: str, text: str, declared: str) -> str:
        """`kind`, as far as the project minds it."""
        if kind in self._ignore or (self._allow and not declared and folded(text).strip().lower() in self._allow):
            return ""
        return kind

    def form(self, text: str, kind: str, memory: RunMemory, *, declared: bool = False) -> Form:
        """`field_type`, worked out once a run; the value is learned."""
        form = memory.forms.get((text, kind))
        if form is None:
            form = memory.forms[text, kind] = self.field_type(text, kind)
            memory.learn(text, form[0], declared=declared)
        elif declared:
            memory.learn(text, form[0], declared=True)
        return form

    def field_type(self, text: str, kind: str) -> Form:
        """(type, canonical value) of a field; a value whose form is certain keeps that form's type under any name."""
        if kind not in _OWN_FORM and 6 <= len(text) <= 64:
            said = folded(text).strip()
            if _may_have_form(said):
                for one in detect(said, said.encode("utf-8", "surrogatepass")):
                    if one.weight == CERTAIN and one.start == 0 and one.end == len(said) and one.type in _FORMS:
                        return one.type, one.value
        return kind, canonical(kind, text)

    # --- The texts ---

    def _resolve(self, texts: list[str], memory: RunMemory, token: Token) -> dict[str, str]:
        """What changes of the new texts. All are looked through in one go: the passes' fixed costs are paid once."""
        joined = _BETWEEN.join(texts)
        memory.make_room(len(joined))
        found = self._fields_in_all(texts, joined, memory)
        found += self._scan(joined, memory)
        changed = self._replaced(texts, joined, found, memory, token) if found else {}
        memory.looked_through(texts, changed)
        return changed

    def _replaced(
        self, texts: list[str], joined: str, found: list[Found], memory: RunMemory, token: Token
    ) -> dict[str, str]:
        """The texts in which something was found, with pseudonyms in its place."""
        if len(texts) == 1:
            return {joined: _spliced(joined, 0, settle(found, joined), memory, token)}
        starts = _starts(texts)
        by_text: dict[int, list[Found]] = {}
        for one in settle(_within(found, texts, starts), joined):
            by_text.setdefault(bisect_right(starts, one.start) - 1, []).append(one)
        return {texts[at]: _spliced(texts[at], starts[at], ones, memory, token) for at, ones in by_text.items()}

    def _fields_in_all(self, texts: list[str], joined: str, memory: RunMemory) -> list[Found]:
        """The telling fields of those of the texts that are JSON, at their places in all of them joined."""
        found: list[Found] = []
        if "{" in joined or "[" in joined:
            start = 0
            for text in texts:
                if text[:1] in _OPENING and embedded.looks_like_json(text):
                    found += self._fields_in(text, memory, start)
                start += len(text) + len(_BETWEEN)
        return found

    def _fields_in(self, text: str, memory: RunMemory, offset: int = 0) -> list[Found]:
        """The telling fields of a text that is JSON, `offset` further on; their values are learned."""
        found: list[Found] = []
        for start, end, kind, value in embedded.fields(text):
            if kind in self._ignore or (self._allow and value.strip().lower() in self._allow):
                continue
            found.append(Found(start + offset, end + offset, *self.form(value, kind, memory), CERTAIN))
        return found

    def _scan(self, text: str, memory: RunMemory, depth: int = 2) -> list[Found]:
        """Everything in `text` by form, by context and by what the run knows; overlaps too."""
        back = None if is_plain(text) else fold(text)
        clean = text if back is None else back.text
        data = clean.encode("utf-8", "surrogatepass")
        words = all_words(clean) if len(clean) <= LONG else None
        found = detect(clean, data, names=True, words=words)
        if self._own:
            found += self._by_own_patterns(clean, data)
        if found:
            found = list(self._wanted(found, depth))
            for one in found:
                if one.type in _TOLD and one.weight >= LIKELY:
                    memory.learn(one.value, one.type, sure=False)
        known = memory.occurrences(clean, words)
        found += (one for one in known if one.value.lower() not in self._allow) if self._allow else known
        if back is not None and clean is not text:
            found = [_moved(one, *back.raw(one.start, one.end)) for one in found]
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


def _may_have_form(said: str) -> bool:
    """Whether a short text may be one of `_FORMS`: most may not, and cost nothing more. A key or a token has no blank,
    an IBAN begins with two letters and two digits, and all the others have an `@` or more digits than a house number or
    a login, or separators between them."""
    if "@" in said or (len(said) >= 20 and " " not in said) or said.startswith("-----"):
        return True
    digits = sum(map(str.isdigit, said))
    return digits >= 9 or (
        digits >= 4
        and (("." in said or ":" in said or said.count("-") > 1) or (len(said) >= 15 and said[2:4].isdigit()))
    )


def _moved(one: Found, start: int, end: int) -> Found:
    return Found(start, end, one.type, one.value, one.weight)


def _spliced(text: str, begins: int, found: list[Found], memory: RunMemory, token: Token) -> str:
    """`text`, which begins at `begins` of what was looked through, with pseudonyms for what was found in it."""
    out: list[str] = []
    place = 0
    for one in found:
        start, end = one.start - begins, one.end - begins
        out += (text[place:start], memory.token(one.type, one.value, token) or text[start:end])
        place = end
    out.append(text[place:])
    return "".join(out)


def _starts(texts: list[str]) -> list[int]:
    """Where each text begins in all of them joined."""
    return list(accumulate([len(text) + len(_BETWEEN) for text in texts[:-1]], initial=0))


def _within(found: list[Found], texts: list[str], starts: list[int]) -> list[Found]:
    """Nothing reaches beyond the text that it begins in."""
    kept: list[Found] = []
    for one in found:
        at = bisect_right(starts, one.start) - 1
        end = starts[at] + len(texts[at])
        kept.append(one if one.end <= end else _moved(one, one.start, end))
    return kept
