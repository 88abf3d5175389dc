"""Phone numbers: in international form, in the North American form, or announced by the words around them.

INVARIANT: bare digits that no word announces are nothing (order ids are not phones). Country codes: ITU-T E.164.
"""

import re

from clearway.rules.find.context import after, before, says, stands_alone, words_of
from clearway.rules.find.found import LIKELY, LOOSE, Found
from clearway.rules.find.numbers import compact, national_id

_PHONE_STEMS = (
    "phone",
    "mobile",
    "whatsapp",
    "telef",
    "téléphone",
    "hotline",
    "reach ",
    "text me",
    "contact",
    "landline",
    "toll-free",
    "toll free",
    "my number",
    "his number",
    "her number",
)
_PHONE_WORDS = frozenset(
    ("tel", "cell", "fax", "call", "called", "calling", "sms", "dial", "handy", "móvil", "movil", "msisdn")
)
#: Only where they stand last before the number: "office: 555 0100", but not "the office in room 5550100".
_PHONE_LAST = frozenset(("office", "home", "work", "fax"))
_PHONE_AFTER = frozenset(("office", "fax", "mobile", "cell", "home", "phone", "tel"))
_ID_LAST = frozenset(
    (
        "order",
        "invoice",
        "ticket",
        "reservation",
        "tracking",
        "flight",
        "case",
        "ref",
        "reference",
        "booking",
        "item",
        "sku",
        "account",
        "serial",
        "version",
        "amount",
        "total",
        "id",
        "no",
        "nr",
        "number",
    )
)
#: Numbers of things that are sold and counted.
_THINGS = _ID_LAST - frozenset(("id", "no", "nr", "number", "account"))
#: ITU-T E.164 country codes.
_COUNTRY = re.compile(
    "1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|2[1-689][0-9]|3[578][0-9]|42[0-9]|5[09][0-9]|"
    "6[789][0-9]|"
    "8[0578][0-9]|9[679][0-9]"
)
#: With spaces only where the numbering plan allows the digits; hyphens, dots and brackets make a phone of any.
_NANP = re.compile(r"(?:\+?1[-. ]?)?(?:[2-9]\d{2} [2-9]\d{2} \d{4}|(?:\(\d{3}\) ?|\d{3}[-.])\d{3}[-. ]\d{4})(?!\d)")


def phone(text: str, start: int, end: int) -> Found | None:
    """A phone number in international form, in the North American form, or after a word that announces one."""
    piece = text[start:end].rstrip(" .-(/")
    end = start + len(piece)
    if _is_date(piece):
        return None
    digits = compact(piece)
    if not 6 <= len(digits) <= 21 or not stands_alone(text, start, end):
        return None
    if one := national_id(text, start, end):
        return one
    if piece.startswith(("+", "00")):
        value = _international(piece)
        bare = piece.isdecimal()
        if (value and not bare) or _announced(text, start, end):
            return Found(start, end, "PHONE", value or _national(digits), LIKELY)
        return None
    if len(digits) >= 10 and _NANP.match(piece) and _ID_LAST.isdisjoint(words_of(before(text, start))[-2:]):
        return Found(start, end, "PHONE", _national(digits), LIKELY)
    if _announced(text, start, end):
        return Found(start, end, "PHONE", _national(digits), LOOSE)
    return None


def _announced(text: str, start: int, end: int) -> bool:
    following = words_of(after(text, end))[:1]
    if following and following[0] in _PHONE_AFTER:
        return True
    leading = before(text, start)
    last = words_of(leading)[-2:]
    if not _THINGS.isdisjoint(last):
        return False
    if "number" in last and "account" not in last and not text[start:end].isdecimal():
        return True
    return says(leading, _PHONE_STEMS, _PHONE_WORDS) or not _PHONE_LAST.isdisjoint(last[-1:])


def _is_date(piece: str) -> bool:
    return (
        re.match(r"(?:19|20)\d\d[-/.]\d\d?[-/.]\d\d?(?!\d)|\d\d?[-/.]\d\d?[-/.](?:19|20)\d\d(?!\d)", piece) is not None
    )


def _international(piece: str) -> str:
    """E.164, or empty: a country code that exists, 8 to 15 digits, without the trunk zero in brackets."""
    body = re.split("(?i)[x,;]|ext", piece.replace("(0)", ""), maxsplit=1)[0]
    digits = compact(body)
    digits = digits[2:] if piece.startswith("00") else digits
    return f"+{digits}" if 8 <= len(digits) <= 15 and _COUNTRY.match(digits) else ""


def _national(digits: str) -> str:
    """E.164 for ten North American digits; what is national stays as it is, because its country is not known."""
    if len(digits) == 10 and digits[0] in "23456789":
        return f"+1{digits}"
    return f"+{digits}" if len(digits) == 11 and digits[0] == "1" else digits


def canonical_phone(text: str) -> str:
    stripped = text.strip()
    return (_international(stripped) if stripped.startswith(("+", "00")) else "") or _national(compact(stripped))
