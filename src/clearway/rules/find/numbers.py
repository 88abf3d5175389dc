"""Numbers: cards, accounts, national ids, phones, addresses of networks. Form first, then checksum, then the words around.

INVARIANT: bare digits without a checksum and without a word that announces them are nothing (order ids are not phones).
"""

import re
from collections.abc import Callable
from ipaddress import ip_address

from clearway.rules.find import checks
from clearway.rules.find.context import after, before, says, stands_alone, words_of
from clearway.rules.find.found import CERTAIN, LIKELY, LOOSE, Found

_RUN = re.compile(r"\d+")
_NOT_DIGIT = re.compile(r"\D+")
_CARD_STEMS = ("card", "visa", "maestro", "master", "debit", "credit", "amex", "karte", "carte", "tarjeta")
_PHONE_STEMS = ("phone", "mobile", "whatsapp", "telef", "téléphone", "hotline", "contact number", "reach me", "reach us", "text me")
_PHONE_WORDS = frozenset("tel cell fax call called calling sms dial handy móvil movil msisdn".split())
#: Only where they stand last before the number: "office: 555 0100", but not "the office in room 5550100".
_PHONE_LAST = frozenset("office home work fax".split())
_PHONE_AFTER = frozenset("office fax mobile cell home phone tel".split())
_ID_LAST = frozenset(
    "order invoice ticket reservation tracking flight case ref reference booking item sku account serial version amount total "
    "id no nr number".split()
)
#: Numbers of things that are sold and counted.
_THINGS = _ID_LAST - frozenset(("id", "no", "nr", "number", "account"))
#: ITU-T E.164 country codes.
_COUNTRY = re.compile(
    "1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|2[1-689][0-9]|3[578][0-9]|42[0-9]|5[09][0-9]|6[789][0-9]|"
    "8[0578][0-9]|9[679][0-9]"
)
_NANP = re.compile(r"(?:\+?1[-. ]?)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[-. ])[2-9]\d{2}[-. ]\d{4}")
_SSN_STEMS, _SSN_WORDS = ("ssn", "social sec", "taxpayer", "tax id"), frozenset(("social", "itin", "tin"))
#: Words before bare digits → the checksum that has to hold.
_ID_WORDS: tuple[tuple[tuple[str, ...], Callable[[str], bool]], ...] = (
    (("bsn", "burgerservice", "sofi"), checks.bsn),
    (("pesel",), checks.pesel),
    (("cpf",), checks.cpf),
    (("sin", "social insurance"), checks.sin),
    (("nhs",), checks.nhs),
    (("tfn", "tax file"), checks.tfn),
    (("steuer", "tin", "tax id"), checks.steuer_id),
    (("aadhaar", "aadhar", "uidai", "uid"), checks.aadhaar),
    (("personnummer", "personal identity", "personal number"), lambda digits: checks.personnummer(digits[-10:])),
    (("rijksregister", "registre national", "insz", "niss"), checks.rijksregister),
    (("ahv", "avs"), checks.ahv),
)
_ID_STEMS = tuple(stem for stems, _ in _ID_WORDS for stem in stems) + _SSN_STEMS + ("social",)
_VERSION = frozenset("version ver v release section".split())


def compact(text: str) -> str:
    return _NOT_DIGIT.sub("", text)


def card(text: str, start: int, end: int) -> Found | None:
    """The longest card among the groups of digits from `start` to `end`, which may hold other numbers around it."""
    piece = text[start:end]
    groups = [match.span() for match in _RUN.finditer(piece)]
    if start and text[start - 1].isdigit():
        groups = groups[1:]
    if end < len(text) and text[end].isdigit():
        groups = groups[:-1]
    for first in range(len(groups)):
        digits = ""
        best: tuple[int, str, str] | None = None
        for begin, stop in groups[first : first + 8]:
            digits += piece[begin:stop]
            if len(digits) > 19:
                break
            if len(digits) >= 12 and (brand := checks.card_brand(digits)):
                best = (stop, digits, brand)
        if best:
            begin, stop = start + groups[first][0], start + best[0]
            if _is_card(text, begin, stop, best[2], best[1]):
                return Found(begin, stop, "CARD", best[1], CERTAIN)
    return None


def _is_card(text: str, start: int, end: int, brand: str, digits: str) -> bool:
    if not stands_alone(text, start, end) or text[max(0, start - 2) : start].endswith(("0.", ".")):
        return False
    grouped = end - start > len(digits)
    # Maestro takes almost any number, and one in ten passes the checksum.
    if brand in ("maestro", "visa13") or (grouped and len(_RUN.findall(text[start:end])) > 5):
        return says(before(text, start), _CARD_STEMS)
    return True


def ssn(text: str, start: int, end: int) -> Found | None:
    piece = text[start:end]
    digits = compact(piece)
    if not stands_alone(text, start, end) or not checks.ssn(digits):
        return None
    if text[end : end + 1] in ("-", ".") and text[end + 1 : end + 2].isdigit():
        return None
    if piece.count("-") < 2 and not says(before(text, start), _SSN_STEMS, _SSN_WORDS):
        return None
    return Found(start, end, "SSN", digits, CERTAIN)


def iban(text: str, start: int, end: int) -> Found | None:
    if start and text[start - 1].isalnum():
        return None
    size = checks.iban_length(text[start : start + 2].upper())
    if not size:
        return None
    kept: list[str] = []
    place = start
    while place < end and len(kept) < size:
        if text[place].isalnum():
            kept.append(text[place].upper())
        place += 1
    value = "".join(kept)
    touches = place < len(text) and text[place].isalnum()
    return None if touches or not value.isascii() or not checks.iban(value) else Found(start, place, "IBAN", value, CERTAIN)


def ip(text: str, start: int, end: int) -> Found | None:
    piece = text[start:end].rstrip(".:")
    end = start + len(piece)
    around = text[max(0, start - 1) : start], text[end : end + 2]
    if around[0].isalnum() or around[0] in (".", ":", "-") or around[1][:1].isalnum() or (around[1][:1] == "." and around[1][1:].isdigit()):
        return None
    try:
        address = ip_address(piece)
    except ValueError:
        return None
    if address.is_loopback or address.is_unspecified or (address.version == 6 and _too_plain(piece)):
        return None
    if address.version == 4 and not _VERSION.isdisjoint(words_of(before(text, start))[-1:]):
        return None
    return Found(start, end, "IP", address.compressed, CERTAIN)


def _too_plain(piece: str) -> bool:
    """`a::b` and `10::` are code or times as often as addresses."""
    groups = [group for group in piece.split(":") if group]
    return len(groups) < 3 or not any(map(str.isdigit, piece))


def mac(text: str, start: int, end: int) -> Found | None:
    if not stands_alone(text, start, end) or text[end : end + 1] in (":", "-"):
        return None
    return Found(start, end, "MAC", re.sub(r"[^0-9a-f]", "", text[start:end].lower()), CERTAIN)


def phone(text: str, start: int, end: int) -> Found | None:
    """A phone number in international form, in the North American form, or after a word that announces one."""
    piece = text[start:end].rstrip(" .-(/")
    end = start + len(piece)
    digits = compact(piece)
    if not 7 <= len(digits) <= 21 or not stands_alone(text, start, end):
        return None
    if one := national_id(text, start, end):
        return one
    if piece.startswith(("+", "00")):
        value = _international(piece)
        bare = piece.isdecimal()
        if piece.startswith("+") or (value and not bare) or _announced(text, start, end):
            return Found(start, end, "PHONE", value or _national(digits), LIKELY)
        return None
    if len(digits) >= 10 and _NANP.match(piece) and _ID_LAST.isdisjoint(words_of(before(text, start))[-2:]):
        return Found(start, end, "PHONE", _national(digits), LIKELY)
    if not _is_date(piece) and _announced(text, start, end):
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
    return says(leading, _PHONE_STEMS, _PHONE_WORDS) or not _PHONE_LAST.isdisjoint(last[-1:])


def _is_date(piece: str) -> bool:
    return re.match(r"(?:19|20)\d\d[-/.]\d\d?[-/.]\d\d?(?!\d)|\d\d?[-/.]\d\d?[-/.](?:19|20)\d\d(?!\d)", piece) is not None


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


def national_id(text: str, start: int, end: int) -> Found | None:
    """Bare or grouped digits after the name of an id whose checksum they have."""
    digits = compact(text[start:end])
    if not 9 <= len(digits) <= 13 or not stands_alone(text, start, end):
        return None
    leading = before(text, start)
    if not says(leading, _ID_STEMS, _SSN_WORDS):
        return None
    words = frozenset(words_of(leading))
    for stems, holds in _ID_WORDS:
        if says(leading, (stem for stem in stems if len(stem) > 4), words.intersection(stems)) and holds(digits):
            return Found(start, end, "NATIONAL_ID", digits, CERTAIN)
    if len(digits) == 9 and says(leading, _SSN_STEMS, _SSN_WORDS) and checks.ssn(digits):
        return Found(start, end, "SSN", digits, CERTAIN)
    return None


def formed_id(holds: Callable[[str], bool]) -> Callable[[str, int, int], Found | None]:
    """A detector for ids whose form tells them, and whose checksum proves them."""

    def check(text: str, start: int, end: int) -> Found | None:
        value = re.sub(r"[^0-9A-Za-z]", "", text[start:end]).upper()
        if not stands_alone(text, start, end) or not value.isascii() or not holds(value):
            return None
        return Found(start, end, "NATIONAL_ID", value, LIKELY)

    return check


def hetu(text: str, start: int, end: int) -> Found | None:
    piece = text[start:end].upper()
    return Found(start, end, "NATIONAL_ID", piece, LIKELY) if stands_alone(text, start, end) and checks.hetu(piece) else None
