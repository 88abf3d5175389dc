"""Reads files piece by piece, so that nothing large is ever in memory, and nothing falls between two pieces."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from clearway.operate.canaries import Canaries, Cut
from clearway.operate.sqlite_records import is_number_in_row

SIZE = 1 << 20
#: What a finding of the detectors may span at a piece's end.
_LONGEST_FINDING = 512
_SQLITE = b"SQLite format 3\0"
_BESIDE = ("-wal", "-shm", "-journal")
_AT = re.compile(b"@")
_WAL = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")


@dataclass(slots=True)
class _Pages:
    """The pages of a SQLite file, or the frames of its log, and what of canaries stands at their borders."""

    size: int
    first: int
    lead: int
    begun: dict[Cut, int] = field(default_factory=dict[Cut, int])
    ended: set[Cut] = field(default_factory=set[Cut])

    @classmethod
    def of(cls, data: bytes) -> "_Pages | None":
        if data.startswith(_SQLITE) and len(data) >= 100:
            size = int.from_bytes(data[16:18], "big")
            return cls(65536 if size == 1 else size, 0, 0)
        if data[:4] in _WAL and len(data) >= 32:
            return cls(int.from_bytes(data[8:12], "big"), 32, 24)
        return None


@dataclass(slots=True)
class Piece:
    """`data` at `offset` of the file. Its first `fresh_from` bytes were in the piece before too."""

    offset: int
    data: bytes
    fresh_from: int
    is_text: bool
    pages: _Pages | None = None

    def look_at_borders(self, canaries: Canaries) -> None:
        """A long value goes on in another page, anywhere in the file: notes what the borders of these pages hold."""
        if self.pages is None:
            return
        pages, keep = self.pages, max(canaries.longest, 64)
        step = pages.size + pages.lead
        first = max(0, -((pages.first - self.offset) // step))
        for number in range(first, (self.offset + len(self.data) - pages.first) // step + 1):
            begin = pages.first + number * step + pages.lead - self.offset
            end = begin + pages.size
            if begin < 0 or end > len(self.data):
                continue
            # An overflow page begins with the number of the next one.
            begun, ended = canaries.cuts(self.data[end - keep : end], self.data[begin + 4 : begin + 4 + keep])
            pages.begun.update((cut, self.offset + begin) for cut in begun)
            pages.ended.update(ended)

    def texts(self, readable: re.Pattern[bytes]) -> Iterator[tuple[int, str, bool]]:
        """(offset in the piece, text, whether only what leaves no doubt counts in it)."""
        if self.is_text:
            place = 0
            for line in self.data.splitlines(keepends=True):
                yield place, line.decode("utf-8", "surrogateescape"), False
                place += len(line)
        else:
            for match in readable.finditer(self.data):
                yield match.start(), self._without_numbers(match).decode("utf-8", "surrogateescape"), True

    def _without_numbers(self, match: re.Match[bytes]) -> bytes:
        """The bytes with a blank for each number of a row that looks like an @, which would make one address of the
        columns before and after it."""
        found = match.group()
        if self.pages is None or b"@" not in found:
            return found
        parts = bytearray(found)
        for at in (each.start() for each in _AT.finditer(found)):
            if is_number_in_row(self.data, match.start() + at, self.pages.size):
                parts[at] = 0x20
        return bytes(parts)


def pieces(file: IO[bytes], longest: int) -> Iterator[Piece]:
    """The file's pieces; each begins with the end of the one before, `longest` bytes or more."""
    overlap = max(longest, _LONGEST_FINDING)
    offset, kept = 0, b""
    is_text, pages = True, None
    while True:
        data = file.read(SIZE)
        if not data:
            return
        if offset == 0:
            is_text, pages = b"\0" not in data[:8192], _Pages.of(data)
        whole = kept + data
        yield Piece(offset - len(kept), whole, len(kept), is_text, pages)
        offset += len(data)
        kept = whole[-overlap - (0 if pages is None else pages.size + pages.lead) :]


def opener_of(path: Path) -> Callable[[], IO[bytes]]:
    """How to open the file for reading, as often as it takes.

    INVARIANT: a database that this process has open is read by another process: closing a descriptor of it here would
    drop the locks that SQLite holds on it for this process."""
    if _is_held_here(path) and (path.name.endswith(_BESIDE) or _begins_elsewhere(path) == _SQLITE):
        return lambda: _open_elsewhere(path)
    return lambda: path.open("rb")


def _is_held_here(path: Path) -> bool:
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        return True  # not known, so as if
    for descriptor in folder.iterdir():
        try:
            if os.path.samestat(os.stat(descriptor), os.stat(path)):
                return True
        except OSError:
            continue
    return False


def _begins_elsewhere(path: Path) -> bytes:
    with _open_elsewhere(path) as file:
        return file.read(len(_SQLITE))


def _open_elsewhere(path: Path) -> IO[bytes]:
    copy = "import shutil,sys; shutil.copyfileobj(open(sys.argv[1],'rb'), sys.stdout.buffer)"
    words = [sys.executable, "-I", "-S", "-c", copy, str(path)]
    return _Piped(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))  # pyright: ignore[reportReturnType]


class _Piped:
    """The output of a child, which ends with it."""

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self._child = child

    def read(self, size: int = -1) -> bytes:
        out = self._child.stdout
        return out.read(size) if out is not None else b""

    def __enter__(self) -> "_Piped":
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        if self._child.stdout is not None:
            self._child.stdout.close()
        self._child.wait()
