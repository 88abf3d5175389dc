"""What pages for operators read beside the lists, in SQL. Implements `clearway.ports.Reports`.

Every read is bounded by its `limit` and served by an index, however full the store is (tests/contract/test_reports.py
looks at the query plans).
"""

import json
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, func, select, tuple_
from sqlalchemy import text as sql

from clearway.adapters.sql import tables
from clearway.adapters.sql.rows import APPROVAL
from clearway.adapters.sql.session import Session, here
from clearway.model.approval import Approval
from clearway.model.report import AskedFor, RunTimes

_approvals, _runs = tables.approvals, tables.runs
# A literal, since a partial index only serves a query that repeats its condition.
_PENDING = sql(tables.PENDING)
_SELECT = select(*(_approvals.c[name] for name in APPROVAL.names)).where(here(_approvals))
_COUNT = (
    select(func.count())
    .select_from(_approvals)
    .where(here(_approvals), _PENDING, _approvals.c.expires_at > bindparam("in_since"))
)
_ASKED_BEFORE = (
    _SELECT.where(_approvals.c.tool == bindparam("in_tool"), _approvals.c.requested_at < bindparam("in_before"))
    .order_by(_approvals.c.requested_at.desc(), _approvals.c.approval_id.desc())
    .limit(bindparam("in_limit"))
)
_RUN_TIMES = (
    select(_runs.c.status, _runs.c.skill, _runs.c.created_at, _runs.c.finished_at, _runs.c.release)
    .where(here(_runs), _runs.c.created_at >= bindparam("in_since"))
    .order_by(_runs.c.created_at.desc(), _runs.c.run_id.desc())
    .limit(bindparam("in_limit"))
)
_ASKED_FOR = (
    select(
        _approvals.c.state,
        _approvals.c.tool,
        _approvals.c.impact,
        _approvals.c.policies,
        _approvals.c.requested_at,
        _approvals.c.decided_at,
    )
    .where(here(_approvals), _approvals.c.requested_at >= bindparam("in_since"))
    .order_by(_approvals.c.requested_at.desc(), _approvals.c.approval_id.desc())
    .limit(bindparam("in_limit"))
)


@cache
def _waiting(one_impact: bool, until: bool, after: bool) -> Select[Any]:
    keys = _approvals.c.expires_at, _approvals.c.approval_id
    statement = _SELECT.where(_PENDING, keys[0] > bindparam("in_since"))
    if one_impact:
        statement = statement.where(_approvals.c.impact == bindparam("in_impact"))
    if until:
        statement = statement.where(keys[0] <= bindparam("in_until"))
    if after:
        statement = statement.where(tuple_(*keys) > tuple_(bindparam("in_at"), bindparam("in_id")))
    return statement.order_by(*keys).limit(bindparam("in_limit"))


class SqlReports:
    def __init__(self, session: Session) -> None:
        self._session = session

    def waiting(
        self,
        *,
        since: float,
        until: float | None = None,
        impact: str | None = None,
        after: tuple[float, str] | None = None,
        limit: int = 50,
    ) -> list[Approval]:
        values: dict[str, Any] = {"in_since": since, "in_limit": limit}
        if impact is not None:
            values["in_impact"] = impact
        if until is not None:
            values["in_until"] = until
        if after is not None:
            values |= {"in_at": after[0], "in_id": after[1]}
        statement = _waiting(impact is not None, until is not None, after is not None)
        return [APPROVAL.value(row) for row in self._session.rows(statement, **values)]

    def waiting_count(self, since: float) -> int:
        row = self._session.row(_COUNT, in_since=since)
        return 0 if row is None else int(row[0])

    def asked_before(self, tool: str, before: float, *, limit: int = 50) -> list[Approval]:
        rows = self._session.rows(_ASKED_BEFORE, in_tool=tool, in_before=before, in_limit=limit)
        return [APPROVAL.value(row) for row in rows]

    def run_times(self, since: float, *, limit: int) -> list[RunTimes]:
        return [RunTimes(*row) for row in self._session.rows(_RUN_TIMES, in_since=since, in_limit=limit)]

    def asked_for(self, since: float, *, limit: int) -> list[AskedFor]:
        rows = self._session.rows(_ASKED_FOR, in_since=since, in_limit=limit)
        return [AskedFor(row[0], row[1], row[2], tuple(json.loads(row[3])), row[4], row[5]) for row in rows]
