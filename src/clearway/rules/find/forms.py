"""How a known value may be written elsewhere: a name in parts, a login's names, a date in other spellings."""

import re
from collections.abc import Iterator
from datetime import date

from clearway.rules.find.canonical import canonical
from clearway.rules.find.given import ALSO_WORDS, GIVEN, NOT_NAMES, PARTICLES
from clearway.rules.find.values import GENERIC

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
)  # fmt: skip
_WORD = re.compile(r"[^\W\d_][\w'-]*")


def forms_of(text: str, type_name: str) -> Iterator[tuple[str, tuple[str, str], int]]:
    """(how it may be written, (type, canonical value), how shy it is)."""
    whole = (type_name, canonical(type_name, text))
    if type_name == "PERSON":
        yield from _names(text)
        return
    if type_name == "ADDRESS" and text.isalpha():
        return
    if len(text) >= 4 or (text.isalnum() and not text.isdecimal()):
        yield text, whole, 0
    if type_name in ("USERNAME", "EMAIL"):
        yield from _names_in_handle(text)
    elif type_name == "ADDRESS" and "," in text:
        street = text.split(",", 1)[0].strip()
        if any(map(str.isdigit, street)) and any(map(str.isalpha, street)) and len(street) >= 8:
            yield street, ("ADDRESS", " ".join(street.split())), 0


def _names(text: str) -> Iterator[tuple[str, tuple[str, str], int]]:
    """A name, and those of its parts that stand for the person."""
    parts = [part for part in re.split(r"[\s,]+", text) if part.strip(".").lower() not in PARTICLES]
    if len(parts) > 1:
        yield text, ("PERSON", " ".join(text.split())), 0
    for part in parts:
        word = part.strip(".'\"()")
        low = word.lower()
        if len(word) < 2 or not _WORD.fullmatch(word) or (len(word) < 3 and len(parts) > 2):
            continue
        yield word, ("PERSON", word), shyness(low)


def shyness(low: str) -> int:
    """How shy a part of a name is, in small letters: see `known`."""
    return 2 if low in NOT_NAMES else int(len(low) < 5 or low in ALSO_WORDS)


def _names_in_handle(text: str) -> Iterator[tuple[str, tuple[str, str], int]]:
    """`chen_lee_6825` tells two names, if they look like a person's."""
    parts = [part for part in re.split(r"[._\d+-]+", text.split("@", 1)[0]) if part]
    if not 2 <= len(parts) <= 3 or GENERIC & {part.lower() for part in parts}:
        return
    if not any(part.lower() in GIVEN for part in parts):
        return
    for part in parts:
        if part.isalpha() and len(part) >= 2 and part.lower() not in NOT_NAMES:
            yield part, ("PERSON", part.capitalize()), 1


_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d\d?)[-/.](\d\d?)")
_YEAR_LAST = re.compile(r"(\d\d?)[-/.](\d\d?)[-/.](\d{4})")


def year_of(text: str) -> str:
    """The year of a date that has `spellings`; empty where it has none."""
    if match := _YEAR_FIRST.fullmatch(text):
        return match[1]
    match = _YEAR_LAST.fullmatch(text)
    return match[3] if match else ""


def spellings(text: str) -> Iterator[str]:
    """Other ways to write a date: ISO, American, European, in words. All of them hold the year, as a word."""
    match = _YEAR_FIRST.fullmatch(text)
    if match:
        year, month, day = map(int, match.groups())
    else:
        match = _YEAR_LAST.fullmatch(text)
        if not match:
            return
        month, day, year = map(int, match.groups())
        if month > 12:
            month, day = day, month
    try:
        when = date(year, month, day)
    except ValueError:
        return
    name, suffix = _MONTHS[when.month - 1], "th"
    if not 11 <= when.day <= 13:
        suffix = {1: "st", 2: "nd", 3: "rd"}.get(when.day % 10, "th")
    month, day, year = when.month, when.day, when.year
    yield f"{year}-{month:02}-{day:02}"
    yield f"{name} {day}, {year}"
    yield f"{name[:3]} {day}, {year}"
    yield f"{name} {day}{suffix}, {year}"
    yield f"{day} {name} {year}"
    yield f"{day} {name[:3]} {year}"
    if day < 10:
        yield f"{name} {day:02}, {year}"
        yield f"{day:02} {name} {year}"
        yield f"{day:02} {name[:3]} {year}"
    yield f"{month:02}/{day:02}/{year}"
    yield f"{month}/{day}/{year}"
    yield f"{day:02}/{month:02}/{year}"
    yield f"{day}/{month}/{year}"
    yield f"{day:02}.{month:02}.{year}"
    yield f"{day}.{month}.{year}"
