"""Kill switches and API keys in SQL. Implements `clearway.ports.Switches` and `clearway.ports.Keys`.

Switches of kind `global` and `environment` hold for every tenant: their rows have tenant `*`, and the environment
that they are about, or `*`. No scope of anybody's may have such a name (`SqlStore` refuses it).
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, bindparam, or_, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from clearway.adapters.sql import tables
from clearway.adapters.sql.row_security import of_key
from clearway.adapters.sql.rows import KEY, SWITCH
from clearway.adapters.sql.session import Session, here
from clearway.adapters.sql.statements import query
from clearway.model.errors import Conflict, Invalid
from clearway.model.identity import Scope
from clearway.model.keys import ApiKey
from clearway.model.switch import KillSwitch

EVERY = "*"

_switches, _keys = tables.kill_switches, tables.api_keys


def _place(kind: str, id: str, scope: Scope) -> tuple[str, str]:
    """(tenant, environment) of a switch's row."""
    if kind == "global":
        return EVERY, EVERY
    return (EVERY, id) if kind == "environment" else (scope.tenant, scope.environment)


_visible: ColumnElement[bool] = or_(
    here(_switches),
    and_(_switches.c.tenant == EVERY, _switches.c.environment.in_([bindparam("in_environment"), EVERY])),
)
_of_all: ColumnElement[bool] = or_(here(_switches), _switches.c.tenant == EVERY)
_SELECT = select(*(_switches.c[name] for name in SWITCH.names))
_ENGAGED = _SELECT.where(_of_all, _switches.c.engaged == true())
_LIST = _SELECT.where(_visible).order_by(_switches.c.kind, _switches.c.id)
_GET = _SELECT.where(
    _switches.c.tenant == bindparam("in_row_tenant"),
    _switches.c.id == bindparam("in_id"),
    _switches.c.environment == bindparam("in_row_environment"),
    _switches.c.kind == bindparam("in_kind"),
)
# Rows for all tenants are not covered by the lock on a scope's audit head.
_GET_LOCKED = _GET.with_for_update()
_IDENTITY = ["tenant", "environment", "kind", "id"]
_FACTS = ("engaged", "reason", "by", "at", "release_votes")
_PUT = {
    name: (statement := dialect.insert(_switches)).on_conflict_do_update(
        index_elements=_IDENTITY, set_={fact: statement.excluded[fact] for fact in _FACTS}
    )
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
}

_SELECT_KEY = select(*(_keys.c[name] for name in KEY.names))
_LIST_KEYS = _SELECT_KEY.where(here(_keys)).order_by(_keys.c.created_at.desc(), _keys.c.key_id)
_FIND_KEY = _SELECT_KEY.where(_keys.c.key_id == bindparam("in_key_id"))
_REVOKE_KEY = update(_keys).where(here(_keys), _keys.c.key_id == bindparam("in_key_id"), _keys.c.revoked_at.is_(None))


class SqlSwitches:
    def __init__(self, session: Session) -> None:
        self._session = session

    def engaged(self, scopes: Sequence[tuple[str, str]]) -> KillSwitch | None:
        engaged = {(switch.kind, switch.id): switch for switch in map(SWITCH.value, self._session.rows(_ENGAGED))}
        return next((engaged[scope] for scope in scopes if scope in engaged), None)

    def put(self, switch: KillSwitch) -> None:
        tenant, environment = _place(switch.kind, switch.id, self._session.scope)
        self._session.insert_for_all(
            _PUT[self._session.dialect], {**SWITCH.row(switch), "tenant": tenant, "environment": environment}
        )

    def get(self, kind: str, id: str) -> KillSwitch | None:
        tenant, environment = _place(kind, id, self._session.scope)
        statement = _GET_LOCKED if self._session.writable else _GET
        row = self._session.row(statement, in_row_tenant=tenant, in_row_environment=environment, in_kind=kind, in_id=id)
        return None if row is None else SWITCH.value(row)

    def list(self) -> list[KillSwitch]:
        return [SWITCH.value(row) for row in self._session.rows(_LIST)]


class SqlKeys:
    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, key: ApiKey) -> None:
        """Errors: `Invalid` for a key of another scope, `Conflict` (`key_taken`) where the id exists in any."""
        if Scope(key.tenant, key.environment) != self._session.scope:
            raise Invalid(
                "The API key belongs to another tenant or environment.",
                code="wrong_scope",
                remedy="Store it in its own.",
            )
        if not self._session.insert_once(_keys, KEY.row(key)):
            raise Conflict("An API key with this id exists already.", code="key_taken", remedy="Make another.")

    def list(self) -> list[ApiKey]:
        return [KEY.value(row) for row in self._session.rows(_LIST_KEYS)]

    def revoke(self, key_id: str, at: float) -> bool:
        return self._session.change(_REVOKE_KEY, in_key_id=key_id, revoked_at=at) == 1


def find_key(connection: Connection, key_id: str) -> ApiKey | None:
    """By id, in whatever scope."""
    rows = query(connection, _FIND_KEY, {"in_key_id": key_id}, sight=of_key(key_id))
    return KEY.value(rows[0]) if rows else None
