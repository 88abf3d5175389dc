"""Approvals, votes and grants in SQL. Implements `clearway.ports.Approvals` and `clearway.ports.Grants`."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import Select, Update, bindparam, select, update

from clearway.adapters.sql import tables
from clearway.adapters.sql.rows import APPROVAL, GRANT, VOTE, plain
from clearway.adapters.sql.session import Session, here, page, page_values
from clearway.model.approval import Approval, ApprovalState, Grant, Vote
from clearway.model.errors import Conflict

_approvals, _votes, _grants = tables.approvals, tables.approval_votes, tables.grants

_SELECT = select(*(_approvals.c[name] for name in APPROVAL.names)).where(here(_approvals))
_BY_ID = _SELECT.where(_approvals.c.approval_id == bindparam("in_approval_id"))
_FOR_STEP = _SELECT.where(
    _approvals.c.run_id == bindparam("in_run_id"), _approvals.c.step_id == bindparam("in_step_id")
).order_by(_approvals.c.ordinal)
_VOTES = (
    select(*(_votes.c[name] for name in VOTE.names))
    .where(here(_votes), _votes.c.approval_id == bindparam("in_approval_id"))
    .order_by(_votes.c.at, _votes.c.subject)
)

_SELECT_GRANT = select(*(_grants.c[name] for name in GRANT.names)).where(here(_grants))
_GRANT_BY_ID = _SELECT_GRANT.where(_grants.c.grant_id == bindparam("in_grant_id"))
_usable = (_grants.c.state == "active", _grants.c.expires_at > bindparam("in_now"), _grants.c.uses < _grants.c.max_uses)
_ACTIVE_GRANTS = _SELECT_GRANT.where(
    *_usable,
    _grants.c.tool == bindparam("in_tool"),
    _grants.c.tool_digest == bindparam("in_tool_digest"),
).order_by(_grants.c.expires_at, _grants.c.grant_id)
_NEWEST_GRANTS = _SELECT_GRANT.order_by(_grants.c.expires_at.desc(), _grants.c.grant_id.desc()).limit(
    bindparam("in_limit")
)
_of_grant = update(_grants).where(here(_grants), _grants.c.grant_id == bindparam("in_grant_id"))
_USE_GRANT = _of_grant.where(*_usable).values(uses=_grants.c.uses + 1)
_REVOKE_GRANT = _of_grant.where(_grants.c.state == "active").values(state="revoked")


@cache
def _move(states: int) -> Update:
    return update(_approvals).where(
        here(_approvals),
        _approvals.c.approval_id == bindparam("in_approval_id"),
        _approvals.c.state.in_([bindparam(f"in_state_{index}") for index in range(states)]),
    )


@cache
def _page(filters: frozenset[str], more: bool) -> Select[Any]:
    return page(_SELECT, _approvals, "requested_at", "approval_id", filters=filters, more=more)


class SqlApprovals:
    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, approval: Approval) -> None:
        """Errors: `Conflict` (`approval_taken`), leaving the transaction usable."""
        if not self._session.insert_once(_approvals, APPROVAL.row(approval)):
            raise Conflict("An approval with this id exists already.", code="approval_taken")

    def get(self, approval_id: str) -> Approval | None:
        row = self._session.row(_BY_ID, in_approval_id=approval_id)
        return None if row is None else APPROVAL.value(row)

    def for_step(self, run_id: str, step_id: str) -> list[Approval]:
        rows = self._session.rows(_FOR_STEP, in_run_id=run_id, in_step_id=step_id)
        return [APPROVAL.value(row) for row in rows]

    def move(self, approval_id: str, *, from_states: Iterable[ApprovalState], **values: Any) -> bool:
        some = APPROVAL.some(values)
        states = {f"in_state_{index}": state.value for index, state in enumerate(from_states)}
        if not states:
            return False
        return self._session.change(_move(len(states)), in_approval_id=approval_id, **states, **some) == 1

    def add_vote(self, vote: Vote) -> bool:
        return self._session.insert_once(_votes, VOTE.row(vote))

    def votes(self, approval_id: str) -> list[Vote]:
        return [VOTE.value(row) for row in self._session.rows(_VOTES, in_approval_id=approval_id)]

    def list(
        self,
        *,
        state: ApprovalState | None = None,
        run_id: str | None = None,
        limit: int = 50,
        before: tuple[float, str] | None = None,
    ) -> list[Approval]:
        asked = {"state": plain(state), "run_id": run_id}
        filters = {name: value for name, value in asked.items() if value is not None}
        rows = self._session.rows(_page(frozenset(filters), before is not None), **page_values(filters, limit, before))
        return [APPROVAL.value(row) for row in rows]


class SqlGrants:
    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, grant: Grant) -> None:
        """Errors: `Conflict` (`grant_taken`), leaving the transaction usable."""
        if not self._session.insert_once(_grants, GRANT.row(grant)):
            raise Conflict("A grant with this id exists already.", code="grant_taken")

    def get(self, grant_id: str) -> Grant | None:
        row = self._session.row(_GRANT_BY_ID, in_grant_id=grant_id)
        return None if row is None else GRANT.value(row)

    def active(self, tool: str, tool_digest: str, now: float) -> list[Grant]:
        rows = self._session.rows(_ACTIVE_GRANTS, in_tool=tool, in_tool_digest=tool_digest, in_now=now)
        return [GRANT.value(row) for row in rows]

    def use(self, grant_id: str, now: float) -> bool:
        return self._session.change(_USE_GRANT, in_grant_id=grant_id, in_now=now) == 1

    def revoke(self, grant_id: str) -> bool:
        return self._session.change(_REVOKE_GRANT, in_grant_id=grant_id) == 1

    def list(self, *, limit: int = 50) -> list[Grant]:
        return [GRANT.value(row) for row in self._session.rows(_NEWEST_GRANTS, in_limit=limit)]
