"""Two texts side by side, line by line, with what is around each difference."""

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

CONTEXT = 3
#: Longer texts are not aligned: finding what belongs together takes a square of their lines.
MOST_LINES = 2_000


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `kind`: same, changed, added, removed, or gap, which stands for lines that are left out. `old_no` and
    `new_no` count from 1; None where that side has no such line."""

    kind: str
    old_no: int | None = None
    old: str = ""
    new_no: int | None = None
    new: str = ""


def text_of(value: Any) -> str | None:
    """A text as it is, anything else as JSON; None where it is not there."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)


def side_by_side(old: str | None, new: str | None) -> list[Row] | None:
    """The lines that differ, with what is around them; None where they are too long to be aligned.

    INVARIANT: lines end at line feeds only, so that no other separator goes unseen."""
    before, after = _lines(old), _lines(new)
    if max(len(before), len(after)) > MOST_LINES:
        return None
    return list(_rows(before, after))


def _lines(text: str | None) -> list[str]:
    if not text:
        return []
    return text.removesuffix("\n").split("\n")


def _rows(before: list[str], after: list[str]) -> Iterator[Row]:
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for place, group in enumerate(matcher.get_grouped_opcodes(CONTEXT)):
        if place or (group and (group[0][1] or group[0][3])):
            yield Row("gap")
        for tag, i1, i2, j1, j2 in group:
            yield from _block(tag, before, after, (i1, i2), (j1, j2))


def _block(tag: str, before: list[str], after: list[str], old: tuple[int, int], new: tuple[int, int]) -> Iterator[Row]:
    for step in range(max(old[1] - old[0], new[1] - new[0])):
        left = old[0] + step if old[0] + step < old[1] else None
        right = new[0] + step if new[0] + step < new[1] else None
        kind = "same" if tag == "equal" else "added" if left is None else "removed" if right is None else "changed"
        yield Row(
            kind,
            None if left is None else left + 1,
            "" if left is None else before[left],
            None if right is None else right + 1,
            "" if right is None else after[right],
        )
