"""What a text says under its disguise, with a way back to its own places.

Undone: compatibility forms (full-width digits; NFKC, UAX #15), digits of other scripts, characters that nobody sees,
typographic dashes and quotes, `%40`, entities of HTML (`&nbsp;`, `&#64;`), and JSON escapes in a text that is no JSON.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\U000e0000-\U000e0fff]"
)
#: A run of characters outside ASCII, with the letter before it that a combining mark may belong to.
_RUN = re.compile(r"[^\x00-\x7f]+")
_CLUSTER_MARK = re.compile(r"[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\u3099\u309a]")
_MARKS = re.compile(rf"{_CLUSTER_MARK.pattern}+")
_CLUSTER = re.compile(r"(?s).[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\u3099\u309a]*")
_PERCENT = re.compile(r"%(?:25){0,3}([2-7][0-9A-Fa-f])")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|([nrt/\"]))")
#: Not `&lt;`: nothing of a text may become a pseudonym's bracket.
_ENTITY = re.compile(
    r"&(?:#([0-9]{2,6})|#[xX]([0-9A-Fa-f]{2,5})|(nbsp|amp|commat|period|hyphen|colon|sol|quot|apos|shy));"
)
_ENTITIES = {
    "nbsp": " ", "amp": "&", "commat": "@", "period": ".", "hyphen": "-", "colon": ":", "sol": "/", "quot": '"',
    "apos": "'", "shy": "",
}  # fmt: skip
_QUOTED = re.compile(r"\\(?:u([dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}|[0-9A-Fa-f]{4})|(.))", re.DOTALL)
_MEANT = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_DASHES = dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d\u30fc", "-")
_QUOTES = {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2028": "\n", "\u2029": "\n"}
_PLAIN = _DASHES | _QUOTES


class Folded:
    """`text` is what detectors read. `raw(start, end)` are the places in the original."""

    __slots__ = ("_begins", "_pieces", "text")

    def __init__(self, text: str, pieces: list[tuple[int, int, int, int]] | None = None) -> None:
        self.text = text
        #: (start here, end here, start there, end there) of what was changed.
        self._pieces = pieces or []
        self._begins = [piece[0] for piece in self._pieces]

    def raw(self, start: int, end: int) -> tuple[int, int]:
        """The shortest part of the original that holds all of `text[start:end]`."""
        if not self._pieces:
            return start, end
        return self._start(start), self._end(end)

    def saying(self, text: str) -> "Folded":
        """The same way back for another text of the same length."""
        return Folded(text, self._pieces)

    def _start(self, place: int) -> int:
        at = bisect_right(self._begins, place) - 1
        # Of several changed pieces that begin here, all but the last have become nothing.
        if at < 0:
            return place
        _, end, there, there_end = self._pieces[at]
        return there if place < end else there_end + place - end

    def _end(self, place: int) -> int:
        at = bisect_right(self._begins, place - 1) - 1
        if at < 0:
            return place
        _, end, _, there_end = self._pieces[at]
        return there_end if place <= end else there_end + place - end


def is_plain(text: str) -> bool:
    """Whether detectors read `text` as it is: most texts, and then nothing has to be undone."""
    return text.isascii() and "%" not in text and "\\" not in text and "&" not in text


def folded(text: str) -> str:
    """The text of `fold`."""
    return text if is_plain(text) else fold(text).text


def fold(text: str) -> Folded:
    """`text` as detectors read it. Linear; at most 18 characters stand for one (NFKC)."""
    folded = Folded(text)
    if "\\" in text:
        folded = _rewrite(folded, _escape_edits(text))
    if "&" in folded.text:
        folded = _rewrite(folded, _entity_edits(folded.text))
    if not folded.text.isascii():
        folded = _fold_unicode(folded)
    if "%" in folded.text:
        folded = _rewrite(folded, _percent_edits(folded.text))
    return folded


def _fold_unicode(folded: Folded) -> Folded:
    """Characters that stand for one other each are simply exchanged; only what changes its length needs a way back."""
    text = folded.text
    foreign = set("".join(_RUN.findall(text)))
    if any(len(plain(char)) != 1 or _CLUSTER_MARK.match(char) for char in foreign):
        return _rewrite(folded, _unicode_edits(text))
    for char in foreign:
        if plain(char) != char:
            text = text.replace(char, plain(char))
    return folded if text is folded.text else folded.saying(text)


def _unicode_edits(text: str) -> Iterator[tuple[int, int, str]]:
    last = 0
    for run in _RUN.finditer(text):
        for cluster in _CLUSTER.finditer(text, max(last, run.start() - 1), run.end()):
            old = cluster.group()
            new = plain(old)
            if new != old:
                yield cluster.start(), cluster.end(), new
        last = run.end()


@lru_cache(maxsize=16_384)
def plain(cluster: str) -> str:
    """A letter with its marks, normalised; empty where nobody sees it."""
    if len(cluster) == 1:
        if cluster in _PLAIN:
            return _PLAIN[cluster]
        if cluster > "\x7f" and cluster.isdecimal():
            return str(unicodedata.decimal(cluster))
    said = _INVISIBLE.sub("", unicodedata.normalize("NFKC", cluster))
    # A digit that is struck through or ringed is that digit.
    return said[0] if len(said) > 1 and said[0].isdigit() and said[0].isascii() and _MARKS.fullmatch(said, 1) else said


def _percent_edits(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _PERCENT.finditer(text):
        yield match.start(), match.end(), chr(int(match.group(1), 16))


def _entity_edits(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _ENTITY.finditer(text):
        decimal, hexadecimal, name = match.groups()
        code = int(decimal) if decimal else int(hexadecimal, 16) if hexadecimal else 0
        if name:
            yield match.start(), match.end(), _ENTITIES[name]
        elif 32 <= code < 0x30000 and not 0xD800 <= code < 0xE000 and code not in (0x3C, 0x3E):
            yield match.start(), match.end(), chr(code)


def _escape_edits(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _ESCAPE.finditer(text):
        code, char = match.groups()
        if code and code[0] in "dD" and code[1] in "89abcdefABCDEF":
            continue  # half of a pair: JSON text writes what lies beyond the first plane so, and no detector needs it
        yield match.start(), match.end(), chr(int(code, 16)) if code else {"/": "/", '"': '"'}.get(char, " ")


def unquoted(literal: str) -> Folded:
    """What the inside of a JSON string says."""
    return _rewrite(Folded(literal), _quoted_edits(literal))


def _quoted_edits(literal: str) -> Iterator[tuple[int, int, str]]:
    for match in _QUOTED.finditer(literal):
        code, char = match.groups()
        if code and len(code) > 4:
            high, low = int(code[:4], 16), int(code[6:], 16)
            new = chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
        else:
            new = chr(int(code, 16)) if code else _MEANT.get(char, char)
        yield match.start(), match.end(), new


def _rewrite(before: Folded, edits: Iterator[tuple[int, int, str]]) -> Folded:
    """`before` with `edits` (start, end, new text; in order) made."""
    out: list[str] = []
    pieces: list[tuple[int, int, int, int]] = []
    source, last, size = before.text, 0, 0
    for start, end, new in edits:
        out += (source[last:start], new)
        size += start - last
        pieces.append((size, size + len(new), start, end))
        size += len(new)
        last = end
    if not pieces:
        return before
    out.append(source[last:])
    after = Folded("".join(out), pieces)
    if not before._pieces:  # pyright: ignore[reportPrivateUsage]
        return after
    return _Chain("".join(out), after, before)


class _Chain(Folded):
    """Two rewritings, one after the other."""

    __slots__ = ("_after", "_before")

    def __init__(self, text: str, after: Folded, before: Folded) -> None:
        super().__init__(text)
        self._after, self._before = after, before
        self._pieces = after._pieces

    def saying(self, text: str) -> Folded:
        return _Chain(text, self._after, self._before)

    def raw(self, start: int, end: int) -> tuple[int, int]:
        return self._before.raw(*self._after.raw(start, end))
