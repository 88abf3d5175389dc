"""Phone numbers: in international form, in the North American form, or announced by the words around them.

INVARIANT: bare digits that no word announces are nothing (order ids are not phones). Country codes: ITU-T E.164.
"""

import re

from clearway.rules.find.context import after, before, says, stands_alone, telling, words_of
from clearway.rules.find.found import LIKELY, LOOSE, Found
from clearway.rules.find.numbers import ID_TELLING, THINGS, compact, national_id

_PHONE_STEMS = (
    "phone",
    "mobile",
    "whatsapp",
    "telef",
    "teléf",
    "téléphone",
    "тел",
    "电话",
    "電話",
    "手机",
    "ph#",
    "hotline",
    "reach ",
    "reached at",
    "reachable",
    "text me",
    "text us",
    "helpline",
    "voicemail",
    "switchboard",
    "contact",
    "landline",
    "toll-free",
    "toll free",
    "my number",
    "his number",
    "her number",
)
_PHONE_WORDS = frozenset(
    ("tel", "cell", "fax", "call", "called", "calling", "sms", "dial", "handy", "mob", "móvil", "movil", "msisdn")
)
#: Words that may touch a phone.
_GLUED = ("phone", "tel", "fax", "mobile", "mobil", "cell", "whatsapp", "msisdn", "fon", "ssn", "itin")
#: Only where they stand last before the number: "office: 555 0100", but not "the office in room 5550100".
_PHONE_LAST = frozenset(("office", "home", "work", "fax"))
_PHONE_AFTER = frozenset(
    ("office", "fax", "mobile", "cell", "home", "phone", "tel", "telephone", "landline", "voice", "direct")
)
#: A line of a signature: "T: …", "Ph. …".
_PHONE_SIGN = re.compile(r"(?:^|[\s|,;/(])(?:[TPMFO]|Ph|Mob|Cel|Tlf|Fon)[:.]\s{0,3}\(?$")
_ID_LAST = THINGS | {"id", "no", "nr", "number", "account"}
#: ITU-T E.164 country codes.
_COUNTRY = re.compile(
    "1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|2[1-689][0-9]|3[578][0-9]|42[0-9]|5[09][0-9]|"
    "6[789][0-9]|"
    "8[0578][0-9]|9[679][0-9]"
)
_GROUP = re.compile(r"\d+")
_EXTENSION = re.compile(r"(?i) ?(?:x|ext\.? ?)\d{1,6}")
#: With spaces only where the numbering plan allows the digits; hyphens, dots and brackets make a phone of any.
_NANP = re.compile(
    r"(?:\+?1[-. ]?)?(?:[2-9]\d{2} [2-9]\d{2} \d{4}|(?:\(\d{3}\) ?|\d{3}[-.])\d{3}[-. ]\d{4})(?!\d)(?: ?(?:x|"
    r"ext\.? ?)\d{1,6})?"
)
#: How the digits of a phone are grouped. Not `2026-05-18`: dates are everywhere, and no phones.
GROUPS = (
    rb"\+\(?[0-9]|[0-9]{7}|[0-9]{2}[-. ()\x2f]{1,3}[0-9]{3}|[0-9]{4}[-. ()\x2f]{1,3}[0-9]{4}|"
    rb"(?:^|[^0-9])(?:[0-9]{3}|(?:[03-9][0-9]|1[0-8]|2[1-9])[0-9]{2})[-. ()\x2f]{1,3}[0-9]{2}|"
    rb"(?:^|[^0-9])[0-9]{2}[-. \x2f][0-9]{2}[-. \x2f][0-9]{2}|"
    rb"(?:19|20)[0-9]{2}(?:[-.\x2f][0-9]{2})?[ ()]{1,3}[0-9]|[0-9]{5}[-. ()\x2f]{1,3}[0-9]{2}"
)
#: One of these is in every text that has a phone, or digits that a word makes an id: a form, or a word around.
TELLING = b"|".join(
    (
        rb"\+|00[ ().\x2f-]{0,3}[0-9]|[0-9]{3}(?:\) ?|[-. ])[0-9]{3}[-. ][0-9]{4}",
        telling(_PHONE_STEMS, _PHONE_WORDS | _PHONE_LAST | _PHONE_AFTER | {"number", "m\u00d3vil"}),
        rb"(?:[TPMFO]|Ph|Mob|Cel|Tlf|Fon)[:.]",
        ID_TELLING,
    )
)
#: A day with nothing around it that a phone could begin or end with.
_DAY = re.compile(r"(?:19|20)\d\d-\d\d-\d\d(?![\d .\-/()+])")
#: Where the next phone of a run may begin.
_NEXT = re.compile(r"(?<!\d)(?:\+\d|\(?\d{3}\)?[-. ]\d{3}[-. ]\d{4}(?!\d))")
#: Six digits in one piece are codes and parts of dates; `GROUPS` knows no such phone either.
_SHORTEST_BARE = 7
_LONGEST, _IN_PHONE = 20, frozenset("0123456789 .-/()+")


def phones(text: str, start: int, end: int) -> list[Found]:
    """The phones in a run of digits and separators, which may hold several, and other numbers after one."""
    if _DAY.match(text, start):
        return []
    # A match ends after some twenty digits, wherever that is: what begins in it is read to its end.
    reach = min(len(text), end + _LONGEST)
    while end < reach and text[end] in _IN_PHONE:
        end += 1
    found: list[Found] = []
    while end - start >= 6:
        one = phone(text, start, end)
        if one:
            found.append(one)
        rest = _NEXT.search(text, one.end if one else start + 1, end)
        if rest is None:
            break
        start = rest.start()
    return found


#: A number in a link to it.
LINK = rb"(?:wa\.me/|[?&]phone=|(?:tel|sms|callto):)(\+?[0-9][0-9().-]{6,20}[0-9])"
#: What `LINK` has.
LINK_BEGUN = rb"(?:wa\.me/|[?&]phone=|(?:tel|sms|callto):)\+?[0-9]{2}"


def linked(text: str, start: int, end: int) -> Found | None:
    """Whole in international form, but for the sign."""
    digits = compact(text[start:end])
    if not 8 <= len(digits) <= 15 or text[end : end + 1].isalnum():
        return None
    piece = text[start:end]
    value = _international(piece if piece[0] in "+0" else f"+{digits}") if text[start - 1] in "/=+" else ""
    return Found(start, end, "PHONE", value or _national(digits), LIKELY)


def phone(text: str, start: int, end: int) -> Found | None:
    """A phone that begins at `start` and ends at `end` or before."""
    piece = text[start:end].rstrip(" .-(/")
    if _is_date(piece):
        return None
    if piece.startswith(("+", "00")):
        piece = _first_number(piece)
    elif (match := _NANP.match(piece)) is not None:
        piece = match.group()
    end = start + len(piece)
    digits = compact(piece)
    shortest = _SHORTEST_BARE if piece.isdecimal() else 6
    if not (shortest <= len(digits) <= 21 and stands_alone(text, start, end, _GLUED)):
        return None
    if one := national_id(text, start, end):
        return one
    if piece.startswith(("+", "00")):
        value = _international(piece)
        if (value and not piece.isdecimal()) or _announced(text, start, end):
            return Found(start, end, "PHONE", value or _national(digits), LIKELY)
        return None
    formed = len(digits) >= 10 and _NANP.match(piece) is not None
    if formed and _ID_LAST.isdisjoint(words_of(before(text, start))[-2:]):
        return Found(start, end, "PHONE", _national(re.split("[x,e]", piece, maxsplit=1)[0]), LIKELY)
    if _announced(text, start, end):
        return Found(start, end, "PHONE", _national(digits), LOOSE)
    return None


def _first_number(piece: str) -> str:
    """The phone at the beginning of a piece in which other numbers may follow: 11 digits after +1, else at most 15."""
    most = 11 if piece.startswith("+1") else 13 if piece.startswith("001") else 15
    most += piece.count("(0)")
    groups = [match.end() for match in _GROUP.finditer(piece)]
    fitting = [end for end in groups if len(compact(piece[:end])) <= most]
    if not fitting:
        return piece
    cut = fitting[-1]
    extension = _EXTENSION.match(piece, cut)
    return piece[: extension.end() if extension else cut]


def _announced(text: str, start: int, end: int) -> bool:
    following = words_of(after(text, end))[:1]
    if following and following[0] in _PHONE_AFTER:
        return True
    leading = before(text, start)
    last = words_of(leading)[-2:]
    if not THINGS.isdisjoint(last):
        return False
    if "number" in last and "account" not in last and not text[start:end].isdecimal():
        return True
    return (
        says(leading, _PHONE_STEMS, _PHONE_WORDS)
        or not _PHONE_LAST.isdisjoint(last[-1:])
        or _PHONE_SIGN.search(leading) is not None
    )


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
    digits = compact(digits)
    if len(digits) == 10 and digits[0] in "23456789":
        return f"+1{digits}"
    return f"+{digits}" if len(digits) == 11 and digits[0] == "1" else digits


def canonical_phone(text: str) -> str:
    stripped = text.strip()
    return (_international(stripped) if stripped.startswith(("+", "00")) else "") or _national(compact(stripped))
