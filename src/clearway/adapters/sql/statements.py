"""From SQLAlchemy Core to the driver: compiles each statement once, then hands text and values straight to the cursor.

Core's own execution costs 30–40 µs a statement on top of SQLite's 3–10, six times a governed call. What it would do
besides is not needed here: our columns hold text, numbers and booleans, which both drivers take and give as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement

from clearway.adapters.sql.errors import translate
from clearway.adapters.sql.row_security import Sight, entering
from clearway.adapters.sql.tables import SCHEMA
from clearway.model.errors import ClearwayError, Internal
from clearway.rules.canonical import not_unicode

__all__ = ["Values", "change", "query"]

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """`order`: the names of positional parameters; None where the driver takes them by name."""

    sql: str
    order: tuple[str, ...] | None
    constants: dict[str, Any]

    def arguments(self, values: Values) -> Any:
        if self.constants:
            values = {**self.constants, **values}
        return values if self.order is None else tuple([values[name] for name in self.order])


def query(connection: Connection, statement: ClauseElement, values: Values, *, sight: Sight | None = None) -> list[Any]:
    """Every row that `statement` gives in the transaction of `connection`, as tuples.

    `values` name its parameters. `statement` has to be one of a few that live for ever: it is remembered. `sight`: what
    the transaction is given to see from here on, in the same round trip. Errors: those of `translate`, and `Invalid`
    (`not_canonical`) of a text that is not Unicode.
    """
    return _run(connection, statement, values, rows=True, sight=sight)


def change(connection: Connection, statement: ClauseElement, values: Values | Sequence[Values]) -> int:
    """Runs an insert or update, once or for each of several mappings; how many rows it changed.

    `values` name columns to set, and parameters. Otherwise as `query`.
    """
    return _run(connection, statement, values, rows=False)


def _run(
    connection: Connection,
    statement: ClauseElement,
    values: Values | Sequence[Values],
    *,
    rows: bool,
    sight: Sight | None = None,
) -> Any:
    one = isinstance(values, Mapping)
    prepared = _prepare(statement, connection.dialect, tuple(values if one else values[0]))
    cursor = connection.connection.cursor()
    try:
        if one:
            with entering(connection, sight):
                cursor.execute(prepared.sql, prepared.arguments(values))
        else:
            cursor.executemany(prepared.sql, [prepared.arguments(each) for each in values])
        return cursor.fetchall() if rows else cursor.rowcount
    except connection.dialect.loaded_dbapi.Error as error:
        raise _translated(connection, cursor, error) from None
    except UnicodeEncodeError:
        raise not_unicode() from None
    except (UnicodeError, OverflowError):
        raise Internal("A value cannot be stored, or one that is stored cannot be read.", code="store") from None
    finally:
        cursor.close()


#: By statement, name of the dialect (not the dialect: an engine has one of its own) and names of values.
_remembered: dict[tuple[ClauseElement, str, tuple[str, ...]], _Prepared] = {}


def _prepare(statement: ClauseElement, dialect: Any, names: tuple[str, ...]) -> _Prepared:
    known = (statement, dialect.name, names)
    prepared = _remembered.get(known)
    if prepared is None:
        prepared = _remembered[known] = _compile(statement, dialect, names)
    return prepared


def _compile(statement: ClauseElement, dialect: Any, names: tuple[str, ...]) -> _Prepared:
    schema: dict[str, Any] = {}
    if dialect.name == "postgresql":
        schema = {"schema_translate_map": {None: SCHEMA}, "render_schema_translate": True}
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(names), **schema)
    constants = {name: bind.value for name, bind in compiled.binds.items() if name not in names}
    for name, bind in compiled.binds.items():
        if bind.required and name in constants:
            raise Internal(f"A statement lacks its parameter {name}.", code="store")
    return _Prepared(compiled.string, tuple(compiled.positiontup) if compiled.positional else None, constants)


def _translated(connection: Connection, cursor: Any, error: Exception) -> ClearwayError:
    dialect: Any = connection.dialect
    lost = dialect.is_disconnect(error, connection.connection, cursor)
    if lost:
        connection.invalidate(error)
    wrapped = DBAPIError.instance(
        None,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=lost,
        dialect=dialect,
    )
    return translate(wrapped) if isinstance(wrapped, DBAPIError) else Internal("The database failed.", code="store")
