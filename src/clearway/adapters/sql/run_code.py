"""Which code a run's passes need: that of the release that it is pinned to. Asked where a pass is enqueued, in the
transaction that enqueues it.
"""

import threading
from collections.abc import Callable

from sqlalchemy import Connection, and_, bindparam, select

from clearway.adapters.sql import tables
from clearway.adapters.sql.access import EVERY
from clearway.adapters.sql.session import here
from clearway.adapters.sql.statements import query
from clearway.model.run_ref import RunRef

_runs, _releases = tables.runs, tables.releases
_RELEASE = (
    select(_releases.c.digest)
    .select_from(_runs)
    .join(
        _releases,
        and_(_releases.c.tenant == EVERY, _releases.c.environment == EVERY, _releases.c.digest == _runs.c.release),
    )
    .where(here(_runs), _runs.c.run_id == bindparam("in_run_id"))
)
_BUNDLE = select(_releases.c.bundle).where(
    _releases.c.tenant == EVERY, _releases.c.environment == EVERY, _releases.c.digest == bindparam("in_digest")
)


class CodeOfRuns:
    """`read`: the code's digest of a stored bundle, or None. One a process; what a release needs never changes."""

    def __init__(self, read: Callable[[str], str | None]) -> None:
        self._read = read
        self._known: dict[str, str | None] = {}
        self._lock = threading.Lock()

    def __call__(self, connection: Connection, ref: RunRef) -> str | None:
        """None where any worker will do: a run of a folder that was not released, or no run at all.

        Errors: those of `statements.query`."""
        named = {"in_tenant": ref.tenant, "in_environment": ref.environment, "in_run_id": ref.run_id}
        found = query(connection, _RELEASE, named)
        if not found:
            return None
        digest = str(found[0][0])
        with self._lock:
            if digest in self._known:
                return self._known[digest]
        rows = query(connection, _BUNDLE, {"in_digest": digest})
        code = self._read(rows[0][0]) if rows else None
        with self._lock:
            self._known[digest] = code
        return code
