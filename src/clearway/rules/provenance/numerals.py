"""Numbers as people and programs write them."""

import re
from decimal import Decimal

_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_POINTED = re.compile(r"\d{1,3}(?:\.\d{3})+,\d+")
_COMMA = re.compile(r"\d+,\d{1,2}")
_PLAIN = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d{1,2})?", re.IGNORECASE)
_LEADING_ZERO = re.compile(r"0\d")
_AROUND = re.compile(r"(?P<sign>[+-]?)[$€£¥]?(?P<number>[\d.,e+-]+?)(?:%|[$€£¥]|st|nd|rd|th)?", re.IGNORECASE)
#: More digits are no amount.
_LONGEST = 40


def number(text: str) -> str | None:
    """`1,000.00`, `$1000`, `1.000,00 €` → `1000`; None where it is not a number, as `0044`.

    A comma before groups of three divides thousands, before one or two digits it is the decimal sign.
    """
    text = text.strip(".,:;!?'’\"*()")
    if not text or len(text) > _LONGEST or not any(map(str.isdigit, text)):
        return None
    around = _AROUND.fullmatch(text)
    if around is None:
        return None
    written = around["number"]
    if _GROUPED.fullmatch(written):
        written = written.replace(",", "")
    elif _POINTED.fullmatch(written):
        written = written.replace(".", "").replace(",", ".")
    elif _COMMA.fullmatch(written):
        written = written.replace(",", ".")
    elif not _PLAIN.fullmatch(written) or _LEADING_ZERO.match(written):
        return None
    return shortest(Decimal(("-" if around["sign"] == "-" else "") + written))


def shortest(value: Decimal) -> str:
    """`1000.00` → `1000`, `0.50` → `0.5`, `-0` → `0`."""
    text = format(value.normalize(), "f")
    return "0" if text == "-0" else text


def of_number(value: int | float) -> str:
    """The same form for a number of JSON. NaN and infinities are no numbers, but texts."""
    if isinstance(value, float):
        exact = Decimal(repr(value))
        return shortest(exact) if exact.is_finite() else repr(value)
    return str(value) if abs(value) < 10**_LONGEST else "0x" + format(value, "x")[:_LONGEST]
