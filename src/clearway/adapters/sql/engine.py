"""Opens the database: one SQLite file or one Postgres, for our tables and the execution engine's.

SQLite has two kinds of connection to the same file, since pysqlite's implicit BEGIN leaves a SELECT outside the
transaction: `open_engine` begins explicitly (ours), `open_engine_for_dbos` leaves it to pysqlite, as DBOS expects.
A transaction of ours may hold rows of both: `DBOSClient.enqueue_in_transaction` works on our connection.
"""

import errno
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from clearway.adapters.private_files import make_private_file, make_private_folder, narrow
from clearway.adapters.sql.errors import note_place, translate
from clearway.model.errors import ConfigError, Unavailable

__all__ = ["READ_ONLY", "open_engine", "open_engine_for_dbos", "sqlite_path", "translate"]

#: `engine.execution_options(**READ_ONLY)`: transactions that only read. On SQLite a plain BEGIN, which takes no
#: write lock; a write in one can fail as locked at once.
READ_ONLY: dict[str, Any] = {"clearway_read_only": True, "postgresql_readonly": True}

IDLE_TRANSACTION_S = 60
#: After so long a wait for SQLite's write lock, a line in the log says what is waited for.
TOLD_AFTER_S = 3.0
_WAL_ATTEMPTS = 100

_log = logging.getLogger("clearway.store")

_making = threading.Lock()


def open_engine(url: str, *, pool_size: int = 10, busy_timeout_s: float = 30.0) -> sqlalchemy.Engine:
    """An engine for our transactions, from `sqlite:///path` or `postgresql://…`.

    SQLite: file 0600 in a folder that is made 0700, WAL, `synchronous=FULL`; every transaction is a
    `BEGIN IMMEDIATE`, so what it read cannot change before it commits. `READ_ONLY` makes it a plain BEGIN.
    Errors: `ConfigError` (URL, permissions, not a database), `Unavailable` (locked, full). Postgres is not
    reached before first use.
    """
    path = sqlite_path(url)
    if path is None:
        return _postgres(url, pool_size)
    engine = _sqlite(path, pool_size, busy_timeout_s, isolation_level=None)
    event.listen(engine, "begin", _begin)
    return engine


def open_engine_for_dbos(url: str, *, pool_size: int = 10) -> sqlalchemy.Engine:
    """An engine on the same database that begins and commits as DBOS expects; otherwise as `open_engine`."""
    path = sqlite_path(url)
    if path is None:
        return _postgres(url, pool_size)
    return _sqlite(path, pool_size, 30.0, isolation_level="IMMEDIATE")


def sqlite_path(url: str) -> Path | None:
    """The absolute path of a SQLite URL's file; None for Postgres. Errors: `ConfigError`, never with a password."""
    parsed = _parsed(url)
    if parsed.get_backend_name() == "postgresql":
        return None
    if not parsed.database or parsed.database == ":memory:" or parsed.query:
        raise ConfigError(
            "The SQLite URL has to name a file, without options.",
            remedy="Write sqlite:///relative/path.db or sqlite:////absolute/path.db.",
        )
    return Path(parsed.database).absolute()


def _parsed(url: str) -> sqlalchemy.URL:
    try:
        parsed = sqlalchemy.make_url(url)
    except ArgumentError:
        parsed = None
    except ValueError:
        raise _bad_port() from None
    if parsed is None or parsed.drivername not in ("sqlite", "postgres", "postgresql", "postgresql+psycopg"):
        raise ConfigError(
            "The database URL is neither SQLite's nor Postgres'.",
            remedy="Write sqlite:///clearway.db or postgresql://user@host/name.",
        ) from None
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise _bad_port()
    return parsed if parsed.drivername == "sqlite" else parsed.set(drivername="postgresql+psycopg")


def _bad_port() -> ConfigError:
    return ConfigError(
        "The port in the database URL is not a number from 1 to 65535.",
        remedy="Write postgresql://user@host:5432/name; in a password, %40 for @, %3A for : and %2F for /.",
    )


def _postgres(url: str, pool_size: int) -> sqlalchemy.Engine:
    parsed = _parsed(url)
    if not parsed.database:
        raise ConfigError("The Postgres URL names no database.", remedy="Write postgresql://user@host/name.")
    try:
        engine = sqlalchemy.create_engine(
            parsed,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=pool_size,
            max_overflow=pool_size,
            connect_args={"application_name": "clearway", "connect_timeout": 10},
        )
    except ModuleNotFoundError:
        raise ConfigError(
            "Postgres needs the driver psycopg, which is not installed.", remedy="Install clearway[postgres]."
        ) from None
    event.listen(engine, "do_connect", _connect_to_postgres)
    event.listen(engine, "connect", _on_postgres_connect)
    return engine


def _connect_to_postgres(
    dialect: sqlalchemy.Dialect, _record: Any, arguments: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    try:
        return dialect.connect(*arguments, **options)
    except Exception as error:
        note_place(error, options.get("host"), options.get("port"), options.get("dbname"))
        raise


def _on_postgres_connect(connection: Any, _record: Any) -> None:
    # A process that freezes within a transaction must not hold its row locks (an audit chain's head) for ever.
    with connection.cursor() as cursor:
        cursor.execute(f"SET idle_in_transaction_session_timeout = {IDLE_TRANSACTION_S * 1000}")
    connection.commit()  # the pool's rollback would undo a bare SET


def _sqlite(path: Path, pool_size: int, busy_timeout_s: float, *, isolation_level: str | None) -> sqlalchemy.Engine:
    _make_file(path)
    engine = sqlalchemy.create_engine(
        sqlalchemy.URL.create("sqlite", database=str(path)),
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=pool_size,
    )
    event.listen(engine, "connect", _on_sqlite_connect(isolation_level, busy_timeout_s))
    try:
        with engine.connect():
            pass  # says here, not at some later statement, that the file is no database
    except SQLAlchemyError as error:
        engine.dispose()
        translated = translate(error)
        if isinstance(translated, Unavailable):
            raise translated from None
        raise ConfigError(
            "is not a SQLite database.", file=str(path), remedy="Name another file, or restore this one from a backup."
        ) from None
    return engine


def _make_file(path: Path) -> None:
    # INVARIANT: a database that exists is never opened but by SQLite. Closing any descriptor of it would drop the locks
    # that SQLite holds for this process' other connections (https://sqlite.org/howtocorrupt.html, 2.2): two processes
    # would then write at once, or rebuild the shared memory under each other.
    try:
        make_private_folder(path.parent)
        with _making:
            try:
                os.close(make_private_file(path))
            except FileExistsError:
                _check_usable(path)
                narrow(path)
        for suffix in ("-wal", "-shm"):  # SQLite gives new ones the database's mode; these may be older
            with suppress(FileNotFoundError):
                narrow(path.with_name(path.name + suffix))
    except OSError as error:
        raise ConfigError(
            f"cannot be opened or made ({error.strerror}).",
            file=str(path),
            remedy="Name a file in a folder that this user may write.",
        ) from None


def _check_usable(path: Path) -> None:
    for is_so, number in (
        (path.is_dir(), errno.EISDIR),
        (not os.access(path, os.R_OK | os.W_OK, effective_ids=True), errno.EACCES),
    ):
        if is_so:
            raise OSError(number, os.strerror(number)) from None


def _on_sqlite_connect(isolation_level: str | None, busy_timeout_s: float) -> Callable[[sqlite3.Connection, Any], None]:
    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = isolation_level  # pyright: ignore[reportAttributeAccessIssue]
        connection.execute(f"PRAGMA busy_timeout = {int(busy_timeout_s * 1000)}")
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # Else what was deleted stays in the file's free space until something else is written there.
        connection.execute("PRAGMA secure_delete = ON")
        # INSERT OR REPLACE would otherwise get round the triggers that guard the audit log.
        connection.execute("PRAGMA recursive_triggers = ON")
        if sqlite3.sqlite_version_info < (3, 42):
            connection.create_function("unixepoch", -1, _unixepoch)

    return prepare


def _use_wal(connection: sqlite3.Connection) -> None:
    # SQLite does not wait for other connections when the journal mode changes: at first use two may collide.
    for attempt in range(_WAL_ATTEMPTS):
        try:
            if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] == "wal":
                return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or attempt == _WAL_ATTEMPTS - 1:
                raise
        threading.Event().wait(0.05)


def _unixepoch(*arguments: Any) -> float:
    """SQLite 3.42's `unixepoch('subsec')`, which DBOS calls on Python 3.12 and later; the present only."""
    if not set(arguments) <= {"now", "subsec", "subsecond"}:
        raise ValueError("unixepoch: only 'now' and 'subsec' are known here")
    now = time.time()
    return int(now * 1000) / 1000 if {"subsec", "subsecond"} & set(arguments) else int(now)


def _begin(connection: sqlalchemy.Connection) -> None:
    if connection.get_execution_options().get("clearway_read_only", False):
        connection.exec_driver_sql("BEGIN")
    elif not _begin_soon(connection.connection.driver_connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_soon(raw: Any) -> bool:
    """Waits for the write lock as long as somebody who watches would, and says so where that was in vain."""
    wait_ms = int(raw.execute("PRAGMA busy_timeout").fetchone()[0])
    if wait_ms <= TOLD_AFTER_S * 1000:
        return False
    raw.execute(f"PRAGMA busy_timeout = {int(TOLD_AFTER_S * 1000)}").fetchone()
    try:
        raw.execute("BEGIN IMMEDIATE")
        return True
    except sqlite3.OperationalError as error:  # the next attempt raises it as SQLAlchemy's
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            _log.warning("store: another process has the SQLite file locked; waiting for up to %d s", wait_ms // 1000)
        return False
    finally:
        raw.execute(f"PRAGMA busy_timeout = {wait_ms}").fetchone()
