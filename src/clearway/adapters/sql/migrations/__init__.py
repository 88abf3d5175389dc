"""Brings a database to the schema that this code needs: `migrate(engine)`, safe to call at every start.

Revisions lie in `versions/`, one file each, never edited once released. A new one is added to `REVISIONS` below. One
that makes a table calls `isolation.isolate` for it; one that changes rows has to lift FORCE first (`isolation`).
"""

from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from clearway.adapters.sql.engine import READ_ONLY
from clearway.adapters.sql.errors import translate
from clearway.adapters.sql.tables import SCHEMA
from clearway.model.errors import Invalid

__all__ = ["REVISIONS", "VERSION_TABLE", "is_current", "is_new", "migrate"]

#: Every revision there ever was, the newest last. Here, so that the check at a start imports no Alembic.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011")

VERSION_TABLE = "clearway_version"

#: `pg_advisory_xact_lock`: one migration at a time. The bytes of "clearway".
_LOCK = int.from_bytes(b"clearway")


def migrate(engine: Engine) -> bool:
    """Migrates to the newest revision; returns whether there was anything to do.

    In one transaction, so that it happens whole or not at all; of concurrent callers one does it and the others wait.
    Errors: `Invalid` (`schema_newer`) where newer code has migrated already, `Unavailable`, `Internal`.
    """
    if is_current(engine):
        return False
    try:
        with engine.begin() as connection:
            _lock(connection)
            if _is_current(_version(connection)):
                return False
            _upgrade(connection)
            return True
    except SQLAlchemyError as error:
        raise translate(error) from None


def is_current(engine: Engine) -> bool:
    """Whether there is nothing to migrate. Cheap: one or two look-ups. Errors: as `migrate`."""
    try:
        with engine.execution_options(**READ_ONLY).connect() as connection:
            return _is_current(_version(connection))
    except SQLAlchemyError as error:
        raise translate(error) from None


def is_new(engine: Engine) -> bool:
    """Whether nobody has migrated the database yet, so that it holds nothing of ours. Errors: `Unavailable`, …"""
    try:
        with engine.execution_options(**READ_ONLY).connect() as connection:
            return _version(connection) is None
    except SQLAlchemyError as error:
        raise translate(error) from None


def _is_current(version: str | None) -> bool:
    if version is not None and version not in REVISIONS:
        raise Invalid(
            f"The database has the schema of a newer Clearway; this one knows it up to {REVISIONS[-1]}.",
            code="schema_newer",
            remedy="Upgrade Clearway, or restore the backup made before the upgrade.",
        )
    return version == REVISIONS[-1]


def _version(connection: Connection) -> str | None:
    on_sqlite = connection.dialect.name == "sqlite"
    table = VERSION_TABLE if on_sqlite else f"{SCHEMA}.{VERSION_TABLE}"
    exists = text("SELECT 1 FROM sqlite_master WHERE name = :name" if on_sqlite else "SELECT to_regclass(:name)")
    if connection.execute(exists, {"name": table}).scalar() is None:
        return None
    found: Any = connection.execute(text(f"SELECT version_num FROM {table}")).scalar()  # noqa: S608
    return found


def _lock(connection: Connection) -> None:
    # SQLite: the transaction is a BEGIN IMMEDIATE.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        connection.execute(text(f"SET LOCAL search_path TO {SCHEMA}"))


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "clearway.adapters.sql:migrations")
    config.set_main_option("path_separator", "os")
    command.upgrade(config, "head")
