"""From the database's exceptions to ours. INVARIANT: no text of a driver, so no value of a row, gets through."""

import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from clearway.model.errors import ClearwayError, Internal, Unavailable

#: SQLite result code (https://sqlite.org/rescode.html) → code, what is wrong, what to do.
_SQLITE: dict[int, tuple[str, str, str]] = {
    sqlite3.SQLITE_BUSY: ("store_locked", "The database is locked.", "Try again; end what holds it open."),
    sqlite3.SQLITE_LOCKED: ("store_locked", "The database is locked.", "Try again; end what holds it open."),
    sqlite3.SQLITE_FULL: ("store_full", "The disk is full.", "Free space; nothing was written."),
    sqlite3.SQLITE_IOERR: ("store_lost", "The disk could not be read or written.", "Check the disk."),
    sqlite3.SQLITE_READONLY: ("store_read_only", "The database cannot be written.", "Check its permissions."),
    sqlite3.SQLITE_CANTOPEN: ("store_lost", "The database cannot be opened.", "Check file and folder."),
}

#: Postgres SQLSTATE or its class (https://www.postgresql.org/docs/current/errcodes-appendix.html) → the same.
_POSTGRES: dict[str, tuple[str, str, str]] = {
    "40001": ("store_locked", "The transaction collided with another.", "Try again."),
    "40P01": ("store_locked", "The transaction collided with another.", "Try again."),
    "55P03": ("store_locked", "The database is locked.", "Try again."),
    "25006": ("store_read_only", "The database cannot be written.", "Connect to the primary."),
    "25P03": ("store_lost", "The database ended an idle transaction.", "Try again."),
    "57": ("store_lost", "The database is shutting down or cancelled the statement.", "Try again."),
    "53100": ("store_full", "The database's disk is full.", "Free space; nothing was written."),
    "53": ("store_lost", "The database is out of resources.", "Try again; raise its limits."),
    "28": ("store_refused", "The database refused the credentials.", "Check user and password in the URL."),
    "3D000": ("store_refused", "The database does not exist.", "Create it, or correct the URL."),
    "08": ("store_lost", "The connection to the database was lost.", "Check that it runs, and its URL."),
}


def translate(error: SQLAlchemyError) -> ClearwayError:
    """The error of ours that `error` amounts to: `Unavailable` (`store_*`) where waiting may help, else `Internal`.

    `store_locked`, `store_full`, `store_lost`, `store_read_only`, `store_refused`, `store_damaged` (`Internal`).
    """
    if isinstance(error, PoolTimeout):
        return Unavailable("All database connections are in use.", code="store_locked", remedy="Try again.")
    if not isinstance(error, DBAPIError):
        return Internal(f"The database layer failed ({type(error).__name__}).", code="store")
    found = _of_sqlite(error.orig) if isinstance(error.orig, sqlite3.Error) else _of_postgres(error)
    return found or Internal(f"The database refused a statement ({_name(error)}).", code="store")


def _of_sqlite(error: sqlite3.Error) -> ClearwayError | None:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return Internal(
            "The file is damaged, or no database.", code="store_damaged", remedy="Restore it from a backup."
        )
    return _unavailable(_SQLITE.get(code))


def _of_postgres(error: DBAPIError) -> ClearwayError | None:
    state = _state(error)
    found = _unavailable(_POSTGRES.get(state) or _POSTGRES.get(state[:2]))
    if found is None and (
        error.connection_invalidated or (not state and isinstance(error, OperationalError | InterfaceError))
    ):
        return _unavailable(_POSTGRES["08"])  # no SQLSTATE: the server never answered
    return found


def _unavailable(found: tuple[str, str, str] | None) -> Unavailable | None:
    return Unavailable(found[1], code=found[0], remedy=found[2]) if found else None


def _state(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


def _name(error: DBAPIError) -> str:
    return " ".join(part for part in (type(error.orig).__name__, _state(error)) if part)
