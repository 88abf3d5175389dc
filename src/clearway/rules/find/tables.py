"""Tables in texts: rows under the names of their columns, parted by commas, semicolons, tabs or bars (Markdown)."""

import re
from collections.abc import Iterator

from clearway.rules.find.canonical import canonical
from clearway.rules.find.found import LIKELY, Found
from clearway.rules.find.keys import may_tell
from clearway.rules.find.labelled import NAMES, shaped

_IN_HEAD = r"[A-Za-z0-9_\x22\x80-\xff #/(),;\t|-]*"
_LAST = r"[,;\t|][ ]?\x22?[A-Za-z0-9_-]*"
_CLOSE = r"\x22?[ ]?"
_NAMES = rf"(?:{NAMES}|(?i:e[ _-]?mail))"
_HEAD = rf"(?:^|\n){_IN_HEAD}(?:{_NAMES}{_CLOSE}[,;\t|]{_IN_HEAD}|{_LAST}{_NAMES}{_CLOSE}[|]?)\r?\n"
#: A line of names and the lines under it.
TABLE = rf"{_HEAD}[^\n]+(?:\n[^\n]+)*".encode()
#: What `TABLE` has.
TABLE_BEGUN = _HEAD.encode()
_COLUMN = re.compile(r"[^\W\d][\w.#-]*(?: [\w.#/-]+){0,4}")
_RULE = re.compile(r"[\s|:=+-]+")
_MOST_COLUMNS = 200

_Cell = tuple[int, int]
_CELLS = {
    mark: re.compile(rf'[ ]*(?:"((?:[^"\n]|"")*+)"|([^{mark}\n]*+))[ ]*(?:{mark}|\Z)')
    for mark in (",", ";", "\t", r"\|")
}


def table(text: str, start: int, end: int) -> list[Found]:
    """`start` to `end` are lines of which the first may be the names of columns."""
    found: list[Found] = []
    names: list[str] = []
    mark = ""
    for begin, stop in _lines(text, start, end):
        if names:
            cells = _cells(text, begin, stop, mark)
            if len(cells) == len(names):
                found += _row(text, cells, names)
                continue
            if _RULE.fullmatch(text, begin, stop):
                continue
        names, mark = _header(text, begin, stop)
    return found


def _lines(text: str, start: int, end: int) -> Iterator[_Cell]:
    while start < end:
        stop = text.find("\n", start, end)
        stop = end if stop < 0 else stop
        yield start, stop - (text[stop - 1 : stop] == "\r")
        start = stop + 1


def _header(text: str, start: int, end: int) -> tuple[list[str], str]:
    line = text[start:end]
    for mark in ("\t", "|", ";", ","):
        if mark in line:
            names = [text[begin:stop] for begin, stop in _cells(text, start, end, mark)]
            fit = 2 <= len(names) <= _MOST_COLUMNS and all(map(_COLUMN.fullmatch, names)) and any(map(may_tell, names))
            return (names, mark) if fit else ([], "")
    return [], ""


def _cells(text: str, start: int, end: int, mark: str) -> list[_Cell]:
    """Where the parts of a line are, without quotation marks and blanks."""
    line = text[start:end].strip()
    start = text.index(line, start) if line else start
    if mark == "|":
        start += line.startswith("|")
        line = line[1:] if line.startswith("|") else line
        line = line[:-1] if line.endswith("|") else line
    cells: list[_Cell] = []
    place = 0
    while place <= len(line) and len(cells) <= _MOST_COLUMNS:
        match = _CELLS[r"\|" if mark == "|" else mark].match(line, place)
        if match is None:
            return []
        begin, stop = match.span(1 if match[1] is not None else 2)
        cells.append((start + begin, start + begin + len(line[begin:stop].rstrip())))
        place = match.end()
        if line[match.end() - 1 : match.end()] != mark or match.end() == match.start():
            break
    return cells


def _row(text: str, cells: list[_Cell], names: list[str]) -> Iterator[Found]:
    beside = tuple(names)
    for name, (start, end) in zip(names, cells, strict=True):
        if told := shaped(name, text[start:end], beside):
            yield Found(start, end, told[0], canonical(*told), LIKELY)
