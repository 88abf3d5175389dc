"""Numbers: cards, accounts, national ids, addresses of networks. Form first, then checksum, then the words around.

INVARIANT: bare digits need a checksum, and where one in ten passes it by chance, a word that announces them.
"""

import re
from collections.abc import Callable
from ipaddress import ip_address

from clearway.rules.find import checks
from clearway.rules.find.context import AFTER, BEFORE, after, before, says, stands_alone, telling, words_of
from clearway.rules.find.found import CERTAIN, LIKELY, Found

_LONGEST_CARD, _IN_CARD, _LONGEST_NUMBER = 24, frozenset("0123456789 ._-"), 19
_RUN = re.compile(r"\d+")
#: Another group of four beside what may be a card: both are of one number, and its parts are none.
_GROUP_BEFORE, _GROUP_AFTER = re.compile(r"(?<![0-9])[0-9]{4}[ ._-]\Z"), re.compile(r"[ ._-][0-9]{4}(?![0-9])")
_NOT_DIGIT = re.compile(r"\D+")
_CARD_STEMS = ("card", "visa", "maestro", "master", "debit", "credit", "amex", "karte", "carte", "tarjeta")
_GLUED_CARD, _GLUED_SSN = ("card", "cc", "visa", "amex", "pan", "number", "karte", "carte", "tarjeta"), ("ssn", "itin")
_GLUED_TAIL = re.compile(r"(?i)(?:exp|cvv|cvc|valid|thru|mc|visa)(?:[^a-z]|$)")
_MONEY_STEMS = (
    "charge", "purchas", "payment", "paid", "pay ", "billed", "billing", "bank", "balance", "expir", "cvv", "cvc",
    "withdraw", "statement", "transaction", "lost", "stolen", "declin", "credit", "limit",
)  # fmt: skip
#: Numbers of things that are sold and counted, where one of these words stands before.
THINGS = frozenset(
    (
        "order", "invoice", "ticket", "reservation", "tracking", "flight", "case", "ref", "reference", "booking",
        "item", "sku", "serial", "version", "amount", "total",
    )
)  # fmt: skip
_DEALINGS = frozenset(("transaction", "payment", "confirmation", "transfer"))
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
#: What `national_id` needs somewhere in the text.
ID_TELLING = telling(
    (stem for stem in _ID_STEMS if len(stem) > 4 or stem in _SSN_STEMS),
    _SSN_WORDS.union(*(stems for stems, _ in _ID_WORDS)),
)
_ID_BEHIND = re.compile(r"[ ,(:]{1,3}(?i:cpf|pesel|bsn|nhs|tfn|ssn)\b")
_VERSION = frozenset(("version", "ver", "v", "release", "section"))


def compact(text: str) -> str:
    return _NOT_DIGIT.sub("", text)


def cards(text: str, start: int, end: int) -> list[Found]:
    """The cards among the groups of digits from `start` on: a run may hold several, and other numbers.

    A match ends after some forty digits, wherever that is: what begins in it is read to its end, and what began before
    it is not read again.
    """
    reach = min(len(text), end + _LONGEST_CARD)
    while end < reach and text[end] in _IN_CARD:
        end += 1
    while start and start < end and text[start - 1].isdigit() and text[start].isdigit():
        start += 1
    piece = text[start:end]
    groups = [match.span() for match in _RUN.finditer(piece)]
    # At most five groups; or digit by digit, with a word that announces a card.
    most = 5 if any(stop - begin > 2 for begin, stop in groups) else 19
    if most > 5 and not says(before(text, start), _CARD_STEMS):
        return []
    weak = says(text[max(0, start - BEFORE) : end + AFTER], _CARD_STEMS + _MONEY_STEMS)
    found: list[Found] = []
    first = 0
    while first < len(groups):
        one, used = _card_at(text, start, piece, groups[first : first + most], weak=weak)
        if one:
            found.append(one)
        first += max(used, 1)
    return found


def _card_at(
    text: str, start: int, piece: str, groups: list[tuple[int, int]], *, weak: bool
) -> tuple[Found | None, int]:
    """The longest card that begins with the first group, and how many groups it takes."""
    digits, best, used = "", None, 0
    for number, (begin, stop) in enumerate(groups, 1):
        digits += piece[begin:stop]
        if len(digits) > 19 or digits[0] == "0":
            break
        if len(digits) >= (12 if weak else 13) and (brand := checks.card_brand(digits, weak=weak)):
            place = start + groups[0][0]
            if _is_card(text, place, start + stop, brand):
                best, used = Found(place, start + stop, "CARD", digits, CERTAIN), number
    return best, used


def _is_card(text: str, start: int, end: int, brand: str) -> bool:
    if brand not in checks.WEAK_BRANDS and _GLUED_TAIL.match(text, end):
        end = len(text)  # only its beginning has to stand alone
    if not stands_alone(text, start, end, _GLUED_CARD) or text[max(0, start - 2) : start].endswith(("0.", ".")):
        return False
    if brand not in checks.WEAK_BRANDS:
        return True
    return not _is_part(text, start, end) and _is_announced(text, start, end, brand)


def _is_part(text: str, start: int, end: int) -> bool:
    if len(compact(text[start:end])) > _LONGEST_NUMBER - 4:
        return False
    return bool(_GROUP_AFTER.match(text, end) or _GROUP_BEFORE.search(text, max(0, start - 6), start))


def _is_announced(text: str, start: int, end: int, brand: str) -> bool:
    """Whether the words around say that it is a card; or, with a brand's prefix, that it is about money, and not the
    number of a thing."""
    leading, following = before(text, start), after(text, end)
    if says(leading, _CARD_STEMS) or says(following, _CARD_STEMS):
        return True
    money = brand != "other" and (says(leading, _MONEY_STEMS) or says(following, _MONEY_STEMS))
    return money and not (THINGS | _DEALINGS).intersection(words_of(leading)[-2:])


def ssn(text: str, start: int, end: int) -> Found | None:
    piece = text[start:end]
    digits = compact(piece)
    if not stands_alone(text, start, end, _GLUED_SSN) or not checks.ssn(digits):
        return None
    if text[end : end + 1] in ("-", ".") and text[end + 1 : end + 2].isdigit():
        return None
    if piece.count("-") < 2 and not says(before(text, start), _SSN_STEMS, _SSN_WORDS):
        return None
    return Found(start, end, "SSN", digits, CERTAIN)


#: A card behind its word, in groups that something else parts: `/`, a tab, a line's end.
CARD_SAID = (
    rb"(?i:card|visa|master|debit|credit|amex|karte|carte|tarjeta)[^0-9\x00]{1,24}"
    rb"([0-9]{4}(?:\s{0,2}[/\t\n\r]\s{0,2}[0-9]{4,6}){2,4})"
)
CARD_SAID_BEGUN = rb"[0-9]{4}\s?[/\t\n\r][ ]?[0-9]{4,6}\s?[/\t\n\r][ ]?[0-9]{4}"


def said_cards(text: str, start: int, end: int) -> Found | None:
    digits = compact(text[start:end])
    if not stands_alone(text, start, end) or not checks.card_brand(digits):
        return None
    return Found(start, end, "CARD", digits, CERTAIN)


def ip_defanged(text: str, start: int, end: int) -> Found | None:
    """`203[.]0[.]113[.]9`, as an address is written that nobody shall click on."""
    value = re.sub(r"[\[\]()]", "", text[start:end])
    one = _ipv4(value, 0, len(value)) if stands_alone(text, start, end) else None
    return one and Found(start, end, "IP", value, LIKELY)


def ip(text: str, start: int, end: int) -> Found | None:
    piece = text[start:end].rstrip(".:")
    end = start + len(piece)
    around = text[max(0, start - 1) : start], text[end : end + 2]
    if (
        around[0].isalnum()
        or around[0] in (".", ":", "-")
        or around[1][:1].isalnum()
        or (around[1][:1] == "." and around[1][1:].isdigit())
    ):
        return None
    if ":" not in piece:
        return _ipv4(text, start, end)
    try:
        address = ip_address(piece)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if address.version == 6 else None
    if mapped and (mapped.is_loopback or mapped.is_link_local or mapped.is_unspecified):
        return None
    return None if address.is_loopback or _too_plain(piece) else Found(start, end, "IP", address.compressed, CERTAIN)


def _ipv4(text: str, start: int, end: int) -> Found | None:
    groups = text[start:end].split(".")
    if len(groups) != 4 or any(
        len(group) > 3 or int(group) > 255 or (len(group) > 1 and group[0] == "0") for group in groups
    ):
        return None
    if groups[0] in ("0", "127"):
        return None
    if int(groups[0]) < 20 and not _VERSION.isdisjoint(words_of(before(text, start))[-1:]):
        return None
    return Found(start, end, "IP", text[start:end], CERTAIN)


def _too_plain(piece: str) -> bool:
    """`a::b` and `10::` are code or times as often as addresses."""
    groups = [group for group in piece.split(":") if group]
    if "." in piece:
        return not groups or "." in groups[0]
    return len(groups) < 3 or not any(map(str.isdigit, piece))


def mac(text: str, start: int, end: int) -> Found | None:
    if not stands_alone(text, start, end) or text[end : end + 1] in (":", "-"):
        return None
    return Found(start, end, "MAC", re.sub(r"[^0-9a-f]", "", text[start:end].lower()), CERTAIN)


def national_id(text: str, start: int, end: int) -> Found | None:
    """Bare or grouped digits after the name of an id whose checksum they have."""
    digits = compact(text[start:end])
    if not 9 <= len(digits) <= 13 or not stands_alone(text, start, end, _GLUED_SSN):
        return None
    leading = before(text, start)
    if not says(leading, _ID_STEMS, _SSN_WORDS):
        behind = _ID_BEHIND.match(text, end)
        if behind is None:
            return None
        leading = behind[0]
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
        if not stands_alone(text, start, end):
            return None
        value = re.sub(r"[^0-9A-Za-z]", "", text[start:end]).upper()
        if not value.isascii() or not holds(value):
            return None
        return Found(start, end, "NATIONAL_ID", value, LIKELY)

    return check


def hetu(text: str, start: int, end: int) -> Found | None:
    piece = text[start:end].upper()
    return (
        Found(start, end, "NATIONAL_ID", piece, LIKELY)
        if stands_alone(text, start, end) and checks.hetu(piece)
        else None
    )
