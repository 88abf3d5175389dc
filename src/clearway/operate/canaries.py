"""Looks for planted values in bytes, whatever they are dressed up as: encoded, escaped, compressed by nobody.

Known: plain (without case), its digits alone or in fours, UTF-16, hex, base64 (each of the three ways it can fall, both
alphabets), JSON's and URLs' escapes, HTML's, reversed. Not: encrypted, hashed, cut into pieces.
"""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote, quote_plus

from clearway.rules.find.regex import Pattern

#: A shorter one would be met by chance.
SHORTEST = 6
_SHORTEST_PIECE = 4


class Sighting(NamedTuple):
    """`number` of the canary, from 0; `form` it was seen in; bytes from `start` to `end`."""

    number: int
    form: str
    start: int
    end: int


#: (number of the canary, bytes of it before the border)
Cut = tuple[int, int]


class Canaries:
    """`values`: at least `SHORTEST` bytes each; shorter ones are in `too_short`, by number."""

    def __init__(self, values: Iterable[str]) -> None:
        self._needles: dict[bytes, tuple[int, str]] = {}
        self._plain: list[bytes] = []
        self.too_short: list[int] = []
        for number, value in enumerate(values):
            plain = value.strip().encode()
            self._plain.append(plain)
            if len(plain) < SHORTEST:
                self.too_short.append(number)
                continue
            for form, needle in _forms(value.strip()):
                self._needles.setdefault(needle.lower(), (number, form))
        self.longest = max(map(len, self._needles), default=0)
        sources = sorted(self._needles, key=len, reverse=True)
        self._pattern = Pattern(b"(?i)" + b"|".join(map(_literal, sources))) if sources else None

    def __bool__(self) -> bool:
        return self._pattern is not None

    def sightings(self, data: bytes) -> Iterator[Sighting]:
        if self._pattern is not None:
            for start, end in self._pattern.spans(data):
                number, form = self._needles[data[start:end].lower()]
                yield Sighting(number, form, start, end)

    def cuts(self, tail: bytes, head: bytes) -> tuple[list["Cut"], list["Cut"]]:
        """Where plain values may be cut: (those whose beginning `tail` ends with, those whose rest `head` begins with).
        A value stands there where both are found, in whatever pages."""
        tail, head = tail.lower(), head.lower()
        begun: list[Cut] = []
        ended: list[Cut] = []
        for number, plain in enumerate(self._plain):
            for cut in range(_SHORTEST_PIECE, len(plain) - _SHORTEST_PIECE + 1):
                if tail.endswith(plain[:cut].lower()):
                    begun.append((number, cut))
                if head.startswith(plain[cut:].lower()):
                    ended.append((number, cut))
        return begun, ended


def _forms(value: str) -> Iterator[tuple[str, bytes]]:
    plain = value.encode()
    yield "plain", plain
    yield "utf-16", value.encode("utf-16-le")
    yield "utf-16", value.encode("utf-16-be")
    yield "hex", plain.hex().encode()
    yield "reversed", value[::-1].encode()
    yield from (("base64", piece) for piece in _base64(plain))
    yield "json", json.dumps(value)[1:-1].encode()
    yield "json", json.dumps(value)[1:-1].replace("/", "\\/").encode()
    yield "json", "".join(f"\\u{ord(char):04x}" for char in value if ord(char) < 0x10000).encode()
    yield "url", quote(value, safe="").encode()
    yield "url", quote_plus(value).encode()
    yield "url", "".join(f"%{byte:02x}" for byte in plain).encode()
    yield "html", html.escape(value).encode()
    digits = re.sub(r"\D", "", value)
    if len(digits) >= 8 and len(digits) * 2 > len(value):
        yield "digits", digits.encode()
        yield from (("digits", mark.join(re.findall(".{1,4}", digits)).encode()) for mark in " -")


def _base64(plain: bytes) -> Iterator[bytes]:
    """What is the same whatever stands before and behind."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + plain)
        skipped, whole = -(-before * 8 // 6), (before + len(plain)) * 8 // 6
        piece = encoded[skipped:whole]
        if len(piece) >= 8:
            yield piece
            yield piece.translate(bytes.maketrans(b"+/", b"-_"))


def _literal(needle: bytes) -> bytes:
    return b"".join(b"\\x%02x" % byte for byte in needle)
