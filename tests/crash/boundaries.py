"""The places at which a worker can be told to kill or to stop itself.

`reached(name)` is called by the gate's probe, by the project's tools and around the store's writes. A write is named
by the first event that it records, so `before run.finished` is in its transaction, all statements made, and
`after run.finished` is behind its commit.
"""

import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from clearway.adapters.sql.audit import SqlAudit
from clearway.adapters.sql.store import SqlStore
from clearway.model.event import Event, RecordedEvent
from clearway.model.identity import Scope
from clearway.ports import Tx

EVENTS = (
    "run.started",
    "run.resumed",
    "run.waiting",
    "run.finished",
    "approval.requested",
    "action.started",
    "action.succeeded",
    "action.in_doubt",
    "action.reconciled",
)

#: Every boundary that an errand passes: the gate's probes, the tool's, and both sides of each write's commit.
BOUNDARIES = (
    "held",
    "started",
    "sent",
    "settled",
    "request",
    "in flight",
    *(f"{side} {event}" for event in EVENTS for side in ("before", "after")),
)


@dataclass(frozen=True)
class Order:
    """At the `hit`-th time that the worker reaches `boundary`, it sends itself `signal`."""

    boundary: str
    hit: int
    signal: int


class Boundaries:
    """Counts what is reached, and carries an order out. `tell(name)` is called right before the signal."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._order: Order | None = None
        self._tell: Callable[[str], None] = lambda _: None

    def obey(self, order: Order | None, tell: Callable[[str], None]) -> None:
        """Counts from now on."""
        with self._lock:
            self._counts.clear()
            self._order, self._tell = order, tell

    def reached(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1
            order = self._order
            if order is None or name != order.boundary or self._counts[name] != order.hit:
                return
            self._order = None
            self._tell(name)
            # To this thread, so that it does not take another step: a process is stopped by whichever thread sees it.
            signal.pthread_kill(threading.get_ident(), order.signal)


_boundaries = Boundaries()
reached = _boundaries.reached
obey = _boundaries.obey


def watch_writes(store: SqlStore) -> None:
    """Makes every write of `store` that records an event a pair of boundaries. In a worker only: it patches."""
    recorded = threading.local()
    append, write = SqlAudit.append, store.write

    def watched_append(self: SqlAudit, events: Sequence[Event]) -> list[RecordedEvent]:
        if events and not getattr(recorded, "first", None):
            recorded.first = events[0].kind
        return append(self, events)

    def watched_write(scope: Scope, work: Callable[[Tx], Any]) -> Any:
        recorded.first = None

        def watched_work(tx: Tx) -> Any:
            result = work(tx)
            if recorded.first:
                reached(f"before {recorded.first}")
            return result

        result = write(scope, watched_work)
        if recorded.first:
            reached(f"after {recorded.first}")
        return result

    SqlAudit.append = watched_append
    store.write = watched_write
