"""What a transaction on Postgres may see: row-level security, forced on every table of ours (decision 0009).

The policies (revision 0009) compare each row with settings that end with the transaction. This module is the only place
that sets them. A transaction that said nothing sees nothing. SQLite has nothing of the kind: there, the conditions that
`session.here` puts into every statement stand alone.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from clearway.adapters.sql.errors import translate
from clearway.adapters.sql.tables import SCHEMA, metadata
from clearway.model.identity import Scope

__all__ = ["EVERY_SCOPE", "Sight", "enter", "entering", "gap", "is_exempt", "of_key", "of_scope", "of_session"]

#: Setting → value, for one transaction.
Sight = Mapping[str, str]

#: Whose audit chains there are, and nothing else of anybody's: for checkpoints and upkeep.
EVERY_SCOPE: Final[Sight] = {"clearway.every_scope": "on"}


def of_scope(scope: Scope) -> Sight:
    """The rows of one tenant and environment, and those that hold for all: kill switches, system limits, releases."""
    return {"clearway.tenant": scope.tenant, "clearway.environment": scope.environment}


def of_key(key_id: str) -> Sight:
    """The one API key with this id, in whatever scope."""
    return {"clearway.key_id": key_id}


def of_session(session_hash: str) -> Sight:
    """The one browser session with this hash, in whatever scope."""
    return {"clearway.session_hash": session_hash}


@contextmanager
def entering(connection: Connection, sight: Sight | None) -> Generator[None, None, None]:
    """Gives the transaction `sight`, in the round trip of the statement that the block sends.

    The block must not read what its statement gave: that is there behind it. Errors: the driver's.
    """
    if not sight or connection.dialect.name != "postgresql":
        yield
        return
    driver: Any = connection.connection.driver_connection
    setting, values = _setting(sight), tuple(sight.values())
    # In a pipeline this and the block's statement leave together; a client library before 14 sends one by one.
    with driver.pipeline() if _can_pipeline() else nullcontext():
        driver.execute(setting, values)
        yield


def enter(connection: Connection, sight: Sight) -> None:
    """Gives the transaction `sight` in a round trip of its own. Errors: `SQLAlchemyError`."""
    connection.exec_driver_sql(_setting(sight), tuple(sight.values()))


def _setting(sight: Sight) -> str:
    # INVARIANT: `true`: for this transaction only, so that nothing stays on a connection that goes back to the pool.
    return "SELECT " + ", ".join(f"set_config('{name}', %s, true)" for name in sight)


def _can_pipeline() -> bool:
    from psycopg import Pipeline

    return Pipeline.is_supported()


_ROLE = text("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
#: Of tables that no revision from 0009 on has met, nothing is said: they are about to be migrated.
_UNFORCED = text(
    "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(:schema) AND relname = ANY(:names) "
    "AND NOT (relrowsecurity AND relforcerowsecurity) AND EXISTS ("
    "SELECT 1 FROM pg_policies WHERE schemaname = :schema) ORDER BY relname"
)


def is_exempt(connection: Connection) -> str:
    """Why row-level security does not hold for the role of `connection`: `a superuser`, `BYPASSRLS`; or empty.

    Errors: `SQLAlchemyError`."""
    superuser, bypasses = connection.execute(_ROLE).one()
    return "a superuser" if superuser else "BYPASSRLS" if bypasses else ""


def gap(engine: Engine) -> str:
    """Why row-level security does not hold for whoever `engine` connects as; empty where it does.

    Empty on SQLite, which has none, so that there is nothing to set up. Errors: as `translate`.
    """
    if engine.dialect.name != "postgresql":
        return ""
    try:
        with engine.connect() as connection:
            exempt = is_exempt(connection)
            named = {"schema": SCHEMA, "names": list(metadata.tables)}
            unforced = [str(row[0]) for row in connection.execute(_UNFORCED, named)]
    except SQLAlchemyError as error:
        raise translate(error) from None
    if exempt:
        return f"its role is {exempt}"
    return f"it is not forced on {', '.join(unforced)}" if unforced else ""
