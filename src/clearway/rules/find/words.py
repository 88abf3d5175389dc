"""The words of a text, by which a run knows without a search that a value cannot be in it."""

import re
from collections.abc import Collection

_WORD = re.compile(r"[^\W_]+")
_SMALL = bytes(ord(chr(code).lower()) if code < 128 and chr(code).isalnum() else 32 for code in range(256))


def lower(text: str) -> str:
    """Lower case with every character in its place."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(char.lower() if len(char.lower()) == 1 else char for char in text)


def all_words(text: str) -> Collection[str]:
    """The runs of letters and digits of a folded text, in lower case."""
    if text.isascii():
        return text.encode().translate(_SMALL).decode().split()
    return _WORD.findall(lower(text))


def head_of(low: str) -> str:
    """A word that is in each text in which `low` stands by itself; the longest, for that is the rarest. May be empty.

    INVARIANT: a known value counts only where no letter or digit touches it, so its words are words of the text.
    """
    if low.isalnum():
        return low
    if low[-4:].isdecimal() and not low[-5:-4].isalnum():
        return low[-4:]
    return max(all_words(low), key=len, default="")
