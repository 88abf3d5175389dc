"""Days and times of day as people and programs write them."""

import re
from collections.abc import Sequence

_NAMES = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTHS = {form: place for place, name in enumerate(_NAMES, 1) for form in (name, name[:3])} | {"sept": 9}
_ISO = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T_](\d{2}:\d{2})(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
)
_DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_TIME = re.compile(r"(\d{1,2})(?::(\d{2})(?::\d{2})?)?\s?(a\.?m|p\.?m)?", re.IGNORECASE)
_ORDINAL = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?", re.IGNORECASE)


def iso_day(text: str) -> str | None:
    """`2024-05-01`, `2024/5/1`, `1.5.2024` → `2024-05-01`; with a time behind it, `2024-05-01 10:00`.

    `05/01/2024` is two days, depending on where it was written, hence none.
    """
    found = _ISO.fullmatch(text)
    if found:
        year, month, day, time = found.groups()
    else:
        found = _DAY_FIRST.fullmatch(text)
        if not found:
            return None
        (day, month, year), time = found.groups(), None
    shown = _shown(int(year), int(month), int(day))
    return f"{shown} {time}" if shown and time else shown


def time_of_day(text: str) -> str | None:
    """`9:30`, `09:30:00`, `9.30 am` → `09:30`; a bare number is none."""
    found = _TIME.fullmatch(text)
    if not found or (found[2] is None and found[3] is None):
        return None
    hour, minute = int(found[1]), int(found[2] or 0)
    if found[3]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found[3][0] in "pP" else 0)
    return f"{hour:02}:{minute:02}" if hour < 24 and minute < 60 else None


def days_in_words(atoms: Sequence[str], kind: str) -> list[tuple[int, int, str]]:
    """`may 1 2024`, `1 may`, `1st of may 2024` among atoms → (first, behind the last, the day's atom)."""
    found: list[tuple[int, int, str]] = []
    for place, atom in enumerate(atoms):
        month = _MONTHS.get(atom)
        if month is None:
            continue
        after = _day(atoms, place + 1, kind)
        start, end, day = (place, place + 2, after) if after else _day_before(atoms, place, kind)
        if day is None:
            continue
        year = _year(atoms, end, kind)
        shown = _shown(year, month, day)
        if shown:
            found.append((start, end if year is None else end + 1, f"d{kind}{shown}"))
    return found


def _day_before(atoms: Sequence[str], place: int, kind: str) -> tuple[int, int, int | None]:
    start = place - 2 if place > 1 and atoms[place - 1] == "of" else place - 1
    return start, place + 1, _day(atoms, start, kind)


def _day(atoms: Sequence[str], place: int, kind: str) -> int | None:
    if not 0 <= place < len(atoms):
        return None
    text = atoms[place].rpartition(kind)[2]
    found = _ORDINAL.fullmatch(text)
    return int(found[1]) if found and 1 <= int(found[1]) <= 31 else None


def _year(atoms: Sequence[str], place: int, kind: str) -> int | None:
    text = atoms[place].rpartition(kind)[2] if place < len(atoms) else ""
    return int(text) if len(text) == 4 and text.isdigit() and text.isascii() else None


def _shown(year: int | None, month: int, day: int) -> str | None:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    return f"{'-' if year is None else f'{year:04}'}-{month:02}-{day:02}"
