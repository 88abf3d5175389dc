"""Runs that nobody can carry out: their release needs code that no worker has loaded.

They are not offered around; their passes wait in the queue of that code (`adapters.dbos_engine.queues`) until a worker
with it starts. This tells people that they wait.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from clearway.model.event import Event
from clearway.model.identity import Scope
from clearway.model.run import Run
from clearway.ports import Store, Tx
from clearway.rules.releases import bundles

#: Of the releases that were in force in a scope, so many are looked through.
MOST_RELEASES = 1_000
#: Told of in one look; the others at the next.
MOST_AT_ONCE = 500
KIND = "run.code_missing"


@dataclass(slots=True)
class Stranded:
    """`codes`: those of the workers that live; `offered`: those that passes wait for now. It remembers what was missing
    when it looked last (workers that start one after the other are no news), and of which runs it knows that they were
    told of."""

    store: Store
    codes: Callable[[], frozenset[str]]
    offered: Callable[[], frozenset[str]]
    _before: frozenset[str] = frozenset()
    _told: set[tuple[Scope, str, int]] = field(default_factory=set[tuple[Scope, str, int]])

    def look(self) -> int:
        """Records `run.code_missing` of each run that waits for code that no worker had when it looked last, and none
        has now: once until the run goes on. Returns how many. Errors: `Unavailable`, `Internal`."""
        before, self._before = self._before, self.offered() - self.codes()
        missing = before & self._before
        if not missing:
            self._told.clear()
            return 0
        return sum(self._tell(scope, missing) for scope in self.store.scopes())

    def _tell(self, scope: Scope, missing: frozenset[str]) -> int:
        def look(tx: Tx) -> list[tuple[Run, str]]:
            waiting = [pair for pair in _waiting(tx, missing) if _mark(scope, pair[0]) not in self._told][:MOST_AT_ONCE]
            untold = [pair for pair in waiting if not _is_told(tx, pair[0])]
            self._told |= {_mark(scope, run) for run, _ in waiting} - {_mark(scope, run) for run, _ in untold}
            return untold

        def work(tx: Tx) -> int:
            found = look(tx)  # again: another worker looks too
            tx.audit.append([_event(run, code) for run, code in found])
            return len(found)

        return self.store.write(scope, work) if self.store.read(scope, look) else 0


def code_needed(tx: Tx, run: Run) -> str | None:
    """The digest of the code that the run needs to go on. None where it has ended, or any worker will do."""
    return None if run.status.is_final else _code_of(tx, run.release)


def _code_of(tx: Tx, release: str) -> str | None:
    stored = tx.releases.get(release)
    return bundles.code_of_text(stored.bundle) if stored else None


def _mark(scope: Scope, run: Run) -> tuple[Scope, str, int]:
    """A run until it goes on: each pass has another fence."""
    return scope, run.run_id, run.fence


def _waiting(tx: Tx, missing: frozenset[str]) -> list[tuple[Run, str]]:
    """The runs of releases that need code that is missing, each with that code."""
    moves = tx.releases.moves(limit=MOST_RELEASES)
    releases = {digest for move in moves for digest in (move.digest, move.canary) if digest}
    found: list[tuple[Run, str]] = []
    for release in sorted(releases):
        runs = tx.runs.of_release(release)
        code = _code_of(tx, release) if runs else None
        if code is not None and code in missing:
            found += [(run, code) for run in runs]
    return found


def _is_told(tx: Tx, run: Run) -> bool:
    """Whether the run was told of since it last went on."""
    events = tx.audit.read(run_id=run.run_id)
    return bool(events) and events[-1].kind == KIND


def _event(run: Run, code: str) -> Event:
    remedy = "Start a worker with the code of this release, or cancel the run."
    return Event(KIND, {"release": run.release, "code": code, "remedy": remedy}, run.run_id)
