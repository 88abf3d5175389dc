"""The cells of a SQLite file, row by row; whatever its tables are."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

MAGIC = b"SQLite format 3\0"


class Cell(NamedTuple):
    """One value of a table. `value`: text or bytes; numbers as text. `tenant`: of the row, where it tells one."""

    table: str
    column: str
    row: str
    value: str | bytes
    tenant: str = ""


def sqlite_cells(path: Path) -> Iterator[Cell]:
    """Errors: `ValueError` where SQLite cannot read it."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{_way(path)}", uri=True)) as connection:
            connection.text_factory = bytes
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql IS NOT NULL")
            for (name,) in names.fetchall():
                yield from _table(connection, name.decode())
    except sqlite3.Error as error:
        raise ValueError(type(error).__name__) from None


def _way(path: Path) -> str:
    """Leaves nothing behind: to read a database that nobody writes to, SQLite needs no files beside it."""
    log = path.with_name(f"{path.name}-wal")
    return "mode=ro" if log.exists() else "mode=ro&immutable=1"


def _table(connection: sqlite3.Connection, table: str) -> Iterator[Cell]:
    quoted = table.replace('"', '""')
    rows = connection.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608 - the name is the database's own
    columns = [str(described[0]) for described in rows.description]
    told = columns.index("tenant") if "tenant" in columns else None
    for number, row in enumerate(rows, 1):
        tenant = "" if told is None else str(_read(row[told]))
        for column, value in zip(columns, row, strict=True):
            if value is not None:
                yield Cell(table, column, str(number), _read(value), tenant)


def _read(value: Any) -> str | bytes:
    """Text where it is some, for the detectors; a number as what it would be written as."""
    if not isinstance(value, bytes):
        return str(value).encode()
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
