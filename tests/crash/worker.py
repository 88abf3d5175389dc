"""The worker process of the crash suite: opens the project, serves, and ends as it is told, or worse.

Started by `Site.start_worker` through a fork server that has imported everything, so that a restart costs little.
Says `ready` once it serves, and `at` with a boundary's name right before it kills or stops itself there.
"""

import os
import threading
import warnings
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any, cast

import clearway.adapters.dbos_engine.dbos_process  # imported before the fork
import clearway.adapters.sql.migrations  # noqa: F401
from clearway.adapters.sql.store import SqlStore
from clearway.app import Clearway
from clearway.model.errors import Conflict, Unavailable
from clearway.model.ledger import Entry, LedgerState
from clearway.runtime.carry import Carry
from clearway.runtime.reconcile import Reconciler
from tests.crash import boundaries, full_store
from tests.crash.boundaries import Order

#: How often a worker says that it lives, and when the others take it for dead. Postgres only.
BEAT_EVERY_S = 0.25


@dataclass(frozen=True)
class Task:
    """How a worker is to work. `busy_timeout_s`: how long it waits for a locked SQLite file.

    `sabotage`: a defect to work with, so that the suite can show that it would notice it.
    """

    order: Order | None = None
    dead_after_s: float = 4.0
    busy_timeout_s: float | None = None
    sabotage: str = ""


def work(folder: str, url: str, log: str, task: Task, link: "Connection[Any, Any]") -> None:
    """The process' program. Commands on `link`: an `Order`, "full" or "room" (see `full_store`), or "stop"."""
    os.setsid()  # Ctrl-C at a terminal reaches the driver only
    os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), 2)
    warnings.simplefilter("error")
    limit = full_store.Limit(task.busy_timeout_s)
    app = Clearway.open(folder, store_url=url, probe=boundaries.reached)
    app.engine._beat_every_s = BEAT_EVERY_S  # pyright: ignore[reportPrivateUsage]
    app.engine._dead_after_s = task.dead_after_s  # pyright: ignore[reportPrivateUsage]
    boundaries.watch_writes(cast(SqlStore, app.store))
    _SABOTAGES[task.sabotage]()
    lock = threading.Lock()

    def say(*words: str) -> None:
        with lock:
            link.send(words)

    boundaries.obey(task.order, lambda name: say("at", name))
    _serve(app)
    say("ready")
    while (command := _next(link)) != "stop":
        if isinstance(command, Order):
            boundaries.obey(command, lambda name: say("at", name))
        else:
            limit.is_full = command == "full"
        say("done")
    app.close()


def _serve(app: Clearway) -> None:
    """Tries again while a killed worker's file lock is still being let go of."""
    rest = threading.Event()
    for attempt in range(20):
        try:
            return app.serve()
        except (Conflict, Unavailable):
            if attempt == 19:
                raise
        rest.wait(0.1)


def _next(link: "Connection[Any, Any]") -> Any:
    try:
        return link.recv()
    except EOFError:  # the driver has gone
        os._exit(1)


def _resend_blindly() -> None:
    """The defect that idempotency is about: what a lost worker had started is simply sent again."""
    take_over = Reconciler.take_over

    async def careless(self: Reconciler, at: Carry, entry: Entry, *, effect: bool) -> Entry:
        return await take_over(self, at, entry, effect=False)

    Reconciler.take_over = careless


def _record_no_intent() -> None:
    """The defect that write-ahead is about: what is sent was not yet recorded as started."""
    from clearway.adapters.sql.ledger import SqlLedger

    insert = SqlLedger.insert

    def forgetful(self: SqlLedger, entry: Entry) -> None:
        insert(self, replace(entry, state=LedgerState.CLAIMED) if entry.state is LedgerState.STARTED else entry)

    SqlLedger.insert = forgetful


_SABOTAGES = {"": lambda: None, "resend blindly": _resend_blindly, "no intent": _record_no_intent}
