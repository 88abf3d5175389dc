"""IBANs: the country's length, then the checksum (ISO 13616); behind the word IBAN also one with a slip of the pen."""

import re

from clearway.rules.find import checks
from clearway.rules.find.found import CERTAIN, LIKELY, Found

_IBAN, _LONGEST_IBAN = re.compile(r"(?:\b|(?<=[Ii][Bb][Aa][Nn]))[A-Za-z]{2}[0-9]{2}"), 50


def ibans(text: str, start: int, end: int) -> list[Found]:
    """The pattern takes what follows an IBAN for its end; so each place in it where one can begin is tried."""
    found: list[Found] = []
    place = start
    while (match := _IBAN.search(text, place, end)) is not None:
        one = iban(text, match.start(), match.start() + _LONGEST_IBAN)
        if one:
            found.append(one)
        place = one.end if one else match.start() + 1
    return found


def iban(text: str, start: int, end: int) -> Found | None:
    if start and text[start - 1].isalnum() and text[max(0, start - 4) : start].lower() != "iban":
        return None
    size = checks.iban_length(text[start : start + 2].upper())
    if not size:
        return None
    kept: list[str] = []
    place = start
    while place < min(end, len(text)) and len(kept) < size:
        if text[place].isalnum():
            kept.append(text[place].upper())
        elif text[place] not in " -":
            break
        place += 1
    value = "".join(kept)
    touches = place < len(text) and text[place].isalnum()
    return (
        None
        if touches or not value.isascii() or not checks.iban(value)
        else Found(start, place, "IBAN", value, CERTAIN)
    )


#: An IBAN behind its word: in any groups, over a line's end, or with wrong check digits.
IBAN_SAID = (
    rb"(?i:iban)(?i:[ ]?(?:is|no|nr|number|nummer)\b)?[^A-Za-z0-9\n]{0,4}"
    rb"([A-Za-z][ ]?[A-Za-z][ ./-]?[0-9][ ]?[0-9](?:[ ./\n\r\t-]{0,2}[A-Za-z0-9]){11,40})"
)
#: An IBAN in capital letters in groups of any size, or parted by `/` and dots.
IBAN_APART = rb"\b[A-Z]{2} ?[0-9]{2}[ ./-]?[0-9A-Z](?:[ ./-]?[0-9A-Z]){10,29}\b"
IBAN_APART_BEGUN = rb"\b[A-Z]{2} [0-9]{2} ?[0-9A-Z]{3}|\b[A-Z]{2}[0-9]{2}[./][0-9A-Z]{4}[./]"


def said_iban(text: str, start: int, end: int) -> Found | None:
    """`start` is where an IBAN may begin that a word announces."""
    kept: list[str] = []
    size, place = 4, start
    while place < end and len(kept) < size:
        if text[place].isalnum():
            kept.append(text[place].upper())
            if len(kept) == 2:
                size = checks.iban_length("".join(kept))
        place += 1
    value = "".join(kept)
    if not size or len(value) != size or not value.isascii() or text[place : place + 1].isalnum():
        return None
    if checks.iban(value):
        return Found(start, place, "IBAN", value, CERTAIN)
    # Check digits are 02 to 98. Others are no slip of the pen: a stand-in's.
    wrong = sum(map(str.isdigit, value)) >= 10 and text[start : start + 2].isupper()
    return Found(start, place, "IBAN", value, LIKELY) if wrong and "02" <= value[2:4] <= "98" else None


def apart_iban(text: str, start: int, end: int) -> Found | None:
    one = said_iban(text, start, end)
    return one if one and one.weight == CERTAIN and sum(map(str.isdigit, one.value)) >= 12 else None
