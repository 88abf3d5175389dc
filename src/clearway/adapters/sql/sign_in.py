"""Sessions and signed-in people in SQL. Implements `clearway.ports.Sessions` and `clearway.ports.Users`."""

from sqlalchemy import Connection, bindparam, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from clearway.adapters.sql import tables
from clearway.adapters.sql.row_security import of_session
from clearway.adapters.sql.rows import SESSION, SIGNED_IN_USER
from clearway.adapters.sql.session import Session as Statements
from clearway.adapters.sql.session import here
from clearway.adapters.sql.statements import query
from clearway.model.errors import Conflict, Invalid
from clearway.model.identity import Scope
from clearway.model.session import Session, SignedInUser

_sessions, _users = tables.sessions, tables.signed_in_users

_SELECT = select(*(_sessions.c[name] for name in SESSION.names))
_FIND = _SELECT.where(_sessions.c.session_hash == bindparam("in_hash"))
_OPEN = _SELECT.where(here(_sessions), _sessions.c.ended_at.is_(None)).order_by(_sessions.c.seen_at.desc())
_this = (here(_sessions), _sessions.c.session_hash == bindparam("in_hash"), _sessions.c.ended_at.is_(None))
_CHANGE = update(_sessions).where(*_this)
_END_OF = update(_sessions).where(
    here(_sessions), _sessions.c.subject == bindparam("in_subject"), _sessions.c.ended_at.is_(None)
)
_PRUNE = delete(_sessions).where(
    here(_sessions), or_(_sessions.c.ends_at < bindparam("in_before"), _sessions.c.ended_at < bindparam("in_before"))
)

_SELECT_USER = select(*(_users.c[name] for name in SIGNED_IN_USER.names))
_GET_USER = _SELECT_USER.where(here(_users), _users.c.user_id == bindparam("in_user_id"))
_LIST_USERS = _SELECT_USER.where(here(_users)).order_by(_users.c.user_id)
_DISABLE = update(_users).where(here(_users), _users.c.user_id == bindparam("in_user_id"))
_PUT_USER = {
    name: (statement := dialect.insert(_users)).on_conflict_do_update(
        index_elements=["tenant", "environment", "user_id"],
        set_={column: statement.excluded[column] for column in ("issuer", "roles", "groups", "seen_at")},
    )
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
}


class SqlSessions:
    def __init__(self, session: Statements) -> None:
        self._session = session

    def insert(self, session: Session) -> None:
        """Errors: `Invalid` for a session of another scope, `Conflict` (`session_taken`)."""
        if Scope(session.tenant, session.environment) != self._session.scope:
            raise Invalid("The session belongs to another tenant or environment.", code="wrong_scope")
        if not self._session.insert_once(_sessions, SESSION.row(session)):
            raise Conflict("A session with this id exists already.", code="session_taken", remedy="Sign in again.")

    def list(self) -> list[Session]:
        return [SESSION.value(row) for row in self._session.rows(_OPEN)]

    def seen(self, session_hash: str, at: float) -> bool:
        return self._session.change(_CHANGE, in_hash=session_hash, seen_at=at) == 1

    def end(self, session_hash: str, at: float) -> bool:
        return self._session.change(_CHANGE, in_hash=session_hash, ended_at=at) == 1

    def end_of(self, subject: str, at: float) -> int:
        return self._session.change(_END_OF, in_subject=subject, ended_at=at)

    def prune(self, before: float) -> int:
        return self._session.change(_PRUNE, in_before=before)


class SqlUsers:
    def __init__(self, session: Statements) -> None:
        self._session = session

    def put(self, user: SignedInUser) -> None:
        self._session.insert(_PUT_USER[self._session.dialect], [SIGNED_IN_USER.row(user)])

    def get(self, user_id: str) -> SignedInUser | None:
        row = self._session.row(_GET_USER, in_user_id=user_id)
        return None if row is None else SIGNED_IN_USER.value(row)

    def list(self) -> list[SignedInUser]:
        return [SIGNED_IN_USER.value(row) for row in self._session.rows(_LIST_USERS)]

    def disable(self, user_id: str, at: float | None) -> bool:
        return self._session.change(_DISABLE, in_user_id=user_id, disabled_at=at) == 1


def find_session(connection: Connection, session_hash: str) -> Session | None:
    """By hash, in whatever scope."""
    rows = query(connection, _FIND, {"in_hash": session_hash}, sight=of_session(session_hash))
    return SESSION.value(rows[0]) if rows else None
