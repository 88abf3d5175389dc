"""Numbers of papers, accounts and things that a word before them announces: their own form says too little."""

import re
from collections.abc import Callable

from clearway.rules.find import checks
from clearway.rules.find.canonical import canonical
from clearway.rules.find.context import stands_alone
from clearway.rules.find.found import LIKELY, Found
from clearway.rules.find.numbers import compact

#: Between the word and the number.
_TO = (
    r"(?:[ -]?(?:number|numero|nummer|code|no|nr|nº|n°|num|card|id)\b\.?)?(?:[ ]?(?:is|ist|est|es|was)\b)?[ :=#-]{1,4}"
)
_CODE = r"[A-Z0-9](?:-?[A-Z0-9]){4,20}"
#: (type, words, number, what holds for it without separators).
_KINDS: tuple[tuple[str, str, str, Callable[[str], bool]], ...] = (
    ("PASSPORT", r"passport|reisepass|pasaporte|passeport|passaporto?", r"[A-Z0-9]{6,10}",
     lambda code: sum(map(str.isdigit, code)) >= 3),
    ("LICENSE", r"driver'?s?'? ?licen[cs]e|driving ?licen[cs]e|f(?:ü|ue)hrerschein|permis de conduire", _CODE,
     lambda code: sum(map(str.isdigit, code)) >= 4),
    ("NATIONAL_ID", r"medicare", r"[2-6]\d{3} ?\d{5} ?\d|[1-9][A-Z][A-Z0-9]\d-?[A-Z][A-Z0-9]\d-?[A-Z]{2}\d{2}",
     lambda code: not code.isdecimal() or checks.medicare(code)),
    ("NATIONAL_ID", r"s(?:é|e)cu(?:rit(?:é|e) sociale)?|insee|nir",
     r"[12] ?\d\d ?\d\d ?\d[0-9AB] ?\d{3} ?\d{3}(?: ?\d\d)?", lambda code: True),
    ("NATIONAL_ID", r"sin", r"\d{3}[ -]\d{3}[ -]\d{3}", checks.luhn),
    ("NATIONAL_ID", r"cpr|(?:personal|national) id(?:entity)?", r"\d{6}-\d{4}", lambda code: True),
    ("IMEI", r"imei", r"\d{2}-?\d{6}-?\d{6}-?\d", checks.luhn),
    ("PLATE", r"vin|chassis", r"[A-HJ-NPR-Z0-9]{17}", lambda code: not code.isalpha()),
    ("PLATE", r"(?:number|licen[cs]e|registration) ?plate|kennzeichen",
     r"[A-Z]{1,3}[- ]?[A-Z0-9]{1,4}(?:[- ]?[0-9A-Z]{1,4})?|\d{1,4}[- ]?[A-Z]{2,4}(?:[- ]?\d{1,4})?",
     lambda code: not code.isalpha() and len(code) >= 4),
    ("BANK", r"bic|swift[ -]code|swift ?/ ?bic", r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?",
     lambda code: checks.country(code[4:6])),
    ("BANK", r"swift", r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?",
     lambda code: checks.country(code[4:6]) and not code.isalpha()),
    ("BANK", r"sort[ -]?code", r"\d\d[- ]?\d\d[- ]?\d\d", lambda code: True),
    ("BANK", r"routing|aba", r"\d{9}", checks.aba),
)  # fmt: skip
WORDS = "|".join(words for _, words, _, _ in _KINDS)
_VALUES = "|".join(dict.fromkeys(number.replace("\\d", "[0-9]") for _, _, number, _ in _KINDS))
ANNOUNCED = rf"(?i:\b(?:{WORDS}){_TO})(?:{_VALUES})\b".encode()
#: What `ANNOUNCED` has: a word, and not far behind it a capital letter or a digit.
BEGUN = rf"(?i:\b(?:{WORDS})(?:[ :=#-]|n[ou]|c[ao]))".encode()
_EACH = [(kind, re.compile(rf"(?i:(?:{words}){_TO})({number})\Z"), holds) for kind, words, number, holds in _KINDS]
#: The account behind a sort code or a routing number.
_ACCOUNT = re.compile(
    r"(?i)[ ,;/]{1,3}(?:and )?(?:account|acct|acc|a/c)(?: ?(?:number|no\.?))?[ :#]{1,3}(?:is )?(\d{6,17})\b"
)

#: The lines that machines read in passports and identity cards (ICAO 9303).
MRZ = rb"\b[ACIPV][A-Z<][A-Z]{3}[A-Z0-9<]{24,40}(?:\s{1,2}[A-Z0-9<]{28,46}){1,2}"
MRZ_BEGUN = rb"[A-Z0-9<]<<[A-Z0-9<]{4}"

#: A CURP tells itself by its form.
CURP = rb"\b[A-Z][AEIOUX][A-Z]{2}[0-9]{6}[HMX][A-Z]{2}[B-DF-HJ-NP-TV-Z]{3}[A-Z0-9][0-9]\b"
CURP_BEGUN = rb"[A-Z]{4}[0-9]{6}[HMX]"

PLACE = (
    rb"(?i:\b(?:gps|coord(?:inate)?s?|lat(?:itude)?(?:[ /,]{1,2}lo?ng?(?:itude)?)?|located|(?:is|am|are|was|lives?) at)"
    rb")[^0-9\n]{1,16}?"
    rb"([-+]?[0-9]{1,2}\.[0-9]{4,15}(?:\xc2\xb0 ?)?[NS]? ?[,;] ?[-+]?[0-9]{1,3}\.[0-9]{4,15})"
)
PLACE_BEGUN = rb"[0-9]\.[0-9]{4,15}(?:\xc2\xb0 ?)?[NS]? ?[,;] ?[-+]?[0-9]{1,3}\.[0-9]"


def announced(text: str, start: int, end: int) -> list[Found]:
    """`start` to `end` is a word with the number behind it; behind a bank's number its account may follow."""
    found: list[Found] = []
    for kind, pattern, holds in _EACH:
        match = pattern.search(text, start, end)
        if match is None or not stands_alone(text, *match.span(1)) or not holds(re.sub(r"[^0-9A-Z]", "", match[1])):
            continue
        found.append(Found(*match.span(1), kind, canonical(kind, match[1]), LIKELY))
        if kind == "BANK" and (account := _ACCOUNT.match(text, end)):
            found.append(Found(*account.span(1), "BANK", account[1], LIKELY))
        break
    return found


def machine_read(text: str, start: int, end: int) -> Found | None:
    value = text[start:end]
    if value.count("<") < 3 or sum(map(str.isdigit, value)) < 10:
        return None
    return Found(start, end, "PASSPORT", canonical("PASSPORT", value), LIKELY)


def curp(text: str, start: int, end: int) -> Found | None:
    value = text[start:end]
    month, day = int(value[6:8]), int(value[8:10])
    return Found(start, end, "NATIONAL_ID", value, LIKELY) if 1 <= month <= 12 and 1 <= day <= 31 else None


def place(text: str, start: int, end: int) -> Found | None:
    """A pair of degrees: not both below 1, as the points of drawings are."""
    degrees = [float(part) for part in re.findall(r"[-+]?\d+\.\d+", text[start:end])]
    if len(degrees) != 2 or abs(degrees[0]) > 90 or abs(degrees[1]) > 180 or max(map(abs, degrees)) < 1:
        return None
    return Found(start, end, "GEO", "".join(text[start:end].split()), LIKELY)


#: What the magnetic strip of a card says: number, name, expiry (ISO/IEC 7813).
TRACK = rb"\b[Bb]?([0-9]{12,19}\^[^\^\n]{2,26}\^[0-9]{4,40})"
TRACK_BEGUN = rb"[0-9]\^[A-Z]"


def track(text: str, start: int, end: int) -> Found | None:
    digits = compact(text[start : text.index("^", start)])
    return Found(start, end, "CARD", digits, LIKELY) if checks.card_brand(digits) else None


#: Names and addresses of a visiting card (RFC 6350).
VCARD = rb"\n(?:FN|N|ADR)(?:;[^:\n]{0,60})?:([^\n\x00]{2,160})"


_LONGEST_CARD = 600


def vcard(text: str, start: int, end: int) -> Found | None:
    head = text[max(0, start - _LONGEST_CARD) : start].rpartition("\0")[2]
    if "VCARD" not in head.upper():
        return None
    value = text[start:end].strip("; \r")
    start += text[start:end].index(value)
    said = " ".join(part for part in re.split(r"[;,\\\s]+", value) if part)
    kind = "ADDRESS" if text.rfind("ADR", max(0, start - 64), start) > text.rfind("\n", 0, start) else "PERSON"
    if not said or (kind == "PERSON" and not said[0].isupper()):
        return None
    return Found(start, start + len(value), kind, said, LIKELY)
