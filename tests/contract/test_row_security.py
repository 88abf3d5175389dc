"""Decision 0009: on Postgres the database itself keeps tenants and environments apart (threats 18 and 20)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Table, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

import clearway
from clearway.adapters.sql import statements
from clearway.adapters.sql.cells import postgres_cells
from clearway.adapters.sql.engine import open_engine
from clearway.adapters.sql.row_security import EVERY_SCOPE, enter, gap, of_key, of_scope, of_session
from clearway.adapters.sql.store import SqlStore
from clearway.adapters.sql.tables import SCHEMA, metadata
from clearway.app import Clearway
from clearway.model.errors import ConfigError, Internal
from clearway.model.identity import Scope
from clearway.model.run import RunStatus
from clearway.model.switch import KillSwitch
from clearway.project.project import Project
from clearway.project.settings import REQUIRE, WARN, Settings
from tests.contract import examples
from tests.databases import ACME, PLAIN_ROLE, MakeStore, PostgresServer

pytestmark = pytest.mark.postgres

TABLES = sorted(metadata.tables)
#: Other tenants, another environment of the same tenant, and what a careless comparison would take for it.
OTHERS = [Scope("umbrella", "prod"), Scope("acme", "staging"), Scope("ACME", "prod")]


def _row(table: Table, scope: Scope) -> dict[str, Any]:
    """Something in every column; unique within the table, since some keys are so across all scopes."""
    told = f"{scope.tenant}.{scope.environment}"
    kinds: dict[type, Any] = {str: told, int: 7, float: 7.0, bool: True}
    row = {column.name: kinds[column.type.python_type] for column in table.c}
    return {**row, "tenant": scope.tenant, "environment": scope.environment}


def _fill(engine: Engine, *scopes: Scope) -> None:
    mapped = engine.execution_options(schema_translate_map={None: SCHEMA})
    with mapped.begin() as connection:
        for table in metadata.tables.values():
            connection.execute(table.insert(), [_row(table, scope) for scope in scopes])


def _whose(connection: Connection, table: str) -> list[tuple[str, str]]:
    rows = connection.execute(text(f"SELECT tenant, environment FROM {SCHEMA}.{table} ORDER BY 1, 2"))
    return [(row[0], row[1]) for row in rows]


#: What the database says to a row of another scope, or, since they look first, the guards of the audit log.
_REFUSALS = re.compile("row-level security|append-only")


def _refused(connection: Connection, statement: str, **values: Any) -> bool:
    """Whether the database refused it, or there was nothing that it could change."""
    try:
        with connection.begin_nested():
            return connection.execute(text(statement), values).rowcount == 0
    except DBAPIError as error:
        return bool(_REFUSALS.search(str(error.orig)))


def _adding(table: str) -> str:
    names = [column.name for column in metadata.tables[table].c]
    columns, given = (", ".join(form.format(name) for name in names) for form in ('"{}"', ":{}"))
    return f"INSERT INTO {SCHEMA}.{table} ({columns}) VALUES ({given})"


@pytest.fixture
def database_kind() -> str:
    """These tests are about Postgres."""
    return "postgresql"


@pytest.fixture
def two_tenants(tampering_engine: Engine) -> None:
    _fill(tampering_engine, ACME, *OTHERS)


@pytest.fixture
def connection(database_engine: Engine) -> Iterator[Connection]:
    """A transaction of the role that Clearway runs as."""
    with database_engine.connect() as opened:
        yield opened


def test_every_table_has_row_level_security_forced_and_a_policy_of_its_scope(connection: Connection) -> None:
    found = connection.execute(
        text(
            "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS forced, "
            "coalesce((SELECT array_agg(p.qual) FROM pg_policies p WHERE p.schemaname = :schema "
            "AND p.tablename = c.relname AND p.policyname = 'of_scope' AND p.cmd = 'ALL'), '{}') AS rules "
            "FROM pg_class c WHERE c.relnamespace = to_regnamespace(:schema) AND c.relkind IN ('r', 'p')"
        ),
        {"schema": SCHEMA},
    )
    tables = {row.relname: row for row in found}
    for name in TABLES:
        assert {"tenant", "environment"} <= set(metadata.tables[name].c.keys()), f"{name} belongs to no scope"
        assert tables[name].forced, f"{name}: a revision has to call migrations.isolation.isolate for it"
        assert all("clearway.tenant" in rule and "clearway.environment" in rule for rule in tables[name].rules)
        assert len(tables[name].rules) == 1


def test_the_role_under_test_is_an_ordinary_one(connection: Connection) -> None:
    rights = connection.execute(text("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")).one()
    assert tuple(rights) == (False, False)
    owner = text("SELECT tableowner FROM pg_tables WHERE schemaname = 'clearway' AND tablename = 'runs'")
    assert connection.execute(owner).scalar_one() == PLAIN_ROLE


@pytest.mark.usefixtures("two_tenants")
@pytest.mark.parametrize("table", TABLES)
def test_t18_who_has_not_said_for_whom_sees_nothing_and_changes_nothing(connection: Connection, table: str) -> None:
    assert _whose(connection, table) == []
    assert _refused(connection, f"UPDATE {SCHEMA}.{table} SET tenant = tenant")
    assert _refused(connection, f"DELETE FROM {SCHEMA}.{table}")
    assert _refused(connection, _adding(table), **_row(metadata.tables[table], Scope("new", "prod")))


@pytest.mark.usefixtures("two_tenants")
@pytest.mark.parametrize("table", TABLES)
def test_t18_with_raw_sql_one_tenant_reaches_no_row_of_another(
    connection: Connection, tampering_engine: Engine, table: str
) -> None:
    qualified = f"{SCHEMA}.{table}"
    enter(connection, of_scope(ACME))
    assert _whose(connection, table) == [("acme", "prod")]
    for other in OTHERS:
        where = "tenant = :tenant AND environment = :environment"
        named = {"tenant": other.tenant, "environment": other.environment}
        assert _refused(connection, f"UPDATE {qualified} SET tenant = 'acme' WHERE {where}", **named)
        assert _refused(connection, f"DELETE FROM {qualified} WHERE {where}", **named)
        assert _refused(connection, f"UPDATE {qualified} SET tenant = :tenant, environment = :environment", **named)
    for scope in (Scope("new", "prod"), Scope("acme", "dev"), Scope("*", "*")):
        if table in ("releases", "release_signatures") and scope.tenant == "*":
            continue  # these hold for all, see below
        assert _refused(connection, _adding(table), **_row(metadata.tables[table], scope))
    connection.commit()
    with tampering_engine.connect() as behind:
        assert set(_whose(behind, table)) == {(one.tenant, one.environment) for one in (ACME, *OTHERS)}


@pytest.mark.usefixtures("two_tenants")
def test_t18_a_statement_that_forgot_its_conditions_sees_its_own_scope_only(store: SqlStore) -> None:
    """What the policies are for: a mistake in our own code."""

    def look(tx: Any) -> set[tuple[str, str]]:
        tx.audit.head()
        rows = tx._session.connection.execute(text(f"SELECT tenant, environment FROM {SCHEMA}.ledger"))
        return {(row[0], row[1]) for row in rows}

    assert store.read(ACME, look) == {("acme", "prod")}
    assert store.write(OTHERS[0], look) == {("umbrella", "prod")}


@pytest.mark.usefixtures("two_tenants")
def test_t20_a_connection_goes_back_to_the_pool_without_what_it_was_allowed(
    make_store: MakeStore, database_url: str
) -> None:
    engine = open_engine(database_url, pool_size=1)
    store = make_store(engine)

    def look(tx: Any) -> None:
        tx.audit.head()
        assert _whose(tx._session.connection, "ledger") == [("acme", "prod")]

    def fail(tx: Any) -> None:
        look(tx)
        raise Internal("on purpose")

    def failing() -> None:
        for use in (store.read, store.write):
            with pytest.raises(Internal, match="on purpose"):
                use(ACME, fail)

    def is_blind() -> bool:
        with engine.connect() as connection:
            return not any(_whose(connection, table) for table in TABLES)

    pids: set[int] = set()
    for use in (
        lambda: store.read(ACME, look),
        lambda: store.write(ACME, lambda tx: tx.limits.add("c", 1)),
        failing,
        lambda: store.find_key("acme.prod"),
        lambda: store.find_session("acme.prod"),
        store.scopes,
    ):
        use()
        assert is_blind()
        with engine.connect() as connection:
            pids.add(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
    assert len(pids) == 1  # it was the same connection each time
    engine.dispose()


@pytest.mark.usefixtures("two_tenants")
@pytest.mark.parametrize(
    ("sight", "shown"),
    [
        (of_key("umbrella.prod"), {"api_keys": [("umbrella", "prod")]}),
        (of_session("acme.staging"), {"sessions": [("acme", "staging")]}),
        (EVERY_SCOPE, {"audit_heads": sorted((one.tenant, one.environment) for one in (ACME, *OTHERS))}),
    ],
)
def test_what_is_looked_for_across_scopes_shows_that_and_nothing_else(
    connection: Connection, sight: Any, shown: dict[str, Any]
) -> None:
    enter(connection, sight)
    found = {table: sorted(rows) for table in TABLES if (rows := _whose(connection, table))}
    assert found == shown
    for table in shown:
        assert _refused(connection, f"UPDATE {SCHEMA}.{table} SET tenant = 'acme'")
        assert _refused(connection, f"DELETE FROM {SCHEMA}.{table}")


def test_the_store_finds_keys_sessions_and_scopes_by_those_ways(store: SqlStore) -> None:
    for number, scope in enumerate((ACME, OTHERS[0])):
        key = examples.api_key(number, tenant=scope.tenant, environment=scope.environment)
        store.write(scope, lambda tx, key=key: (tx.keys.insert(key), tx.audit.append([examples.event()])))
    found = [
        store.find_key(key.key_id)
        for scope in (ACME, OTHERS[0])
        for key in store.read(scope, lambda tx: tx.keys.list())
    ]
    assert [(key.tenant, key.environment) for key in found if key] == [("acme", "prod"), ("umbrella", "prod")]
    assert store.scopes() == [ACME, OTHERS[0]]


def test_what_holds_for_every_tenant_is_seen_by_all_and_deleted_by_nobody(
    store: SqlStore, connection: Connection
) -> None:
    everywhere = KillSwitch("global", "", True, "why", "user:x", 1.0, ())
    store.write(ACME, lambda tx: tx.switches.put(everywhere))
    assert store.read(OTHERS[0], lambda tx: tx.switches.engaged([("global", "")])) == everywhere
    enter(connection, of_scope(OTHERS[0]))
    assert _whose(connection, "kill_switches") == [("*", "*")]
    assert _refused(connection, f"DELETE FROM {SCHEMA}.kill_switches")
    assert _refused(connection, f"UPDATE {SCHEMA}.kill_switches SET tenant = 'umbrella', environment = 'dev'")
    for kind in ("tool", "tenant", "agent"):
        switch = f"('*', '*', '{kind}', 'x', true, '', '', 1, '[]')"
        assert _refused(connection, f"INSERT INTO {SCHEMA}.kill_switches VALUES {switch}")
    assert _refused(connection, f"INSERT INTO {SCHEMA}.buckets VALUES ('*', '*', 'skill:desk', 1, 1)")


def test_a_scan_sees_each_row_of_every_tenant_once(
    store: SqlStore, database_engine: Engine, tampering_engine: Engine
) -> None:
    for number, scope in enumerate((ACME, *OTHERS)):
        store.write(scope, lambda tx, n=number: (tx.runs.insert(examples.run(n)), tx.audit.append([examples.event()])))
    for kind, id in (("global", ""), ("environment", "qa")):
        switch = KillSwitch(kind, id, True, "why", "user:x", 1.0, ())
        store.write(ACME, lambda tx, switch=switch: tx.switches.put(switch))
    ours, whole = (sorted(map(repr, postgres_cells(engine))) for engine in (database_engine, tampering_engine))
    assert ours == whole
    assert sum("environment" in cell and "qa" in cell for cell in ours) >= 1


# --- Whether it holds at all ---


def test_an_exempt_role_and_a_table_that_is_not_forced_are_told(
    database_engine: Engine, tampering_engine: Engine, database_url: str
) -> None:
    assert gap(database_engine) == ""
    assert gap(tampering_engine) == "its role is a superuser"
    role = f"bypass_{make_url(database_url).database}"
    with tampering_engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN BYPASSRLS")
    exempt = create_engine(database_engine.url.set(username=role))
    assert gap(exempt) == "its role is BYPASSRLS"
    exempt.dispose()
    with tampering_engine.begin() as connection:
        connection.exec_driver_sql(f"DROP ROLE {role}")
        connection.exec_driver_sql(f"ALTER TABLE {SCHEMA}.vault NO FORCE ROW LEVEL SECURITY")
        connection.exec_driver_sql(f"ALTER TABLE {SCHEMA}.runs DISABLE ROW LEVEL SECURITY")
    assert gap(database_engine) == "it is not forced on runs, vault"
    with tampering_engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {SCHEMA}.vault FORCE ROW LEVEL SECURITY")
        connection.exec_driver_sql(f"ALTER TABLE {SCHEMA}.runs ENABLE ROW LEVEL SECURITY")


def test_an_exempt_role_is_refused_where_tenants_share_more_than_dev(
    empty_database_url: str, postgres_server: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def project(*environments: str, tenants: tuple[str, ...] = ("acme", "globex"), accept: str = REQUIRE) -> Project:
        url = postgres_server.as_superuser(empty_database_url)
        settings = Settings("t", url, environments, tenants, tmp_path / "keyring.json", row_security=accept)
        return Project(tmp_path, settings, {}, {})

    for environments in (("dev", "prod"), ("prod",)):
        with pytest.raises(ConfigError, match="its role is a superuser") as refused:
            Clearway(project(*environments))
        assert 'row_security = "warn"' in refused.value.remedy
    assert not (tmp_path / "keyring.json").exists()  # nor has it made a table or a key
    for accepted in (project("dev"), project("prod", tenants=("acme",)), project("dev", "prod", accept=WARN)):
        caplog.clear()
        with Clearway(accepted):
            assert "row-level security does not hold (its role is a superuser)" in caplog.text


def test_one_module_alone_says_what_a_transaction_may_see() -> None:
    source = Path(str(clearway.__file__)).parent
    sets = re.compile(r"set_config|SET (LOCAL )?row_security")
    says = [path.name for path in source.rglob("*.py") if sets.search(path.read_text())]
    assert says == ["row_security.py"]


# --- What it costs ---


def test_the_policies_leave_the_plans_as_they_are(
    store: SqlStore, tampering_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists come from their index, and whether the policy agrees with the statement is looked at once, not by row."""
    columns = [column.name for column in metadata.tables["runs"].c]
    given = {"run_id": "'r' || n", "idempotency_key": "'k' || n", "created_at": "n", "tenant": "'t' || n % 3"}
    given |= {"environment": "'prod'", "status": "CASE WHEN n % 997 = 0 THEN 'failed' ELSE 'done' END"}
    given |= {"skill": "CASE WHEN n % 4999 = 0 THEN 'rare' ELSE 'desk' END", "correlation_id": "'c' || n / 3"}
    given |= {"wake": "false", "cancel_requested": "false", "started_at": "NULL", "finished_at": "NULL"}
    given |= {"fence": "1", "deadline_s": "1", "spent_s": "1", "held_for": "NULL"}
    values = ", ".join(given.get(name, "'{}'") for name in columns)
    with tampering_engine.begin() as connection:
        quoted = ", ".join(f'"{name}"' for name in columns)
        connection.execute(
            text(f"INSERT INTO {SCHEMA}.runs ({quoted}) SELECT {values} FROM generate_series(1, 30000) AS n")
        )
    with tampering_engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"ANALYZE {SCHEMA}.runs")
    plans: list[str] = []

    def explain(connection: Any, statement: Any, values: Any, *, sight: Any = None) -> list[Any]:
        prepared = statements._prepare(statement, connection.dialect, tuple(values))
        enter(connection, sight)
        cursor = connection.connection.cursor()
        cursor.execute(f"EXPLAIN {prepared.sql}", prepared.arguments(values))
        plans.append("\n".join(row[0] for row in cursor.fetchall()))
        return []

    monkeypatch.setattr("clearway.adapters.sql.session.query", explain)
    asked: list[tuple[dict[str, Any], str]] = [
        ({}, "runs_newest"),
        ({"before": (9000.0, "r9000")}, "runs_newest"),
        ({"skill": "rare"}, "runs_by_skill"),
        ({"status": RunStatus.FAILED}, "runs_by_status"),
        ({"correlation_id": "c77"}, "runs_by_correlation"),
    ]
    for filters, index in asked:
        store.read(Scope("t1", "prod"), lambda tx, filters=filters: tx.runs.list(**filters))
        assert f" {index} " in plans[-1], plans[-1]
        assert "One-Time Filter" in plans[-1], plans[-1]
        assert "Seq Scan" not in plans[-1], plans[-1]
    assert not any("Sort" in plan for plan in plans[:2])  # of a rare value's few rows a sort is cheaper


def test_what_the_page_on_postgres_says_about_looking_by_hand_is_so(store: SqlStore, database_engine: Engine) -> None:
    store.write(ACME, lambda tx: tx.runs.insert(examples.run()))
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "postgres.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sql\nBEGIN;\n(.*?)ROLLBACK;", page, re.DOTALL)
    said, look = block.strip().split(";\n")
    with database_engine.connect() as connection:
        assert connection.exec_driver_sql(look).all() == []
        connection.exec_driver_sql(said)
        assert [row[0] for row in connection.exec_driver_sql(look)] == ["run1"]
