"""From the database's exceptions to ours. INVARIANT: no text of a driver, so no value of a row, gets through."""

import re
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

#: psycopg gives no SQLSTATE where it cannot connect, so its text has to do: what is in it → the same, `{at}` for where.
_CONNECTING: tuple[tuple[str, tuple[str, str, str]], ...] = (
    (
        "failed to resolve host|could not translate host name",
        ("store_lost", "The database's host is not known{at}.", "Check the host in the URL."),
    ),
    (
        "Connection refused|No such file or directory",
        ("store_lost", "No database answers{at}: the connection was refused.", "Start it, or correct the URL."),
    ),
    ("timeout|timed out", ("store_lost", "The database did not answer in time{at}.", "Check network and URL.")),
    (
        'database ".*" does not exist',
        ("store_refused", "There is no such database{at}.", "Create it, or correct the URL."),
    ),
    ('role ".*" does not exist', ("store_refused", "The database has no such user{at}.", "Check the user in the URL.")),
    (
        "password authentication failed|no password supplied",
        ("store_refused", "The database refused user or password{at}.", "Check both in the URL."),
    ),
    (
        "authentication failed|pg_hba|not permitted|permission denied",
        ("store_refused", "The database lets this user or machine not in{at}.", "Check pg_hba.conf and the URL."),
    ),
    ("too many|connection slots", ("store_lost", "The database has no free connection{at}.", "Try again.")),
    ("starting up|shutting down|recovery", ("store_lost", "The database is starting or ending{at}.", "Try again.")),
)
_UNREACHABLE = "store_lost", "The database cannot be reached{at}.", "Check that it runs, and its URL."

_PLACE = "clearway_place"
#: What is shown of a URL: a password with an unescaped @ or / in it may have got into any part.
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)


def note_place(error: Exception, host: object, port: object, database: object) -> None:
    """Marks a driver's error as one of connecting, to the given host, port (a number) and database."""
    parts = str(host or "localhost"), str(port or 5432), str(database or "")
    socket = parts[0].startswith("/")
    plain = all(_PLAIN.fullmatch(part) for part in parts[socket:])
    place = f" ({'' if socket else f'{parts[0]}:'}{parts[1]}/{parts[2]})" if plain else ""
    setattr(error, _PLACE, place)


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
    place = getattr(error.orig, _PLACE, None)
    if isinstance(place, str):
        return _of_connecting(str(error.orig), place)
    state = _state(error)
    found = _unavailable(_POSTGRES.get(state) or _POSTGRES.get(state[:2]))
    if found is None and (
        error.connection_invalidated or (not state and isinstance(error, OperationalError | InterfaceError))
    ):
        return _unavailable(_POSTGRES["08"])  # no SQLSTATE: the server never answered
    return found


def _of_connecting(text: str, place: str) -> Unavailable:
    code, what, remedy = next((found for sign, found in _CONNECTING if re.search(sign, text)), _UNREACHABLE)
    return Unavailable(what.format(at=place), code=code, remedy=remedy)


def _unavailable(found: tuple[str, str, str] | None) -> Unavailable | None:
    return Unavailable(found[1], code=found[0], remedy=found[2]) if found else None


def _state(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


def _name(error: DBAPIError) -> str:
    return " ".join(part for part in (type(error.orig).__name__, _state(error)) if part)
