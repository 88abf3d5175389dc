"""What is written in base64: decoded, and looked through as any other text."""

import base64
import binascii
import re
from collections.abc import Callable, Sequence

from clearway.rules.find.found import Found

BLOB = rb"[A-Za-z0-9+/_-]{16,}={0,2}"
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


def decoded(value: str) -> str:
    """The text that `value` says in base64 (either alphabet, padded or not); empty where it says none."""
    bare = value.rstrip("=").translate(_URL_SAFE)
    if len(bare) % 4 == 1:
        return ""
    try:
        text = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return text if _TEXT.fullmatch(text) else ""


def hidden_types(value: str, scan: Callable[[str], Sequence[Found]]) -> str:
    """The type of the weightiest finding inside of a blob; empty where nothing is found."""
    found = scan(decoded(value))
    return max(found, key=lambda one: (one.weight, one.end - one.start)).type if found else ""
