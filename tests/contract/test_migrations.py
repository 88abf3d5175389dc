"""`migrate`: what it makes is what the code expects, once, whoever comes first, and never backwards."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

from clearway.adapters.sql.engine import open_engine
from clearway.adapters.sql.migrations import REVISIONS, VERSION_TABLE, migrate
from clearway.adapters.sql.roles import grants_to
from clearway.adapters.sql.store import SqlStore
from clearway.adapters.sql.tables import SCHEMA, metadata
from clearway.model.errors import ClearwayError, Invalid
from tests.contract import examples
from tests.contract.examples import first_bad, record
from tests.databases import ACME

#: Tables that a later revision added columns to: SQLite writes those behind the constraints in the table's text.
ALTERED = ("ledger", "runs")


def shape(engine: Engine) -> dict[str, Any]:
    """What the database says of our tables: columns, keys, indexes, and on SQLite the very text."""
    schema = SCHEMA if engine.dialect.name == "postgresql" else None
    inspector = inspect(engine)
    found: dict[str, Any] = {}
    for table in set(inspector.get_table_names(schema=schema)) - {VERSION_TABLE}:
        found[table] = {
            "columns": [
                (column["name"], str(column["type"]), column["nullable"], column["default"])
                for column in inspector.get_columns(table, schema=schema)
            ],
            "primary key": inspector.get_pk_constraint(table, schema=schema),
            "unique": sorted(map(str, inspector.get_unique_constraints(table, schema=schema))),
            "indexes": sorted(
                json.dumps(index, default=str, sort_keys=True) for index in inspector.get_indexes(table, schema=schema)
            ),
        }
    if schema is None:
        with engine.connect() as connection:
            made = connection.execute(text("SELECT name, tbl_name, sql FROM sqlite_master WHERE type <> 'trigger'"))
            found["text"] = {
                row.name: row.sql for row in made if row.tbl_name != VERSION_TABLE and row.name not in ALTERED
            }
    return found


def test_the_migrated_schema_is_the_one_of_the_metadata(empty_database_url: str, database_engine: Engine) -> None:
    if database_engine.dialect.name == "sqlite":  # both fixtures name the same file there
        fresh = create_engine("sqlite://")
        metadata.create_all(fresh)
    else:
        fresh = open_engine(empty_database_url)
        with fresh.begin() as connection:
            connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        metadata.create_all(fresh.execution_options(schema_translate_map={None: SCHEMA}))
    assert set(metadata.tables) < set(shape(fresh)) | {"text"}
    assert shape(database_engine) == shape(fresh)
    fresh.dispose()


def test_the_second_time_there_is_nothing_to_do(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    assert migrate(engine)
    assert not migrate(engine)
    engine.dispose()


def test_of_concurrent_starts_one_migrates_and_all_succeed(empty_database_url: str) -> None:
    engines = [open_engine(empty_database_url) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(migrate, engines)) == [False] * 5 + [True]
    for engine in engines:
        engine.dispose()


def test_a_migration_that_fails_leaves_the_database_as_it_was(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    schema = ""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            schema = f"{SCHEMA}."
            connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        connection.execute(text(f"CREATE TABLE {schema}kill_switches (id TEXT)"))  # in the way
    with pytest.raises(ClearwayError):
        migrate(engine)
    tables = inspect(engine).get_table_names(schema=SCHEMA if schema else None)
    assert tables == ["kill_switches"]
    engine.dispose()


def test_a_database_of_newer_code_is_refused(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    migrate(engine)
    table = VERSION_TABLE if engine.dialect.name == "sqlite" else f"{SCHEMA}.{VERSION_TABLE}"
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {table} SET version_num = '9999'"))
    with pytest.raises(Invalid) as caught:
        migrate(engine)
    assert caught.value.code == "schema_newer"
    assert REVISIONS[-1] in caught.value.message
    engine.dispose()


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_a_start_on_a_current_database_imports_no_alembic(database_url: str) -> None:
    program = (
        "import sys\n"
        "from clearway.adapters.sql.engine import open_engine\n"
        "from clearway.adapters.sql.migrations import migrate\n"
        f"assert not migrate(open_engine({database_url!r}))\n"
        "assert 'alembic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_the_restricted_role_can_run_clearway_and_not_touch_the_log(
    database_engine: Engine, tampering_engine: Engine
) -> None:
    role = database_engine.url.database + '_app"role'
    quoted = '"' + role.replace('"', '""') + '"'
    with tampering_engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {quoted} LOGIN"))
        for statement in grants_to(role):
            connection.execute(text(statement))
    url = database_engine.url.set(username=role).render_as_string(hide_password=False)
    engine = open_engine(url)
    assert not migrate(engine)
    store = SqlStore(engine, wake=lambda connection, ref, *, wake_id, delay_s: None)
    store.write(ACME, lambda tx: (tx.runs.insert(examples.run()), tx.runs.update("run1", spent_s=1.0)))
    store.write(
        ACME,
        lambda tx: (
            tx.approvals.add_vote(examples.vote()),
            tx.switches.put(examples.switch()),
            tx.switches.get("tool", "billing.refund"),
            tx.limits.add("c", 1),
        ),
    )
    record(store, ACME, 2)
    assert first_bad(store, ACME) is None
    for statement in (
        "UPDATE events SET kind = 'x'",
        "DELETE FROM events",
        "TRUNCATE events",
        "DROP TABLE events",
        "DELETE FROM audit_heads",
        "DROP TRIGGER events_no_change ON events",
        "DELETE FROM event_payloads",
        "ALTER TABLE events DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "UPDATE approval_votes SET verdict = 'x'",
        "DELETE FROM audit_checkpoints",
    ):
        with engine.connect() as connection:
            connection.execute(text(f"SET LOCAL search_path TO {SCHEMA}"))
            refused = text(statement)
            with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
                connection.execute(refused)
    store.close()
    engine.dispose()
    with tampering_engine.begin() as connection:
        connection.execute(text(f"DROP OWNED BY {quoted}"))
        connection.execute(text(f"DROP ROLE {quoted}"))
