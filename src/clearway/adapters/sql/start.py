"""What a transaction begins with: the time, and for a write the head of the scope's audit chain, in one query.

INVARIANT: the time is taken after the lock, so it never runs backwards along a chain because of a wait.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Double, Select, cast, func, literal_column, select, true

from clearway.adapters.sql import tables
from clearway.adapters.sql.row_security import of_scope
from clearway.adapters.sql.session import Head, here, skipping_insert
from clearway.adapters.sql.statements import change, query
from clearway.model.identity import Scope
from clearway.rules.chain import GENESIS

_heads = tables.audit_heads

#: Seconds since the epoch on the database's clock. SQLite's counts milliseconds.
_NOW: dict[str, ColumnElement[Any]] = {
    "sqlite": literal_column("ROUND((julianday('now') - 2440587.5) * 86400.0, 3)"),
    "postgresql": cast(func.extract("epoch", func.clock_timestamp()), Double),
}


@cache
def _start(dialect: str) -> Select[Any, Any, Any]:
    head = select(_heads.c.seq, _heads.c.hash).where(here(_heads))
    if dialect == "sqlite":
        now, found = select(_NOW[dialect].label("now")).subquery("clock"), head.subquery("head")
        return select(now.c.now, found.c.seq, found.c.hash).select_from(now.outerjoin(found, true()))
    # Postgres evaluates the outer list only when the locked row is there.
    locked = head.with_for_update().cte("locked")
    return select(_NOW[dialect], locked.c.seq, locked.c.hash)


@cache
def _only_now(dialect: str) -> Select[Any]:
    return select(_NOW[dialect])


def read_now(connection: Connection) -> float:
    return float(query(connection, _only_now(connection.dialect.name), {})[0][0])


def begin(connection: Connection, scope: Scope, clock: Callable[[], float] | None) -> tuple[float, Head | None]:
    """(time, head of the scope's chain) for a write, which from here on no other write of the scope overlaps."""
    dialect = connection.dialect.name
    statement, values = _start(dialect), {"in_tenant": scope.tenant, "in_environment": scope.environment}
    rows = query(connection, statement, values, sight=of_scope(scope))
    if not rows:  # on Postgres, where there is nothing to lock yet
        add = skipping_insert(_heads, dialect)
        change(connection, add, {"tenant": scope.tenant, "environment": scope.environment, "seq": 0, "hash": GENESIS})
        rows = query(connection, statement, values)
    now, seq, hash = rows[0]
    return clock() if clock else float(now), None if seq is None else (seq, hash)
