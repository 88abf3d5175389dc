"""Tells a number of a SQLite row from a character: in the file's bytes the columns of a row stand side by side.

Format: https://www.sqlite.org/fileformat2.html#b_tree_pages. A cell is the length of its row, in a table the row's id,
and the row: its header (the header's own length, then one varint for each column's type and size) and the columns,
with nothing between them.
"""

import re
from collections.abc import Sequence

#: Bytes of a number by its type in the header; 0, 8 and 9 have none.
_NUMBERS = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 7: 8, 8: 0, 9: 0}
_NUMBER_BYTE = re.compile(rb"[\x01-\x07]")
#: A header longer than this has a longer length of its own; no table of ours has so many columns.
_LONGEST_HEADER = 127
_LONGEST_VARINT = 9


def is_number_in_row(data: bytes, at: int, reach: int) -> bool:
    """Whether the byte at `at` is part of a number of a row that begins at most `reach` bytes before it.

    Nothing says where rows begin once they are deleted, so every byte before is tried as a header's first; the length
    of the row before it tells a header from what happens to look like one. Where that was overwritten in part, which is
    what becomes of deleted rows where SQLite does not overwrite them whole, nothing can be told: False."""
    return any(_begins_row(data, begin, at) for begin in range(at - 2, max(1, at - reach) - 1, -1))


def _begins_row(data: bytes, begin: int, at: int) -> bool:
    body = begin + data[begin]
    if not begin + 2 < body <= at or not _NUMBER_BYTE.search(data, begin + 1, body) or data[begin] > _LONGEST_HEADER:
        return False
    types = _varints(data[begin + 1 : body])
    return 10 not in types and 11 not in types and _is_in_number(types, at - body) and _has_length(data, begin, types)


def _is_in_number(types: Sequence[int], at: int) -> bool:
    place = 0
    for kind in types:
        place += _size(kind)
        if place > at:
            return kind in _NUMBERS
    return False


def _has_length(data: bytes, begin: int, types: Sequence[int]) -> bool:
    length = _varint(data[begin] + sum(_size(kind) for kind in types))
    before = data[max(0, begin - _LONGEST_VARINT - len(length)) : begin]
    return before.endswith(length) or any(
        before[:-size].endswith(length) and len(_varints(before[-size:])) == 1
        for size in range(1, _LONGEST_VARINT + 1)
    )  # fmt: skip


def _size(kind: int) -> int:
    return _NUMBERS.get(kind, (kind - 12) // 2)


def _varints(data: bytes) -> list[int]:
    """Seven bits a byte, the highest says that more follow. Empty where the last one is cut off."""
    read: list[int] = []
    value = 0
    for byte in data:
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            read.append(value)
            value = 0
    return read if data and data[-1] < 0x80 else []


def _varint(value: int) -> bytes:
    parts = [value & 0x7F]
    while value := value >> 7:
        parts.append(value & 0x7F | 0x80)
    return bytes(reversed(parts))
