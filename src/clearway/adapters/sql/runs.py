"""Runs in SQL. Implements `clearway.ports.Runs`."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, or_, select, update

from clearway.adapters.sql import tables
from clearway.adapters.sql.rows import RUN, plain
from clearway.adapters.sql.session import Session, here, page, page_values
from clearway.model.errors import Conflict
from clearway.model.run import Run, RunStatus

_runs = tables.runs
_SELECT = select(*(_runs.c[name] for name in RUN.names)).where(here(_runs))
_BY_ID = _SELECT.where(_runs.c.run_id == bindparam("in_run_id"))
_BY_KEY = _SELECT.where(_runs.c.idempotency_key == bindparam("in_idempotency_key"))
_PULSE = select(_runs.c.fence, _runs.c.cancel_requested).where(here(_runs), _runs.c.run_id == bindparam("in_run_id"))
_HELD_FOR = select(_runs.c.held_for).where(here(_runs), _runs.c.run_id == bindparam("in_run_id"))

_UNDER_WAY = tuple(status.value for status in RunStatus if not status.is_final)
_GOES_ON = or_(*(_runs.c.status == bindparam(f"in_{status}") for status in _UNDER_WAY))
_OF_RELEASE = _SELECT.where(_GOES_ON, _runs.c.release == bindparam("in_release")).order_by(
    _runs.c.created_at, _runs.c.run_id
)
_HELD = _SELECT.where(_GOES_ON, _runs.c.held_for.is_not(None))
_STATUSES = {f"in_{status}": status for status in _UNDER_WAY}

_UPDATE = update(_runs).where(here(_runs), _runs.c.run_id == bindparam("in_run_id"))
_UPDATE_FENCED = _UPDATE.where(_runs.c.fence == bindparam("in_fence"))


@cache
def _page(filters: frozenset[str], more: bool, held: bool) -> Select[Any]:
    return page(_HELD if held else _SELECT, _runs, "created_at", "run_id", filters=filters, more=more)


class SqlRuns:
    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, run: Run) -> None:
        """Errors: `Conflict` (`key_taken`), leaving the transaction usable."""
        if not self._session.insert_once(_runs, RUN.row(run)):
            raise Conflict(
                "A run with this id or idempotency key exists already.",
                code="key_taken",
                remedy="Read the run that has it.",
            )

    def get(self, run_id: str) -> Run | None:
        row = self._session.row(_BY_ID, in_run_id=run_id)
        return None if row is None else RUN.value(row)

    def pulse(self, run_id: str) -> tuple[int, bool] | None:
        row = self._session.row(_PULSE, in_run_id=run_id)
        return None if row is None else (row[0], bool(row[1]))

    def by_key(self, idempotency_key: str) -> Run | None:
        row = self._session.row(_BY_KEY, in_idempotency_key=idempotency_key)
        return None if row is None else RUN.value(row)

    def update(self, run_id: str, *, fence: int | None = None, fence_to: int | None = None, **values: Any) -> bool:
        some = RUN.some(values if fence_to is None else {**values, "fence": fence_to})
        if fence is None:
            return self._session.change(_UPDATE, in_run_id=run_id, **some) == 1
        return self._session.change(_UPDATE_FENCED, in_run_id=run_id, in_fence=fence, **some) == 1

    def held_for(self, run_id: str) -> str | None:
        row = self._session.row(_HELD_FOR, in_run_id=run_id)
        return None if row is None else row[0]

    def of_release(self, release: str) -> Sequence[Run]:
        return [RUN.value(row) for row in self._session.rows(_OF_RELEASE, in_release=release, **_STATUSES)]

    def list(
        self,
        *,
        status: RunStatus | None = None,
        skill: str | None = None,
        correlation_id: str | None = None,
        held: bool = False,
        limit: int = 50,
        before: tuple[float, str] | None = None,
    ) -> list[Run]:
        asked = {"status": plain(status), "skill": skill, "correlation_id": correlation_id}
        filters = {name: value for name, value in asked.items() if value is not None}
        values = page_values(filters, limit, before) | (_STATUSES if held else {})
        rows = self._session.rows(_page(frozenset(filters), before is not None, held), **values)
        return [RUN.value(row) for row in rows]
