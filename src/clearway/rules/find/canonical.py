"""The one form of a value that its token is made of: the same card gives the same token, however it is written."""

import re
from ipaddress import ip_address

from clearway.rules.find.months import MONTHS
from clearway.rules.find.normal import folded
from clearway.rules.find.phones import canonical_phone
from clearway.rules.find.values import plain_email

_DIGITS_ONLY = frozenset(("CARD", "SSN", "IMEI", "CARD_CODE", "PIN"))
#: INVARIANT: two values that differ in more than what stands between their digits have two canonical forms.
_SEPARATORS, _GROUPED_DIGITS = re.compile(r"[^0-9a-z]+"), re.compile(r"[^\w]*(?:[0-9][^\w]*)+")
_PHONE, _HEX = re.compile(r"(?i)(?:tel:)?(?:[^\w]|[0-9]|x|ext)+"), re.compile(r"[0-9a-f]+")
_NO_SEPARATORS = frozenset(("IBAN", "NATIONAL_ID", "PASSPORT", "LICENSE", "PLATE", "BANK"))


def canonical(type_name: str, value: str) -> str:
    """Never empty for a value that has a letter or a digit. Case stays where people see it again: names, addresses."""
    text = folded(value).strip()
    if type_name in _DIGITS_ONLY:
        return _SEPARATORS.sub("", text) if _GROUPED_DIGITS.fullmatch(text) else text
    if type_name in _NO_SEPARATORS:
        return re.sub(r"[^\w*]|_", "", text).upper() or text
    if type_name == "PHONE":
        return (canonical_phone(text) or text) if _PHONE.fullmatch(text) else text
    if type_name == "EMAIL":
        return plain_email(text).replace(" ", "")
    if type_name == "MAC":
        low = _SEPARATORS.sub("", text.lower())
        return low if _HEX.fullmatch(low) else text
    if type_name == "IP":
        return _address(text)
    if type_name == "DOB":
        return _day(text)
    if type_name in ("PERSON", "ADDRESS"):
        return " ".join(text.split())
    return value.strip() or value


def _address(text: str) -> str:
    try:
        return ip_address(text).compressed
    except ValueError:
        return text.lower()


_IN_WORDS = re.compile(
    r"(?:(\d{1,2})(?:st|nd|rd|th|er|\.|º)?(?: of| de)? )?([^\W\d_]+)\.?,?(?: (\d{1,2})(?:st|nd|rd|th)?,?)?,?"
    r"(?: de| del)? (\d{4})"
)
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_IN_ORDER = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_SPACED = re.compile(r"(?<=\d) ?([-/.]) ?(?=\d)")
_COMPACT = re.compile(r"((?:19|20)\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])|(\d{4})年(\d{1,2})月(\d{1,2})日")
_GLUED = re.compile(r"(\d{1,2})[- ]?([^\W\d_]+)[- ]?(\d{4})")


def _day(text: str) -> str:
    """ISO 8601 where the order of day and month is clear."""
    if _ISO.fullmatch(text):
        return text
    low = _SPACED.sub(r"\1", " ".join(text.lower().split()))
    if match := _COMPACT.fullmatch(low):
        low = "-".join(part for part in match.groups() if part)
    elif match := _GLUED.fullmatch(low):
        low = " ".join(match.groups())
    match = _IN_ORDER.fullmatch(low)
    if match:
        year, month, day = match.groups()
        return f"{year}-{int(month):02}-{int(day):02}"
    match = _IN_WORDS.fullmatch(low)
    if match and match.group(2) in MONTHS and (match.group(1) or match.group(3)):
        day = int(match.group(1) or match.group(3))
        return f"{match.group(4)}-{MONTHS[match.group(2)]:02}-{day:02}"
    return low
