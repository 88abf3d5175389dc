"""Opening the database: permissions, transactions, and errors without values."""

import logging
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from clearway.adapters.sql import engine as opened
from clearway.adapters.sql.engine import READ_ONLY, open_engine, open_engine_for_dbos, translate
from clearway.adapters.sql.errors import note_place
from clearway.model.errors import ClearwayError, ConfigError, Internal, Unavailable

CANARY = "canary-4111111111111111"


@contextmanager
def translated() -> Iterator[list[ClearwayError]]:
    found: list[ClearwayError] = []
    with pytest.raises(SQLAlchemyError) as raised:
        yield found
    found.append(translate(raised.value))
    assert CANARY not in str(raised.value)
    assert CANARY not in str(found[0])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def store(url: str) -> Iterator[sqlalchemy.Engine]:
    engine = open_engine(url)
    yield engine
    engine.dispose()


def make_table(engine: sqlalchemy.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE kept (id integer PRIMARY KEY, value text)"))


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_t42_files_and_folders_are_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    database = tmp_path / "new" / "deeper" / "clearway.db"
    before = os.umask(umask)
    try:
        engine = open_engine(f"sqlite:///{database}")
        with engine.connect() as connection:
            connection.execute(text("CREATE TABLE kept (id integer)"))
            connection.commit()
            found = {path.name: mode(path) for path in database.parent.iterdir()}
        engine.dispose()
    finally:
        os.umask(before)
    assert found == {"clearway.db": 0o600, "clearway.db-wal": 0o600, "clearway.db-shm": 0o600}
    assert mode(tmp_path / "new") == mode(tmp_path / "new" / "deeper") == 0o700


def test_t42_a_file_that_others_may_read_is_narrowed_and_a_folder_that_was_there_is_left(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    database = tmp_path / "clearway.db"
    database.touch(0o644)
    open_engine(f"sqlite:///{database}").dispose()
    assert mode(database) == 0o600
    assert mode(tmp_path) == 0o755


@pytest.mark.parametrize("open_it", [open_engine, open_engine_for_dbos])
def test_each_sqlite_connection_is_durable_and_guarded(
    sqlite_url: str, open_it: Callable[[str], sqlalchemy.Engine]
) -> None:
    engine = open_it(sqlite_url)
    pragmas = ["journal_mode", "synchronous", "foreign_keys", "recursive_triggers", "busy_timeout"]
    with engine.connect() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
    engine.dispose()
    assert found == ["wal", 2, 1, 1, 30000]


def test_what_a_transaction_read_does_not_change_before_it_commits(sqlite_url: str) -> None:
    one, other = open_engine(sqlite_url), open_engine(sqlite_url, busy_timeout_s=0.1)
    make_table(one)
    with one.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM kept")) == 0
        with translated() as found, other.begin() as second:
            second.execute(text("SELECT 1"))
    assert isinstance(found[0], Unavailable)
    assert found[0].code == "store_locked"
    one.dispose()
    other.dispose()


def test_a_wait_for_the_write_lock_is_told_and_goes_on(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(opened, "TOLD_AFTER_S", 0.05)
    engine, other = open_engine(sqlite_url), open_engine(sqlite_url)
    make_table(engine)

    class LetsGo(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            holding.close()

    handler = LetsGo()
    logging.getLogger("clearway.store").addHandler(handler)
    holding = other.connect()
    holding.execute(text("SELECT 1"))  # its transaction has the write lock
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO kept (value) VALUES ('x')"))
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30000
    logging.getLogger("clearway.store").removeHandler(handler)
    assert [record.message for record in caplog.records] == [
        "store: another process has the SQLite file locked; waiting for up to 30 s"
    ]
    engine.dispose()
    other.dispose()


def test_reading_waits_for_no_writer(store: sqlalchemy.Engine) -> None:
    make_table(store)
    with store.begin() as writer:
        writer.execute(text("INSERT INTO kept VALUES (1, 'x')"))
        with store.connect().execution_options(**READ_ONLY) as reader:
            assert reader.scalar(text("SELECT count(*) FROM kept")) == 0
    with store.execution_options(**READ_ONLY).connect() as reader:
        assert reader.scalar(text("SELECT count(*) FROM kept")) == 1


def test_a_failed_transaction_leaves_nothing_and_its_error_shows_no_value(store: sqlalchemy.Engine) -> None:
    make_table(store)
    with translated() as found, store.begin() as connection:
        connection.execute(text("INSERT INTO kept VALUES (1, :value)"), {"value": CANARY})
        connection.execute(text("INSERT INTO kept VALUES (1, :value)"), {"value": CANARY})
    assert type(found[0]) is Internal
    with store.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM kept")) == 0


def test_a_full_disk_is_unavailable(sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)
    make_table(engine)
    with translated() as found, engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 4")
        connection.execute(text("INSERT INTO kept VALUES (1, :value)"), {"value": CANARY * 10_000})
    engine.dispose()
    assert (type(found[0]), found[0].code, found[0].retryable) == (Unavailable, "store_full", True)


def test_a_store_that_may_not_be_written_is_unavailable(store: sqlalchemy.Engine) -> None:
    make_table(store)
    sqlite = store.dialect.name == "sqlite"
    with translated() as found, store.connect().execution_options(**READ_ONLY) as connection:
        if sqlite:
            connection.exec_driver_sql("PRAGMA query_only = ON")
        connection.execute(text("INSERT INTO kept VALUES (1, :value)"), {"value": CANARY})
    assert (type(found[0]), found[0].code) == (Unavailable, "store_read_only")


@pytest.mark.postgres
def test_a_connection_that_the_server_ended_is_unavailable_and_the_next_one_works(pg_url: str) -> None:
    engine = open_engine(pg_url, pool_size=1)
    with translated() as found, engine.connect() as connection:
        other = open_engine(pg_url)
        with other.begin() as second:
            second.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
                    "pg_backend_pid() AND datname = current_database()"
                )
            )
        other.dispose()
        connection.execute(text("SELECT 1"))
    assert (type(found[0]), found[0].code) == (Unavailable, "store_lost")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    engine.dispose()


@pytest.mark.postgres
def test_a_server_that_is_not_there_is_unavailable_and_no_password_shows(pg_url: str) -> None:
    url = sqlalchemy.make_url(pg_url).set(host="localhost", port=1, password=CANARY, query={})
    engine = open_engine(url.render_as_string(hide_password=False))
    with translated() as found, engine.connect():
        pass
    assert (type(found[0]), found[0].code) == (Unavailable, "store_lost")
    assert CANARY not in repr(engine)


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("parts", "code", "what"),
    [
        ({"host": "localhost", "port": 1, "query": {}}, "store_lost", "No database answers (localhost:1/"),
        ({"query": {"host": "/nowhere"}}, "store_lost", "No database answers (5432/"),
        ({"host": "nowhere.invalid", "query": {}}, "store_lost", "host is not known (nowhere.invalid:5432/"),
        ({"database": "nothing"}, "store_refused", "There is no such database (5432/nothing)."),
        ({"username": "stranger"}, "store_refused", "no such user ("),
    ],
)
def test_what_is_wrong_with_a_connection_is_said(pg_url: str, parts: dict[str, Any], code: str, what: str) -> None:
    url = sqlalchemy.make_url(pg_url).set(password=CANARY).set(**parts)
    engine = open_engine(url.render_as_string(hide_password=False))
    with translated() as found, engine.connect():
        pass
    engine.dispose()
    assert (type(found[0]), found[0].code) == (Unavailable, code)
    assert what in found[0].message
    assert "lost" not in str(found[0])


@pytest.mark.parametrize(
    ("text", "code", "what"),
    [
        ('FATAL:  password authentication failed for user "u"', "store_refused", "refused user or password"),
        ("fe_sendauth: no password supplied", "store_refused", "refused user or password"),
        ('FATAL:  no pg_hba.conf entry for host "1.2.3.4"', "store_refused", "lets this user or machine not in"),
        ("connection timeout expired", "store_lost", "did not answer in time"),
        ("FATAL:  sorry, too many clients already", "store_lost", "no free connection"),
        ("FATAL:  the database system is starting up", "store_lost", "is starting or ending"),
        ("une chose", "store_lost", "cannot be reached"),
    ],
)
def test_a_refused_connection_is_told_by_the_drivers_text_which_is_not_shown(text: str, code: str, what: str) -> None:
    orig = Exception(f"{text} {CANARY}")
    note_place(orig, "db", 5432, "clearway")
    found = translate(OperationalError(None, None, orig))
    assert (type(found), found.code) == (Unavailable, code)
    assert what in found.message
    assert found.message.endswith("(db:5432/clearway).")
    assert CANARY not in str(found)


@pytest.mark.parametrize("parts", [(f"{CANARY}@db", 5432, "x"), ("db", 5432, f"{CANARY}@db/x"), (CANARY, 1, "w@db/x")])
def test_a_place_that_may_hold_a_piece_of_the_password_is_not_shown(parts: tuple[str, int, str]) -> None:
    orig = Exception("Connection refused")
    note_place(orig, *parts)
    shown = translate(OperationalError(None, None, orig)).message
    assert shown == "No database answers: the connection was refused."


@pytest.mark.parametrize("port", ["port", "99999", "0", "", f"{CANARY}@host"])
def test_a_port_that_is_no_number_is_said_so(port: str) -> None:
    with pytest.raises(ConfigError, match="The port in the database URL is not a number") as raised:
        open_engine(f"postgresql://user:{CANARY}@host:{port}/name")
    assert CANARY not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://user:{CANARY}@host/name",
        f"{CANARY}",
        f"postgresql://user:{CANARY}@host",
        "sqlite://",
        "sqlite:///:memory:",
        f"sqlite:///some.db?password={CANARY}",
        f"postgresql://user:{CANARY}@host:port/name",
        "",
    ],
)
def test_a_url_that_names_no_store_of_ours_is_one_clear_line_without_the_password(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        open_engine(url)
    shown = str(raised.value)
    assert CANARY not in shown
    assert "\n" not in shown
    assert raised.value.remedy.startswith("Write ")
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database " * 1000)
    with pytest.raises(ConfigError, match=r"notes\.txt: is not a SQLite database"):
        open_engine(f"sqlite:///{path}")
    assert path.read_text().startswith("not a database")


@pytest.mark.parametrize("path", ["folder", "file/below.db"])
def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be opened or made"):
        open_engine(f"sqlite:///{tmp_path / path}")


@pytest.mark.slow
def test_many_processes_may_open_a_new_file_at_once(sqlite_url: str) -> None:
    program = (
        "import sys; from clearway.adapters.sql.engine import open_engine; from sqlalchemy import text\n"
        "sys.stdin.readline(); engine = open_engine(sys.argv[1])\n"
        "with engine.begin() as c: c.execute(text('CREATE TABLE IF NOT EXISTS kept (id integer)'))\n"
    )
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", program, sqlite_url],
            stdin=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for _ in range(6)
    ]
    for opener in openers:
        opener.communicate(b"go\n")
    assert [opener.returncode for opener in openers] == [0] * 6


def test_unixepoch_is_there_for_python_that_bundles_an_old_sqlite(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opened.sqlite3, "sqlite_version_info", (3, 41, 0))
    engine = open_engine_for_dbos(sqlite_url)
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE kept (id integer, at integer DEFAULT (unixepoch('subsec') * 1000))"))
        connection.execute(text("INSERT INTO kept (id) VALUES (1)"))
        at, now = connection.execute(text("SELECT at, strftime('%s', 'now') * 1000 FROM kept")).one()
    engine.dispose()
    assert isinstance(at, int)
    assert abs(at - now) < 5000
