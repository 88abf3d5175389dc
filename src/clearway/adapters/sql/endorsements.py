"""Endorsements in SQL. Implements `clearway.ports.Endorsements`."""

from sqlalchemy import bindparam, insert, select, update

from clearway.adapters.sql import tables
from clearway.adapters.sql.rows import ENDORSEMENT
from clearway.adapters.sql.session import Session, here
from clearway.model.endorsement import Endorsement

_rows = tables.endorsements
_SELECT = select(*(_rows.c[name] for name in ENDORSEMENT.names)).where(here(_rows))
_ONE = _SELECT.where(_rows.c.endorsement_id == bindparam("in_id"))
_FOR_RUN = _SELECT.where(
    _rows.c.run_id.in_([bindparam("in_run_id"), ""]),
    _rows.c.user == bindparam("in_user"),
    _rows.c.revoked_at.is_(None),
    _rows.c.expires_at > bindparam("in_now"),
).order_by(_rows.c.at, _rows.c.endorsement_id)
_NEWEST = _SELECT.order_by(_rows.c.at.desc(), _rows.c.endorsement_id.desc()).limit(bindparam("in_limit"))
_ADD = insert(_rows).inline()
_REVOKE = update(_rows).where(here(_rows), _rows.c.endorsement_id == bindparam("in_id"), _rows.c.revoked_at.is_(None))


class SqlEndorsements:
    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, endorsement: Endorsement) -> None:
        self._session.insert(_ADD, [ENDORSEMENT.row(endorsement)])

    def get(self, endorsement_id: str) -> Endorsement | None:
        row = self._session.row(_ONE, in_id=endorsement_id)
        return None if row is None else ENDORSEMENT.value(row)

    def in_force(self, run_id: str, user: str, now: float) -> list[Endorsement]:
        rows = self._session.rows(_FOR_RUN, in_run_id=run_id, in_user=user, in_now=now)
        return [ENDORSEMENT.value(row) for row in rows]

    def revoke(self, endorsement_id: str, at: float) -> bool:
        return self._session.change(_REVOKE, in_id=endorsement_id, revoked_at=at) == 1

    def list(self, *, limit: int = 50) -> list[Endorsement]:
        return [ENDORSEMENT.value(row) for row in self._session.rows(_NEWEST, in_limit=limit)]
