"""The store on SQLAlchemy: SQLite or Postgres. Implements `clearway.ports.Store`.

INVARIANT: the write transactions of a scope run one after the other. On SQLite they hold the database's write lock
(`BEGIN IMMEDIATE`), on Postgres the row of the scope's audit head, locked by the first statement.
INVARIANT: a transaction runs in one thread from begin to end, so a cancelled caller leaves it whole: never begun, or
committed, or rolled back.
"""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from clearway.adapters.sql import access, sign_in, store_keys, tables
from clearway.adapters.sql.engine import READ_ONLY
from clearway.adapters.sql.errors import translate
from clearway.adapters.sql.row_security import EVERY_SCOPE
from clearway.adapters.sql.session import Session
from clearway.adapters.sql.start import begin, read_now
from clearway.adapters.sql.statements import query
from clearway.adapters.sql.tx import Announce, SqlTx, Wake
from clearway.model.errors import Internal, Invalid, Unavailable
from clearway.model.identity import Scope
from clearway.model.keys import ApiKey
from clearway.model.session import Session as SignIn
from clearway.model.vault import KeyCheck
from clearway.ports import Tx

T = TypeVar("T")

#: Threads for `aread` on SQLite, beside the one for `awrite`: it has one write lock.
SQLITE_READERS = 4

#: How long a thread waits for another one's write to the same SQLite file.
WRITE_WAIT_S = 30.0

_SCOPES = (
    select(tables.audit_heads.c.tenant, tables.audit_heads.c.environment)
    .where(tables.audit_heads.c.seq > 0)
    .order_by(tables.audit_heads.c.tenant, tables.audit_heads.c.environment)
)


class SqlStore:
    """`engine` is one that `open_engine` made, on a migrated database.

    `announce`: called for each event, in the transaction that records it.
    `now`: the clock for tests; None is the database's own, read once at the start of a transaction. `threads`: for
    `aread` on SQLite; for `aread` and `awrite` on Postgres, where the size of the engine's pool is default and most.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        wake: Wake,
        now: Callable[[], float] | None = None,
        threads: int | None = None,
        announce: Announce | None = None,
    ) -> None:
        sqlite = engine.dialect.name == "sqlite"
        self._engine = engine
        # REPEATABLE READ: several queries of a read see one state, as they do on SQLite.
        self._read_engine = engine.execution_options(
            **READ_ONLY, **({} if sqlite else {"isolation_level": "REPEATABLE READ"})
        )
        self._wake, self._announce = wake, announce
        self._clock = now
        # SQLite waits for its write lock by polling; between threads of ours a lock wakes at once.
        self._turn = threading.Lock() if sqlite else None
        self._inside = threading.local()
        readers = threads or SQLITE_READERS
        if not sqlite and isinstance(engine.pool, QueuePool):  # a thread more would only wait for a connection
            readers = min(threads or engine.pool.size(), engine.pool.size())
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="clearway-store")
        self._writers = ThreadPoolExecutor(1, thread_name_prefix="clearway-write") if sqlite else self._readers

    def write(self, scope: Scope, work: Callable[[Tx], T]) -> T:
        _check(scope)
        with self._one_at_a_time(), _translated(), self._engine.begin() as connection:
            now, head = begin(connection, scope, self._clock)
            session = Session(connection, scope, writable=True, now=now, head=head, read_now=read_now)
            done = work(SqlTx(session, self._wake, self._announce))
        for do in session.after_commit:
            do()
        return done

    def read(self, scope: Scope, work: Callable[[Tx], T]) -> T:
        _check(scope)
        with _translated(), self._read_engine.begin() as connection:
            now = self._clock() if self._clock else None
            session = Session(connection, scope, writable=False, now=now, head=None, read_now=read_now)
            return work(SqlTx(session, self._wake))

    async def awrite(self, scope: Scope, work: Callable[[Tx], T]) -> T:
        return await self._off_the_loop(self._writers, self.write, scope, work)

    async def aread(self, scope: Scope, work: Callable[[Tx], T]) -> T:
        return await self._off_the_loop(self._readers, self.read, scope, work)

    def find_key(self, key_id: str) -> ApiKey | None:
        with _translated(), self._read_engine.begin() as connection:
            return access.find_key(connection, key_id)

    def find_session(self, session_hash: str) -> SignIn | None:
        with _translated(), self._read_engine.begin() as connection:
            return sign_in.find_session(connection, session_hash)

    def recognise(self, keys: Sequence[KeyCheck]) -> None:
        store_keys.recognise(self._engine, keys)

    def scour(self) -> None:
        if self._engine.dialect.name == "sqlite":
            # What the log still holds goes into the file, over what was removed there. Where somebody reads it at this
            # moment, the next checkpoint does it.
            with _translated(), self._engine.connect() as connection:
                connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()

    def scopes(self) -> list[Scope]:
        with _translated(), self._read_engine.begin() as connection:
            return [Scope(row[0], row[1]) for row in query(connection, _SCOPES, {}, sight=EVERY_SCOPE)]

    def close(self) -> None:
        """Ends the threads, when what they have begun is done. The engine is the caller's to dispose of."""
        self._writers.shutdown()
        self._readers.shutdown()

    async def _off_the_loop(
        self,
        threads: ThreadPoolExecutor,
        run: Callable[[Scope, Callable[[Tx], T]], T],
        scope: Scope,
        work: Callable[[Tx], T],
    ) -> T:
        # Cancelling the awaiter withdraws what has not begun, and nothing else.
        future = threads.submit(contextvars.copy_context().run, run, scope, work)
        return await asyncio.wrap_future(future)

    @contextmanager
    def _one_at_a_time(self) -> Generator[None, None, None]:
        if getattr(self._inside, "writing", False):
            raise Internal(
                "A write transaction was begun inside another.", code="store", remedy="Do both in one transaction."
            )
        if self._turn is not None and not self._turn.acquire(timeout=WRITE_WAIT_S):
            raise Unavailable("The database is locked.", code="store_locked", remedy="Try again.")
        self._inside.writing = True
        try:
            yield
        finally:
            self._inside.writing = False
            if self._turn is not None:
                self._turn.release()


@contextmanager
def _translated() -> Generator[None, None, None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise translate(error) from None


def _check(scope: Scope) -> None:
    if not scope.tenant or not scope.environment or access.EVERY in (scope.tenant, scope.environment):
        raise Invalid(
            "A tenant or environment has no usable name.",
            code="scope",
            remedy="Name both; `*` stands for all of them in kill switches.",
        )
