"""What is written in base64 or in hexadecimal digits: decoded, and looked through as any other text."""

import base64
import binascii
import re
from collections.abc import Callable, Sequence

from clearway.rules.find.found import Found

BLOB = rb"[A-Za-z0-9+/_-]{16,}={0,2}"
#: Bytes that are all ASCII's printable ones, so no digest.
HEX = rb"\b(?:0x)?((?:[2-7][0-9A-Fa-f]){10,})\b"
HEX_BEGUN = rb"(?:[2-7][0-9A-Fa-f]){10}"
_HEX = re.compile(r"(?:[2-7][0-9A-Fa-f])+")
#: In sixteen characters one is at least eight away from an end: a capital letter, else not even a small one.
NOT_A_WORD = rb"[A-Z][A-Za-z0-9+/_-]{8}|[A-Za-z0-9+/_-]{8}[A-Z]|[0-9+/_-]{16}"
#: Longer ones are files; decoding is bounded.
LONGEST = 400_000
_TEXT = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]*")
_URL_SAFE = str.maketrans("-_", "+/")


def as_blob(text: str, start: int, end: int) -> Found | None:
    value = text[start:end]
    if value.islower() or value.isupper() or not value[0].isalnum() or len(value) > LONGEST:
        return None
    return Found(start, end, "BLOB", value) if decoded(value) else None


def as_hex(text: str, start: int, end: int) -> Found | None:
    value = text[start:end]
    if len(value) > LONGEST or (value.isdecimal() and not _digits_only(value)):
        return None
    return Found(start, end, "BLOB", value)


def _digits_only(value: str) -> bool:
    """Digits that are digits once more, and too many for a number."""
    return len(value) >= 24 and len(value) % 2 == 0 and bytes.fromhex(value).isdigit()


def decoded(value: str) -> str:
    """The text that `value` says in hexadecimal digits or in base64 (either alphabet, padded or not; of UTF-8 or
    UTF-16); empty where it says none."""
    if _HEX.fullmatch(value) and len(value) % 2 == 0:
        return bytes.fromhex(value).decode()
    bare = value.rstrip("=").translate(_URL_SAFE)
    if len(bare) % 4 == 1:
        return ""
    try:
        data = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
        text = data.decode(_encoding(data))
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return text if _TEXT.fullmatch(text) else ""


def _encoding(data: bytes) -> str:
    """UTF-16 where every other byte is 0: text in Latin letters and digits."""
    if len(data) % 2 == 0:
        if not any(data[1::2]):
            return "utf-16-le"
        if not any(data[::2]):
            return "utf-16-be"
    return "utf-8"


def hidden_types(value: str, scan: Callable[[str], Sequence[Found]]) -> str:
    """The type of the weightiest finding inside of a blob; empty where nothing is found."""
    found = scan(decoded(value))
    return max(found, key=lambda one: (one.weight, one.end - one.start)).type if found else ""
