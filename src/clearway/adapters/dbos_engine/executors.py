"""Which processes carry out passes, and which of them are dead.

SQLite: one executor a file, see `file_lock`. Postgres: any number, each with a fresh id and a beat in
`clearway_executors`, all on the database's clock. Fail-over between executors is not in DBOS' open part.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import sqlalchemy
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from clearway.adapters.dbos_engine.file_lock import is_locked
from clearway.adapters.sql.engine import READ_ONLY, open_engine, sqlite_path, translate

SCHEMA = "clearway_engine"
SQLITE_EXECUTOR = "sqlite"
DEAD_AFTER_S = 10.0

_TABLE = f"{SCHEMA}.clearway_executors"
_DEAD = "beat_at < clock_timestamp() - make_interval(secs => :dead_after_s)"
_log = logging.getLogger("clearway.engine")


def is_served(url: str, dead_after_s: float = DEAD_AFTER_S) -> bool:
    """Whether some process, this one included, carries out the passes of the database at `url`.

    Errors: `ConfigError`; on Postgres `Unavailable` where it does not answer or is not prepared.
    """
    database = sqlite_path(url)
    if database is not None:
        return is_locked(database)
    engine = open_engine(url, pool_size=1)
    try:
        with engine.connect().execution_options(**READ_ONLY) as connection:
            alive = text(f"SELECT EXISTS (SELECT 1 FROM {_TABLE} WHERE NOT {_DEAD})")  # noqa: S608 - our own name
            return bool(connection.scalar(alive, {"dead_after_s": dead_after_s}))
    except SQLAlchemyError as error:
        raise translate(error) from None
    finally:
        engine.dispose()


def live_executors(connection: sqlalchemy.Connection, dead_after_s: float) -> list[str]:
    """The ids of those that live, on Postgres; none before an engine was prepared. Errors: `SQLAlchemyError`."""
    if connection.scalar(text("SELECT to_regclass(:name)"), {"name": _TABLE}) is None:
        return []
    alive = text(f"SELECT executor_id FROM {_TABLE} WHERE NOT {_DEAD}")  # noqa: S608 - our own name
    return [str(executor_id) for executor_id in connection.scalars(alive, {"dead_after_s": dead_after_s})]


def make_table(connection: sqlalchemy.Connection) -> None:
    """Makes the table of executors where it is missing. Needs no right to make tables where it is there."""
    if connection.scalar(text("SELECT to_regclass(:name)"), {"name": _TABLE}) is None:
        # IF NOT EXISTS is not safe against a second process that does the same at once.
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": _TABLE})
        connection.execute(
            text(
                f"CREATE TABLE IF NOT EXISTS {_TABLE} (executor_id text PRIMARY KEY, host text NOT NULL, "
                "pid integer NOT NULL, beat_at timestamptz NOT NULL)"
            )
        )


class Heartbeat:
    """Tells the other executors that this one lives, and looks after the dead ones, each in a thread of its own.

    (Two threads, since a reaper with thousands of passes to recover would miss its own beats.)
    """

    def __init__(self, engine: sqlalchemy.Engine, executor_id: str, every_s: float, reap: Callable[[], object]) -> None:
        self._engine = engine
        self._executor_id = executor_id
        self._every_s = every_s
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(act,), name=f"clearway-{name}", daemon=True)
            for name, act in (("heartbeat", self.beat), ("reaper", reap))
        ]

    def beat(self) -> None:
        """One beat. An executor that was taken for dead comes back with it. Errors: `SQLAlchemyError`."""
        with self._engine.begin() as connection:
            connection.execute(
                text(
                    f"INSERT INTO {_TABLE} VALUES (:id, :host, :pid, clock_timestamp()) "  # noqa: S608
                    "ON CONFLICT (executor_id) DO UPDATE SET beat_at = excluded.beat_at"
                ),
                {"id": self._executor_id, "host": socket.gethostname(), "pid": os.getpid()},
            )

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Beats and reaps no more."""
        self._stopped.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def declare_dead(self) -> None:
        """Lets the others take over what is left at once, instead of after `dead_after_s`."""
        try:
            with self._engine.begin() as connection:
                connection.execute(
                    text(
                        f"UPDATE {_TABLE} SET beat_at = to_timestamp(0) "  # noqa: S608
                        "WHERE executor_id = :id"
                    ),
                    {"id": self._executor_id},
                )
        except SQLAlchemyError as error:
            _log.warning("engine: not signed off (%s)", translate(error).code)  # it falls silent instead

    def _repeat(self, act: Callable[[], object]) -> None:
        while not self._stopped.wait(self._every_s):
            try:
                act()
            except SQLAlchemyError as error:
                _log.warning("engine: no heartbeat (%s)", translate(error).code)
            except Exception as error:
                _log.warning("engine: no heartbeat (%s)", type(error).__name__)


@contextmanager
def dead_executors(
    engine: sqlalchemy.Engine,
    me: str,
    dead_after_s: float,
) -> Generator[tuple[list[str], Callable[[str], None]], None, None]:
    """The dead executors that no other reaper holds, and a function that forgets one; in one transaction.

    Errors: `SQLAlchemyError`.
    """
    with engine.begin() as connection:
        found = connection.scalars(
            text(
                f"SELECT executor_id FROM {_TABLE} WHERE {_DEAD} AND executor_id <> :me "  # noqa: S608
                "ORDER BY executor_id FOR UPDATE SKIP LOCKED"
            ),
            {"dead_after_s": dead_after_s, "me": me},
        ).all()

        def forget(executor_id: str) -> None:
            connection.execute(text(f"DELETE FROM {_TABLE} WHERE executor_id = :id"), {"id": executor_id})  # noqa: S608

        yield [str(executor_id) for executor_id in found], forget
