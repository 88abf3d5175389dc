"""One transaction's connection, scope and time, and the only way to a statement.

INVARIANT: every statement on a tenant's rows carries the session's tenant and environment. On Postgres the transaction
sees no other's either way (`row_security`): a write from its start, a read with its first statement.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, bindparam, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.selectable import NamedFromClause

from clearway.adapters.sql.row_security import Sight, of_scope
from clearway.adapters.sql.statements import Values, change, query
from clearway.model.errors import Internal
from clearway.model.identity import Scope

__all__ = ["Head", "Session", "here", "page", "page_values", "skipping_insert"]

#: (number of events, hash of the last one): the head of an audit chain.
Head = tuple[int, str]


def here(table: Table | NamedFromClause[Any]) -> ColumnElement[bool]:
    """The condition that a row is of the session's scope; `Session` binds its two parameters."""
    return and_(table.c.tenant == bindparam("in_tenant"), table.c.environment == bindparam("in_environment"))


def page(statement: Select[Any], table: Table, at: str, id: str, *, filters: Iterable[str], more: bool) -> Select[Any]:
    """`statement` where the columns `filters` have given values, newest first; `more`: from behind a given row."""
    statement = statement.where(*(table.c[name] == bindparam(f"in_{name}") for name in sorted(filters)))
    keys = table.c[at], table.c[id]
    if more:
        statement = statement.where(tuple_(*keys) < tuple_(bindparam("in_at"), bindparam("in_id")))
    return statement.order_by(keys[0].desc(), keys[1].desc()).limit(bindparam("in_limit"))


def page_values(filters: Mapping[str, Any], limit: int, before: tuple[float, str] | None) -> dict[str, Any]:
    """The parameters of a `page`."""
    values = {f"in_{name}": value for name, value in filters.items()}
    if before is not None:
        values |= {"in_at": before[0], "in_id": before[1]}
    return {**values, "in_limit": limit}


@cache
def skipping_insert(table: Table, dialect: str) -> ClauseElement:
    """An insert that does nothing where a row is in its way, so that the transaction stays usable."""
    if dialect == "sqlite":
        statement = sqlite.insert(table).on_conflict_do_nothing()
    else:
        statement = postgresql.insert(table).on_conflict_do_nothing()
    if "ordinal" in table.c:
        sibling = table.alias("sibling")
        of_run = (
            select(func.count())
            .select_from(sibling)
            .where(*(sibling.c[name] == bindparam(f"in_{name}") for name in ("tenant", "environment", "run_id")))
        )
        statement = statement.values(ordinal=of_run.scalar_subquery())
    return statement


class Session:
    """Statements of one transaction in one scope. Errors of its methods: those of `statements.query`.

    `head`: of the scope's audit chain, as read when a write transaction began; None without a row, or in a read.
    `now`: None where it is read when first asked for.
    """

    def __init__(
        self,
        connection: Connection,
        scope: Scope,
        *,
        writable: bool,
        now: float | None,
        head: Head | None,
        read_now: Callable[[Connection], float],
    ) -> None:
        self.connection = connection
        self.scope = scope
        self.dialect = connection.dialect.name
        self.writable = writable
        self.head = head
        self.after_commit: list[Callable[[], None]] = []
        self._now = now
        self._read_now = read_now
        self._unsaid: Sight | None = None if writable else of_scope(scope)
        self._own = {"tenant": scope.tenant, "environment": scope.environment}
        self._in_scope = {"in_tenant": scope.tenant, "in_environment": scope.environment}

    @property
    def now(self) -> float:
        if self._now is None:
            self._now = self._read_now(self.connection)
        return self._now

    def rows(self, statement: ClauseElement, **values: Any) -> list[Sequence[Any]]:
        sight, self._unsaid = self._unsaid, None
        return query(self.connection, statement, {**values, **self._in_scope}, sight=sight)

    def row(self, statement: ClauseElement, **values: Any) -> Sequence[Any] | None:
        rows = self.rows(statement, **values)
        return rows[0] if rows else None

    def change(self, statement: ClauseElement, **values: Any) -> int:
        """Runs an update within the scope; the number of rows it changed."""
        self.must_write()
        return change(self.connection, statement, {**values, **self._in_scope})

    def insert(self, statement: ClauseElement, rows: Sequence[Values]) -> None:
        """Runs an insert for each row; tenant and environment are added."""
        self.must_write()
        own = [{**row, **self._own} for row in rows]
        change(self.connection, statement, own if len(own) > 1 else own[0])

    def insert_once(self, table: Table, row: Values) -> bool:
        """Inserts, or returns False where a unique row is in the way. Tenant and environment are added."""
        self.must_write()
        own = {**row, **self._own}
        if "ordinal" in table.c:
            own.update(self._in_scope, in_run_id=row["run_id"])
        return change(self.connection, skipping_insert(table, self.dialect), own) == 1

    def insert_for_all(self, statement: ClauseElement, row: Values) -> None:
        """Runs an insert of a row that names its tenant and environment itself: kill switches only."""
        self.must_write()
        change(self.connection, statement, row)

    def must_write(self) -> None:
        if not self.writable:
            raise Internal("A read transaction cannot write.", code="store", remedy="Use `Store.write`.")
