"""Sendings of notices in SQL. Implements `clearway.ports.Notices`."""

from sqlalchemy import bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from clearway.adapters.sql import tables
from clearway.adapters.sql.rows import SENDING
from clearway.adapters.sql.session import Session, here
from clearway.model.notice import Sending

_sendings = tables.notices

_SELECT = select(*(_sendings.c[name] for name in SENDING.names)).where(here(_sendings))
_OF_EVENT = _SELECT.where(_sendings.c.seq == bindparam("in_seq"))
_NEWEST = _SELECT.order_by(_sendings.c.seq.desc(), _sendings.c.channel.desc()).limit(bindparam("in_limit"))
_IDENTITY = ["tenant", "environment", "seq", "channel"]
_FACTS = ("kind", "state", "attempts", "at", "code")
_PUT = {
    name: (statement := dialect.insert(_sendings)).on_conflict_do_update(
        index_elements=_IDENTITY, set_={fact: statement.excluded[fact] for fact in _FACTS}
    )
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
}


class SqlNotices:
    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, sending: Sending) -> None:
        self._session.insert(_PUT[self._session.dialect], [SENDING.row(sending)])

    def of_event(self, seq: int) -> list[Sending]:
        return [SENDING.value(row) for row in self._session.rows(_OF_EVENT, in_seq=seq)]

    def newest(self, *, limit: int = 50) -> list[Sending]:
        return [SENDING.value(row) for row in self._session.rows(_NEWEST, in_limit=limit)]
