"""Every cell of a Postgres database, table by table, for `clearway privacy scan`: ours, the engine's and anybody's."""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from clearway.adapters.sql.errors import translate

_ROWS = 200
_TEXTS = frozenset({"text", "character varying", "character", "json", "jsonb", "ARRAY", "xml", "USER-DEFINED"})

_COLUMNS = text(
    "SELECT c.table_schema, c.table_name, c.column_name, c.data_type FROM information_schema.columns c "
    "JOIN information_schema.tables t USING (table_schema, table_name) "
    "WHERE t.table_type = 'BASE TABLE' AND c.table_schema NOT IN ('pg_catalog', 'information_schema') "
    "ORDER BY 1, 2, c.ordinal_position"
)


class StoredCell(NamedTuple):
    """One value. `row`: where it lies (ctid); `value`: as Postgres writes it, numbers as bytes of their text."""

    table: str
    column: str
    row: str
    value: str | bytes


def postgres_cells(engine: Engine) -> Iterator[StoredCell]:
    """Reads in one transaction that writes nothing, a few rows at a time. Errors: `Unavailable`, `Internal`."""
    try:
        with engine.connect().execution_options(postgresql_readonly=True) as connection:
            tables: dict[tuple[str, str], dict[str, str]] = {}
            for schema, table, column, kind in connection.execute(_COLUMNS):
                tables.setdefault((schema, table), {})[column] = kind
            for (schema, table), columns in tables.items():
                name = f"{_quoted(schema)}.{_quoted(table)}"
                wanted = ", ".join(f"{_quoted(column)}::text" for column in columns)
                asked = text(f"SELECT ctid::text, {wanted} FROM {name}".replace("::", "\\:\\:"))  # noqa: S608 - its own names
                rows = connection.execution_options(stream_results=True, max_row_buffer=_ROWS).execute(asked)
                for row in rows:
                    for (column, kind), value in zip(columns.items(), row[1:], strict=True):
                        if value is not None:
                            yield StoredCell(f"{schema}.{table}", column, str(row[0]), _read(value, kind))
    except SQLAlchemyError as error:
        raise translate(error) from None


def _read(value: str, kind: str) -> str | bytes:
    """A bytea, which Postgres writes in hex, as bytes; a number too, since no detector is to take it for a card's."""
    if kind == "bytea":
        return bytes.fromhex(value.removeprefix("\\x"))
    return value if kind in _TEXTS else value.encode()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
