"""The engine's port on DBOS."""

import re
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError

from clearway.adapters.dbos_engine.executors import (
    DEAD_AFTER_S,
    SCHEMA,
    dead_executors,
    is_served,
    live_executors,
    make_table,
)
from clearway.adapters.dbos_engine.file_lock import code_of_holder
from clearway.adapters.dbos_engine.passes import Passes
from clearway.adapters.dbos_engine.queues import codes_of, offered, queue_of, queues_for
from clearway.adapters.keyring import Keyring
from clearway.adapters.sql.engine import READ_ONLY, open_engine_for_dbos, sqlite_path, translate
from clearway.model.errors import Conflict, Internal, Invalid
from clearway.model.run_ref import RunRef

# INVARIANT: nothing here or in what it imports at its top imports `dbos`; the methods do, at first use.
if TYPE_CHECKING:
    from dbos import DBOSClient

    from clearway.adapters.dbos_engine.running import Running

BEAT_EVERY_S = 2.0

# Stored in the clear, so no characters that names or addresses need.
_WAKE_ID = re.compile(r"[A-Za-z0-9._:/-]{1,200}")
_PRUNE_BATCH = 500


class DbosEngine:
    """Wakes runs and, where it serves, carries out their passes.

    `db_url` and `engine` (`open_engine`) name the same database. Cheap to make: DBOS (0.7 s, 64 MB) is imported at the
    first call that needs it. Safe to share between threads. `code`: digest (hex) of the code that this process has
    loaded; `code_of`: of the code that the passes of a run need, None where any worker will do.
    """

    def __init__(
        self,
        db_url: str,
        engine: sqlalchemy.Engine,
        keyring: Keyring,
        *,
        code: str = "",
        code_of: Callable[[sqlalchemy.Connection, RunRef], str | None] = lambda _connection, _ref: None,
        beat_every_s: float = BEAT_EVERY_S,
        dead_after_s: float = DEAD_AFTER_S,
    ) -> None:
        self._url = db_url
        self._engine = engine
        self._keyring = keyring
        self._code = code
        self._code_of = code_of
        self._beat_every_s = beat_every_s
        self._dead_after_s = dead_after_s
        self._lock = threading.Lock()
        self._client_made: DBOSClient | None = None
        self._running: Running | None = None

    def prepare(self) -> None:
        """Makes or updates the engine's tables, once a release, before anything wakes or serves. May be called again.

        Postgres: in schema `clearway_engine`. Errors: `Unavailable`, `Internal`.
        """
        from clearway.adapters.dbos_engine import dbos_process

        engine = open_engine_for_dbos(self._url, pool_size=2)
        try:
            with _translated():
                dbos_process.migrate(engine, self._serializer())
                if engine.dialect.name == "postgresql":
                    with engine.begin() as connection:
                        make_table(connection)
                # Known before the first launch, which otherwise finds its queue a second late.
                dbos_process.register(self._client(), queues_for(self._code))
        finally:
            engine.dispose()

    def wake(self, connection: sqlalchemy.Connection, ref: RunRef, *, wake_id: str, delay_s: float = 0) -> None:
        """Enqueues a pass of `ref` within the transaction open on `connection`; it exists once that commits.

        `wake_id` becomes the pass' id: unique across tenants, nothing personal. The same one again changes nothing,
        also when its pass is over, so each event needs one of its own. With `delay_s` (seconds) it is a timer, kept
        by whoever serves, to about 1.2 s. Errors: `Invalid` (`wake_id`), `Unavailable`, `Internal`; on Postgres the
        transaction is then lost. Only a worker with the code that the run needs takes it.
        """
        if not _WAKE_ID.fullmatch(wake_id):
            raise Invalid(
                "A wake id is 1 to 200 letters, digits and ._:/-",
                code="wake_id",
                remedy="Make it of the run's id and the event's.",
            )
        from clearway.adapters.dbos_engine import dbos_process

        # application_version: without one, only an executor that is of the newest version would take it.
        options: dict[str, Any] = {
            "workflow_name": dbos_process.WORKFLOW,
            "queue_name": queue_of(self._code_of(connection, ref)),
            "workflow_id": wake_id,
            "app_version": dbos_process.VERSION,
        }
        if delay_s > 0:
            options["delay_seconds"] = delay_s
        with _translated():
            self._client().enqueue_in_transaction(connection, options, str(ref))  # pyright: ignore[reportArgumentType]

    def serve(self, handle_pass: Callable[[RunRef, str], Awaitable[None]]) -> None:
        """Starts to carry out passes, in threads of its own, and returns.

        `handle_pass(ref, pass_id)` runs on the engine's event loop; it must be idempotent, since a pass is run again
        after a crash, and possibly beside an executor that was taken for dead. What it may raise: see `Passes`.
        Errors: `Conflict` (`served`): on SQLite another process, on either this one, serves already;
        `Unavailable` (`engine_unprepared`, `store_*`).
        """
        from clearway.adapters.dbos_engine import dbos_process
        from clearway.adapters.dbos_engine.running import Running

        with self._lock:
            if self._running is not None:
                raise Conflict("This engine serves already.", code="served", remedy="Stop it first.")
            passes = Passes(handle_pass, self._keyring)
            running = Running(self._url, self._engine, passes, self._beat_every_s, self.reap, code=self._code)
            with _translated():
                dbos_process.register(self._client(), queues_for(self._code))
                running.start(self._serializer())
            self._running = running

    def stop(self, drain_s: float = 10) -> None:
        """Takes no further pass, waits up to `drain_s` seconds for those at work, cancels the rest.

        What was cancelled is recovered: on SQLite at the next `serve`, on Postgres at once by another executor.
        May be called when it does not serve.
        """
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            running.stop(drain_s)

    def reap(self) -> int:
        """Puts the passes of dead executors back on the queue; returns how many. 0 on SQLite, and where this one
        does not serve. While it serves on Postgres it also happens by itself, at every beat.

        Errors: `Unavailable`, `Internal`.
        """
        running = self._running
        if running is None or not running.beats:
            return 0
        return self._reap(running.executor_id)

    def prune(self, completed_before_s: float) -> int:
        """Deletes the passes that ended before `completed_before_s` (seconds since the epoch); returns how many.

        INVARIANT: the wake ids of deleted passes are free again, so keep them longer than an event can be repeated.
        Errors: `Unavailable`, `Internal`.
        """
        from clearway.adapters.dbos_engine import dbos_process

        before = datetime.fromtimestamp(completed_before_s, UTC).isoformat()
        deleted = 0
        with _translated():
            while found := dbos_process.delete_finished(self._client(), before, _PRUNE_BATCH):
                deleted += found
        return deleted

    def is_served(self) -> bool:
        """Whether some process, this one included, carries out passes. Errors: as the function `is_served`."""
        return is_served(self._url, self._dead_after_s)

    def codes(self) -> frozenset[str]:
        """The codes of the workers that live. Errors: `Unavailable`, `Internal`."""
        database = sqlite_path(self._url)
        if database is not None:
            return codes_of([f".{code_of_holder(database) or ''}"])
        with _translated(), self._engine.connect().execution_options(**READ_ONLY) as connection:
            return codes_of(live_executors(connection, self._dead_after_s))

    def codes_offered(self) -> frozenset[str]:
        """The codes that passes wait for now. Errors: `Unavailable`, `Internal`."""
        with _translated(), self._engine.connect().execution_options(**READ_ONLY) as connection:
            return offered(connection, "" if connection.dialect.name == "sqlite" else SCHEMA)

    def _reap(self, me: str) -> int:
        from clearway.adapters.dbos_engine import dbos_process

        recovered = 0
        with _translated(), dead_executors(self._engine, me, self._dead_after_s) as (dead, forget):
            for executor_id in dead:
                recovered += dbos_process.recover(executor_id)
                # DBOS only logs a pass that it failed to recover: the next reaper needs to find the executor then.
                if not dbos_process.has_pending(self._client(), executor_id):
                    forget(executor_id)
        return recovered

    def _serializer(self) -> Any:
        from clearway.adapters.dbos_engine.serializer import SealedJsonSerializer

        return SealedJsonSerializer(self._keyring)

    def _client(self) -> "DBOSClient":
        from clearway.adapters.dbos_engine import dbos_process

        if self._client_made is None:  # two threads may make two; either will do
            self._client_made = dbos_process.client(self._engine, self._serializer())
        return self._client_made


@contextmanager
def _translated() -> Generator[None, None, None]:
    """INVARIANT: no exception of SQLAlchemy or DBOS leaves this package, nor a text of theirs."""
    try:
        yield
    except SQLAlchemyError as error:
        raise translate(error) from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] == "dbos":
            raise Internal(f"The engine refused ({type(error).__name__}).", code="engine") from None
        raise
