"""Every cell of a Postgres database, table by table, for `clearway privacy scan`: ours, the engine's and anybody's.

Our own tables show the rows of one scope at a time (`row_security`), so they are read scope by scope, and what holds
for all of them besides. A role that is exempt from row-level security reads them whole, rows of unknown scopes too.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from clearway.adapters.sql.access import EVERY
from clearway.adapters.sql.errors import translate
from clearway.adapters.sql.row_security import EVERY_SCOPE, enter, is_exempt, of_scope
from clearway.adapters.sql.tables import SCHEMA, metadata
from clearway.model.identity import Scope

_ROWS = 200
_TEXTS = frozenset({"text", "character varying", "character", "json", "jsonb", "ARRAY", "xml", "USER-DEFINED"})

_COLUMNS = text(
    "SELECT c.table_schema, c.table_name, c.column_name, c.data_type FROM information_schema.columns c "
    "JOIN information_schema.tables t USING (table_schema, table_name) "
    "WHERE t.table_type = 'BASE TABLE' AND c.table_schema NOT IN ('pg_catalog', 'information_schema') "
    "ORDER BY 1, 2, c.ordinal_position"
)


class StoredCell(NamedTuple):
    """One value. `row`: where it lies (ctid); `value`: as Postgres writes it, numbers as bytes of their text. `tenant`:
    of the row, where it tells one."""

    table: str
    column: str
    row: str
    value: str | bytes
    tenant: str = ""


def postgres_cells(engine: Engine) -> Iterator[StoredCell]:
    """Reads in one transaction that writes nothing, a few rows at a time. Errors: `Unavailable`, `Internal`."""
    try:
        with engine.connect().execution_options(postgresql_readonly=True) as connection:
            tables: dict[tuple[str, str], dict[str, str]] = {}
            for schema, table, column, kind in connection.execute(_COLUMNS):
                tables.setdefault((schema, table), {})[column] = kind
            whole: Sequence[Scope | None] = [None]
            scopes = _scopes(connection) if any(_is_ours(*name) for name in tables) else whole
            for name, columns in tables.items():
                for scope in scopes if _is_ours(*name) else whole:
                    yield from _cells(connection, *name, columns, scope)
    except SQLAlchemyError as error:
        raise translate(error) from None


def _is_ours(schema: str, table: str) -> bool:
    return schema == SCHEMA and table in metadata.tables


def _scopes(connection: Connection) -> Sequence[Scope | None]:
    """Every scope with a row of its own: whoever writes in one makes its audit head first. None: all at once."""
    if is_exempt(connection):
        return [None]
    enter(connection, EVERY_SCOPE)
    heads = text(f"SELECT tenant, environment FROM {SCHEMA}.audit_heads ORDER BY 1, 2")  # noqa: S608 - our own name
    return [Scope(EVERY, EVERY), *(Scope(*row) for row in connection.execute(heads).all())]


def _cells(
    connection: Connection, schema: str, table: str, columns: dict[str, str], scope: Scope | None
) -> Iterator[StoredCell]:
    wanted = ", ".join(f"{_quoted(column)}::text" for column in columns)
    asked = f"SELECT ctid::text, {wanted} FROM {_quoted(schema)}.{_quoted(table)}".replace("::", "\\:\\:")  # noqa: S608 - its own names
    values: dict[str, Any] = {}
    if scope is not None:
        enter(connection, of_scope(scope))
        values, asked = {"tenant": scope.tenant}, f"{asked} WHERE tenant = :tenant"
        if scope.environment != EVERY:  # switches of an environment are of tenant `*` in it
            values, asked = {**values, "environment": scope.environment}, f"{asked} AND environment = :environment"
    # Asked of the statement, not of the connection: a setting that streams would wait for somebody to fetch it.
    streamed = text(asked).execution_options(stream_results=True, max_row_buffer=_ROWS)
    rows = connection.execute(streamed, values)
    told = list(columns).index("tenant") + 1 if "tenant" in columns else None
    for row in rows:
        tenant = "" if told is None else str(row[told])
        for (column, kind), value in zip(columns.items(), row[1:], strict=True):
            if value is not None:
                yield StoredCell(f"{schema}.{table}", column, str(row[0]), _read(value, kind), tenant)


def _read(value: str, kind: str) -> str | bytes:
    """A bytea, which Postgres writes in hex, as bytes; a number too, since no detector is to take it for a card's."""
    if kind == "bytea":
        return bytes.fromhex(value.removeprefix("\\x"))
    return value if kind in _TEXTS else value.encode()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
