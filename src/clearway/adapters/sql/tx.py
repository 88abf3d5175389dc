"""One transaction in one scope. Implements `clearway.ports.Tx`."""

from collections.abc import Callable
from typing import Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from clearway.adapters.sql.access import SqlKeys, SqlSwitches
from clearway.adapters.sql.approvals import SqlApprovals, SqlGrants
from clearway.adapters.sql.audit import SqlAudit
from clearway.adapters.sql.endorsements import SqlEndorsements
from clearway.adapters.sql.errors import translate
from clearway.adapters.sql.happenings import SqlHappenings
from clearway.adapters.sql.ledger import SqlLedger
from clearway.adapters.sql.limits import SqlLimits
from clearway.adapters.sql.notices import SqlNotices
from clearway.adapters.sql.releases import SqlReleases
from clearway.adapters.sql.reports import SqlReports
from clearway.adapters.sql.retention import SqlRetention
from clearway.adapters.sql.runs import SqlRuns
from clearway.adapters.sql.session import Session
from clearway.adapters.sql.sign_in import SqlSessions, SqlUsers
from clearway.adapters.sql.vault import SqlVault
from clearway.model.event import RecordedEvent
from clearway.model.identity import Scope
from clearway.model.run_ref import RunRef


class Wake(Protocol):
    """Enqueues a pass of a run with the transaction on `connection`; the same `wake_id` twice is one pass."""

    def __call__(self, connection: Connection, ref: RunRef, *, wake_id: str, delay_s: float) -> None: ...


Announce = Callable[["SqlTx", RecordedEvent], None]


class SqlTx:
    """`announce`: called for each event that this transaction records."""

    def __init__(self, session: Session, wake: Wake, announce: Announce | None = None) -> None:
        self._session = session
        self._wake = wake
        self._announce = announce

    @property
    def scope(self) -> Scope:
        return self._session.scope

    @property
    def now(self) -> float:
        return self._session.now

    @property
    def writable(self) -> bool:
        return self._session.writable

    def on_commit(self, do: Callable[[], None]) -> None:
        self._session.after_commit.append(do)

    @property
    def vault(self) -> SqlVault:
        return SqlVault(self._session)

    @property
    def retention(self) -> SqlRetention:
        return SqlRetention(self._session)

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
        announce = self._announce
        return SqlAudit(self._session, None if announce is None else lambda event: announce(self, event))

    @property
    def limits(self) -> SqlLimits:
        return SqlLimits(self._session)

    @property
    def switches(self) -> SqlSwitches:
        return SqlSwitches(self._session)

    @property
    def keys(self) -> SqlKeys:
        return SqlKeys(self._session)

    @property
    def notices(self) -> SqlNotices:
        return SqlNotices(self._session)

    @property
    def happenings(self) -> SqlHappenings:
        return SqlHappenings(self._session)

    @property
    def endorsements(self) -> SqlEndorsements:
        return SqlEndorsements(self._session)

    @property
    def releases(self) -> SqlReleases:
        return SqlReleases(self._session)

    @property
    def reports(self) -> SqlReports:
        return SqlReports(self._session)

    @property
    def sessions(self) -> SqlSessions:
        return SqlSessions(self._session)

    @property
    def users(self) -> SqlUsers:
        return SqlUsers(self._session)

    def wake(self, run_id: str, wake_id: str, *, delay_s: float = 0.0) -> None:
        self._session.must_write()
        ref = RunRef(self.scope.tenant, self.scope.environment, run_id)
        try:
            self._wake(self._session.connection, ref, wake_id=wake_id, delay_s=delay_s)
        except SQLAlchemyError as error:
            raise translate(error) from None
