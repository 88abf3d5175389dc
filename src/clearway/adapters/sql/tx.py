"""One transaction in one scope. Implements `clearway.ports.Tx`."""

from typing import Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from clearway.adapters.sql.access import SqlKeys, SqlSwitches
from clearway.adapters.sql.approvals import SqlApprovals, SqlGrants
from clearway.adapters.sql.audit import SqlAudit
from clearway.adapters.sql.errors import translate
from clearway.adapters.sql.ledger import SqlLedger
from clearway.adapters.sql.limits import SqlLimits
from clearway.adapters.sql.runs import SqlRuns
from clearway.adapters.sql.session import Session
from clearway.model.identity import Scope
from clearway.model.run_ref import RunRef


class Wake(Protocol):
    """Enqueues a pass of a run with the transaction on `connection`; the same `wake_id` twice is one pass."""

    def __call__(self, connection: Connection, ref: RunRef, *, wake_id: str, delay_s: float) -> None: ...


class SqlTx:
    def __init__(self, session: Session, wake: Wake) -> None:
        self._session = session
        self._wake = wake

    @property
    def scope(self) -> Scope:
        return self._session.scope

    @property
    def now(self) -> float:
        return self._session.now

    @property
    def runs(self) -> SqlRuns:
        return SqlRuns(self._session)

    @property
    def ledger(self) -> SqlLedger:
        return SqlLedger(self._session)

    @property
    def approvals(self) -> SqlApprovals:
        return SqlApprovals(self._session)

    @property
    def grants(self) -> SqlGrants:
        return SqlGrants(self._session)

    @property
    def audit(self) -> SqlAudit:
        return SqlAudit(self._session)

    @property
    def limits(self) -> SqlLimits:
        return SqlLimits(self._session)

    @property
    def switches(self) -> SqlSwitches:
        return SqlSwitches(self._session)

    @property
    def keys(self) -> SqlKeys:
        return SqlKeys(self._session)

    def wake(self, run_id: str, wake_id: str, *, delay_s: float = 0.0) -> None:
        self._session.must_write()
        ref = RunRef(self.scope.tenant, self.scope.environment, run_id)
        try:
            self._wake(self._session.connection, ref, wake_id=wake_id, delay_s=delay_s)
        except SQLAlchemyError as error:
            raise translate(error) from None
