"""Looks through stored and exported bytes for canaries and for what the detectors know. Says where, never what.

Files as they are (logs, exports, anything), gz and zip inside, SQLite files both as tables and as bytes, which shows
what is free but not yet overwritten, and the write-ahead log. Memory is bounded whatever the size.
"""

import gzip
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from clearway.model.approval import ApprovalState
from clearway.model.ledger import LedgerState
from clearway.model.run import RunStatus
from clearway.operate.canaries import Canaries
from clearway.operate.pieces import Piece, opener_of, pieces
from clearway.operate.sqlite_cells import MAGIC, Cell, sqlite_cells
from clearway.rules.find import Finder, Found, RunMemory
from clearway.rules.find.found import CERTAIN
from clearway.rules.scrub import NET

#: Of one member of an archive; more is told as such.
MOST_UNPACKED = 1 << 30
_DEEPEST = 2
_TEXT = re.compile(rb"[\x20-\x7e\t\r\n]{12,}")
#: Bytes of what is sealed, before a finding: so many, of all classes.
_BASE64 = re.compile(r"[A-Za-z0-9_-]{40}\Z")
#: By the keyring, and by a data key.
_SEALED = re.compile(r"v1\.[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]{20,}|v2\.[A-Za-z0-9_-]{20,}")
#: Forms that leave no doubt also where bytes of different things lie side by side.
_SURE = frozenset(("EMAIL", "IBAN", "JWT", "API_KEY", "PRIVATE_KEY"))
#: A shorter text that is allowed may be part of a finding by chance; of an address it is the whole one.
_LONG = 15
#: What Clearway's own events and exports say under `state`, which elsewhere is the name of a field for a place.
_OWN_STATES = frozenset(one.value for states in (LedgerState, RunStatus, ApprovalState) for one in states)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was found. `type`: of the finding; for canaries `CANARY` and `form`, `canary` its number from 1.

    `path`: the file, `archive!member` inside one; empty for a database server. `row`: SQLite's rowid, Postgres' ctid,
    else the row's number. `offset`: of bytes in the file, of characters in a cell."""

    type: str
    path: str = ""
    table: str = ""
    column: str = ""
    row: str = ""
    offset: int | None = None
    form: str = ""
    canary: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value not in ("", None)}


@dataclass(frozen=True, slots=True)
class _Being:
    """What is being read: how it is named, and who looks at its texts."""

    shown: str
    finder: Finder | None

    def inside(self, member: str) -> "_Being":
        return _Being(f"{self.shown}!{member}", self.finder)


class Scan:
    """One looking-through. `unread` fills with what could not be looked at, and why.

    `finder`: None looks for canaries only. `of_tenant`: who looks in its place at a row that tells that tenant.
    `allowed`: what the finder lets pass, for bytes where it may stand glued to the column beside it. `keyring`: the
    file that is there to hold secrets; no detector minds it. `stands_in(value, type)`: whether a finding is a stand-in
    of the project's, which looks like a value and is none."""

    def __init__(
        self,
        finder: Finder | None,
        canaries: Canaries,
        keyring: Path | None = None,
        stands_in: Callable[[str, str], bool] = lambda value, type_name: False,
        of_tenant: Mapping[str, Finder] | None = None,
        allowed: Iterable[str] = (),
    ) -> None:
        self._stands_in = stands_in
        self._finder, self._canaries = finder, canaries
        self._of_tenant: Mapping[str, Finder] = {} if finder is None or of_tenant is None else of_tenant
        self._allowed = tuple(text.lower() for text in allowed if "@" in text or len(text) >= _LONG)
        self._keyring = None if keyring is None else keyring.resolve()
        self._names = NET
        self.unread: list[tuple[str, str]] = []
        self.files = self.cells = self.bytes = 0

    def paths(self, paths: Iterable[Path]) -> Iterator[Place]:
        """Files, and folders with everything below them. Links are not followed."""
        for path in paths:
            if path.is_dir():
                for folder, _, names in os.walk(path):
                    for name in sorted(names):
                        yield from self._file(Path(folder) / name)
            else:
                yield from self._file(path)

    def table_cells(self, cells: Iterable[Cell], path: str = "") -> Iterator[Place]:
        for cell in cells:
            self.cells += 1
            place = Place("", path, cell.table, cell.column, cell.row)
            data = cell.value if isinstance(cell.value, bytes) else str(cell.value).encode("utf-8", "surrogatepass")
            for seen in self._canaries.sightings(data):
                yield _at(place, "CANARY", seen.start, seen.form, seen.number + 1)
            finder = self._of_tenant.get(cell.tenant, self._finder)
            if isinstance(cell.value, str) and finder is not None and not _SEALED.fullmatch(cell.value):
                for found in self._found(cell.value, finder):
                    yield _at(place, found.type, found.start)

    def _file(self, path: Path) -> Iterator[Place]:
        shown = self._names.text(str(path))
        for seen in self._canaries.sightings(str(path).encode("utf-8", "surrogateescape")):
            yield Place("CANARY", shown, form=f"name, {seen.form}", canary=seen.number + 1)
        try:
            if path.is_symlink() or not path.is_file():
                return
            self.files += 1
            finder = None if path.resolve() == self._keyring else self._finder
            opener = opener_of(path)
            with opener() as file:
                yield from self._stream(file, _Being(shown, finder), opener, 0)
            if _begins(opener, MAGIC):
                yield from self.table_cells(sqlite_cells(path), shown)
        except (OSError, ValueError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            self.unread.append((shown, type(error).__name__))

    def _stream(
        self, file: IO[bytes], being: "_Being", opener: Callable[[], IO[bytes]] | None, depth: int
    ) -> Iterator[Place]:
        size, is_archive, pages = 0, b"", None
        for piece in pieces(file, self._canaries.longest):
            if piece.offset == 0:
                is_archive, pages = piece.data[:4], piece.pages
            size += len(piece.data)
            if depth and size > MOST_UNPACKED:
                self.unread.append((being.shown, "too large unpacked"))
                return
            self.bytes += len(piece.data)
            yield from self._piece(piece, being)
        for number, cut in sorted(pages.begun.keys() & pages.ended) if pages is not None else ():
            offset = pages.begun[number, cut] if pages is not None else 0
            yield Place("CANARY", being.shown, offset=offset, form="over a page's border", canary=number + 1)
        if opener is not None and depth < _DEEPEST:
            if is_archive[:2] == b"\x1f\x8b":
                with opener() as packed, gzip.GzipFile(fileobj=packed) as inner:
                    yield from self._stream(inner, being.inside(""), None, depth + 1)  # pyright: ignore[reportArgumentType]
            elif is_archive == b"PK\x03\x04":
                yield from self._zip(being, opener, depth)

    def _zip(self, being: "_Being", opener: Callable[[], IO[bytes]], depth: int) -> Iterator[Place]:
        with opener() as packed, zipfile.ZipFile(packed) as archive:
            for member in archive.infolist():
                if member.is_dir():
                    continue
                inside = being.inside(self._names.text(member.filename))
                for seen in self._canaries.sightings(member.filename.encode()):
                    yield Place("CANARY", inside.shown, form=f"name, {seen.form}", canary=seen.number + 1)
                if member.flag_bits & 1:
                    self.unread.append((inside.shown, "encrypted"))
                    continue

                def reopen(member: zipfile.ZipInfo = member) -> IO[bytes]:
                    return archive.open(member)

                with reopen() as inner:
                    yield from self._stream(inner, inside, reopen, depth + 1)

    def _piece(self, piece: Piece, being: "_Being") -> Iterator[Place]:
        piece.look_at_borders(self._canaries)
        for seen in self._canaries.sightings(piece.data):
            if seen.end > piece.fresh_from:
                yield Place(
                    "CANARY", being.shown, offset=piece.offset + seen.start, form=seen.form, canary=seen.number + 1
                )
        if being.finder is None:
            return
        for start, text, sure_only in piece.texts(_TEXT):
            if sure_only:  # sealed bytes may look like a key, and among columns nothing says where they begin
                text = _SEALED.sub(lambda sealed: " " * len(sealed[0]), text)
            for found in self._found(text, being.finder):
                if sure_only and (not _is_sure(found, text) or self._is_allowed_among(text[found.start : found.end])):
                    continue
                at = start + len(text[: found.start].encode("utf-8", "surrogateescape"))
                if at >= piece.fresh_from or piece.offset == 0:
                    yield Place(found.type, being.shown, offset=piece.offset + at)

    def _is_allowed_among(self, text: str) -> bool:
        """`acmedesk@acme.example`, behind a column that says `acme`: among bytes nothing says where it begins."""
        low = text.lower()
        return any(allowed in low for allowed in self._allowed)

    def _found(self, text: str, finder: Finder) -> list[Found]:
        return [
            one
            for one in finder.spans(text, RunMemory())
            if not self._stands_in(one.value, one.type)
            and not (one.type == "LOCATION" and text[one.start : one.end] in _OWN_STATES)
        ]


def _at(place: Place, type_name: str, offset: int, form: str = "", canary: int | None = None) -> Place:
    return Place(type_name, place.path, place.table, place.column, place.row, offset, form, canary)


def _is_sure(found: Found, text: str) -> bool:
    """Among bytes that are no text: by a form without doubt, that ends where it ends, and is not the middle of what is
    sealed: a page's border cuts that, and then nothing says that it is."""
    if found.type not in _SURE or found.weight != CERTAIN or re.match(r"\w", text[found.end : found.end + 1]):
        return False
    return found.type == "EMAIL" or not _is_sealed(text[max(0, found.start - 40) : found.start])


def _is_sealed(before: str) -> bool:
    """Names and ids have not as many capitals, small letters and digits at once."""
    return (
        _BASE64.match(before) is not None
        and sum(map(str.isupper, before)) >= 6
        and sum(map(str.islower, before)) >= 6
        and any(map(str.isdigit, before))
    )


def _begins(opener: Callable[[], IO[bytes]], magic: bytes) -> bool:
    with opener() as file:
        return file.read(len(magic)) == magic
