"""Revision 0010: signatures that stand in a database of before are found again, whole, and count as they did."""

import json
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, text

from clearway.adapters.keyring import Keyring
from clearway.adapters.sealer import KeyringSealer
from clearway.adapters.sql import migrations
from clearway.adapters.sql.engine import open_engine
from clearway.adapters.sql.store import SqlStore
from clearway.model.identity import Scope
from clearway.operate.releases.signing import Signing
from clearway.rules.releases import dsse

ACME = Scope("acme", "prod")
RELEASE, BEFORE = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.fixture
def sealer(tmp_path: Path) -> KeyringSealer:
    return KeyringSealer(Keyring.open_or_create(tmp_path / "keys" / "keyring.json"))


def to_0009(connection: Connection) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "clearway.adapters.sql:migrations")
    config.set_main_option("path_separator", "os")
    command.upgrade(config, "0009")


def signed(sealer: KeyringSealer, duty: str, against: str, by: str) -> str:
    statement = {"release": RELEASE, "duty": duty, "against": against, "by": by, "reason": "seen", "at": 1}
    return json.dumps(dsse.envelope(statement, sealer.sign))


def fill(engine: Engine, rows: list[tuple[str, str, str]]) -> None:
    """(duty as it was packed, subject, envelope)"""
    with engine.begin() as connection:
        migrations._lock(connection)
        to_0009(connection)
        if engine.dialect.name == "postgresql":  # some scope has to be entered, as every transaction does
            connection.execute(text("SELECT set_config('clearway.tenant', 'acme', true)"))
        for duty, subject, envelope in rows:
            connection.execute(
                text("INSERT INTO release_signatures VALUES ('*', '*', :digest, :duty, :subject, 5.0, :envelope)"),
                {"digest": RELEASE, "duty": duty, "subject": subject, "envelope": envelope},
            )


def test_a_packed_signature_is_split_and_still_genuine(empty_database_url: str, sealer: KeyringSealer) -> None:
    engine = open_engine(empty_database_url)
    rows = [
        (f"policy@{'b' * 16}", "user:bo", signed(sealer, "policy", BEFORE, "user:bo")),
        (f"skill:refund@{'b' * 16}", "user:bo", signed(sealer, "skill:refund", BEFORE, "user:bo")),
        ("policy@nothing", "user:bo", signed(sealer, "policy", "nothing", "user:bo")),
        ("policy@nothing", "user:eve", "{}"),
        (f"policy@{'c' * 16}", "user:eve", signed(sealer, "policy", BEFORE, "user:bo")),
    ]
    fill(engine, rows)
    assert migrations.migrate(engine)
    store = SqlStore(engine, wake=lambda connection, ref, *, wake_id, delay_s: None)
    found = store.read(ACME, lambda tx: tx.releases.signatures(RELEASE))
    assert {(s.duty, s.against, s.subject, s.at) for s in found} == {
        ("policy", BEFORE, "user:bo", 5.0),
        ("skill:refund", BEFORE, "user:bo", 5.0),
        ("policy", "nothing", "user:bo", 5.0),
        ("policy", "nothing", "user:eve", 5.0),
        ("policy", "c" * 16, "user:eve", 5.0),
    }
    genuine = Signing(sealer).genuine(found, RELEASE)
    assert {(s.duty, s.against, s.subject) for s in genuine} == {
        ("policy", BEFORE, "user:bo"),
        ("skill:refund", BEFORE, "user:bo"),
        ("policy", "nothing", "user:bo"),
    }, "what was put into the table counts for nothing, before and after"
    engine.dispose()
