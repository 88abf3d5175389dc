"""An engine that serves: its executor, its own connections, its start and its end."""

import threading
import time
from collections.abc import Callable

import sqlalchemy

from clearway.adapters.dbos_engine import dbos_process
from clearway.adapters.dbos_engine.executors import SQLITE_EXECUTOR, Heartbeat
from clearway.adapters.dbos_engine.file_lock import FileLock
from clearway.adapters.dbos_engine.passes import Passes
from clearway.adapters.dbos_engine.queues import executor_of, queues_for
from clearway.adapters.dbos_engine.serializer import SealedJsonSerializer
from clearway.adapters.sql.engine import open_engine_for_dbos, sqlite_path


class Running:
    """DBOS at work on one database, as one executor.

    SQLite: under a fixed id, so that launch recovers what the last one left. Postgres: under a fresh id, which the
    others watch through its heartbeat.
    """

    def __init__(
        self,
        url: str,
        engine: sqlalchemy.Engine,
        passes: Passes,
        beat_every_s: float,
        reap: Callable[[], object],
        *,
        code: str = "",
    ) -> None:
        self._passes = passes
        self._code = code
        database = sqlite_path(url)
        self._file_lock = FileLock(database) if database else None
        self.executor_id = SQLITE_EXECUTOR if database else executor_of(code)
        self._heartbeat = None if database else Heartbeat(engine, self.executor_id, beat_every_s, reap)
        self._url = url
        self._engine: sqlalchemy.Engine | None = None

    @property
    def beats(self) -> bool:
        """Whether others watch this executor, and it them."""
        return self._heartbeat is not None

    def start(self, serializer: SealedJsonSerializer) -> None:
        """Errors: those of `FileLock.acquire`, `open_engine_for_dbos`, `launch`; `SQLAlchemyError`."""
        if self._file_lock:
            self._file_lock.acquire(self._code)
        try:
            self._engine = open_engine_for_dbos(self._url)
            if self._heartbeat:
                self._heartbeat.beat()  # INVARIANT: an executor is known before it can take a pass
            dbos_process.launch(self._engine, serializer, self.executor_id, queues_for(self._code), self._passes)
            if self._heartbeat:
                self._heartbeat.start()
        except BaseException:
            self._let_go()
            raise

    def stop(self, drain_s: float) -> None:
        """Drains, then cancels. What is cancelled stays PENDING, so it is recovered."""
        self._passes.stop()
        dbos_process.take_no_more()
        deadline = time.monotonic() + drain_s
        while dbos_process.at_work() - self._passes.idle() and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        dbos_process.destroy()
        if self._heartbeat:
            self._heartbeat.stop()
            self._heartbeat.declare_dead()  # only now: before, it was still carrying out passes
        self._let_go()

    def _let_go(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
        if self._file_lock:
            self._file_lock.release()
