"""A store knows the keyring that it is sealed with, and is opened with no other one, on every kind of database."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, text

from clearway.adapters.keyring import Keyring
from clearway.adapters.sealer import KeyringSealer
from clearway.adapters.sql import migrations, store_keys
from clearway.adapters.sql.engine import open_engine
from clearway.adapters.sql.store import SqlStore
from clearway.adapters.sql.store_keys import recognise
from clearway.adapters.sql.tables import SCHEMA
from clearway.rules.key_checks import KeyringMismatch
from tests.databases import ACME, MakeStore, PostgresServer


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring.open_or_create(tmp_path / "keys" / "keyring.json")


@pytest.fixture
def foreign(tmp_path: Path) -> Keyring:
    return Keyring.open_or_create(tmp_path / "other" / "keyring.json")


def noted(engine: Engine) -> list[dict[str, Any]]:
    """The rows, seen past row-level security."""
    table = "store_keys" if engine.dialect.name == "sqlite" else f"{SCHEMA}.store_keys"
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(text(f"SELECT * FROM {table} ORDER BY place")).mappings()]


def edited(keyring: Keyring, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Keyring:
    """The keyring of a file that somebody changed."""
    held = json.loads(keyring.path.read_text())
    keyring.path.write_text(json.dumps({**held, "keys": change(held["keys"])}))
    return Keyring.open(keyring.path)


def copied(keyring: Keyring, to: Path) -> Keyring:
    shutil.copy(keyring.path, to)
    return Keyring.open(to)


def test_the_first_keyring_is_noted_once_and_another_one_is_refused(
    store: SqlStore, tampering_engine: Engine, keyring: Keyring, foreign: Keyring
) -> None:
    store.recognise(keyring.checks())
    before = noted(tampering_engine)
    assert [row["key_id"] for row in before] == [key.key_id for key in keyring.checks()]
    assert {(row["tenant"], row["environment"]) for row in before} == {("*", "*")}
    store.recognise(keyring.checks())
    with pytest.raises(KeyringMismatch, match="another store's") as refused:
        store.recognise(foreign.checks())
    assert refused.value.code == "keyring_mismatch"
    assert noted(tampering_engine) == before


def test_what_is_noted_is_of_no_use_to_whoever_reads_it(
    store: SqlStore, tampering_engine: Engine, keyring: Keyring
) -> None:
    store.recognise(keyring.checks())
    said = repr(noted(tampering_engine))
    for key in keyring._keys:
        forms = (key.secret.hex(), key.secret.hex()[:16], repr(key.secret), keyring.token_key("acme").hex()[:16])
        assert not any(form in said for form in forms)
    values = [row["check_value"] for row in noted(tampering_engine)]
    assert len({len(value) for value in values}) == 1
    assert len(set(values)) == len(values) == 3


def test_no_tenants_transaction_sees_the_rows(store: SqlStore, database_engine: Engine, keyring: Keyring) -> None:
    store.recognise(keyring.checks())

    def look(tx: Any) -> int:
        tx.audit.head()
        return len(tx._session.connection.exec_driver_sql(f"SELECT 1 FROM {SCHEMA}.store_keys").all())

    if database_engine.dialect.name == "postgresql":
        assert (store.read(ACME, look), store.write(ACME, look)) == (0, 0)


@pytest.mark.parametrize("purpose", ["seal", "token"])
def test_after_a_rotation_an_older_copy_is_refused_and_every_newer_one_opens(
    store: SqlStore, keyring: Keyring, tmp_path: Path, purpose: Any
) -> None:
    store.recognise(keyring.checks())
    old = copied(keyring, tmp_path / "old.json")
    sealer = KeyringSealer(keyring)
    key_id = sealer.rotate(purpose, store.recognise)
    store.recognise(old.checks())  # it broke off here: the key that was made is not known yet
    store.recognise(sealer.checks())
    for _ in range(2):
        with pytest.raises(KeyringMismatch, match=f"older copy.* lacks {key_id}"):
            store.recognise(old.checks())
    store.recognise(Keyring.open(keyring.path).checks())


def test_a_key_that_was_made_before_a_rotation_broke_off_is_noted_at_the_next_opening(
    store: SqlStore, tampering_engine: Engine, keyring: Keyring, tmp_path: Path
) -> None:
    store.recognise(keyring.checks())
    old = copied(keyring, tmp_path / "old.json")
    key_id = keyring.rotate("seal")
    store.recognise(Keyring.open(keyring.path).checks())
    assert noted(tampering_engine)[-1]["key_id"] == key_id
    with pytest.raises(KeyringMismatch, match="older copy"):
        store.recognise(old.checks())


def test_nothing_is_rotated_in_a_keyring_that_is_not_the_stores(
    store: SqlStore, keyring: Keyring, foreign: Keyring, tmp_path: Path
) -> None:
    store.recognise(keyring.checks())
    other_machine = copied(keyring, tmp_path / "copied.json")
    KeyringSealer(keyring).rotate("seal", store.recognise)
    store.recognise(keyring.checks())
    before = other_machine.path.read_text()
    with pytest.raises(KeyringMismatch, match="older copy"):
        other_machine.rotate("seal", store.recognise)
    shutil.copy(foreign.path, keyring.path)
    with pytest.raises(KeyringMismatch, match="another store's"):
        keyring.rotate("token", store.recognise)
    assert other_machine.path.read_text() == before
    assert keyring.path.read_text() == foreign.path.read_text()


def test_a_retired_key_that_was_deleted_is_no_reason_to_refuse(store: SqlStore, keyring: Keyring) -> None:
    store.recognise(keyring.checks())
    for purpose in ("seal", "sign"):
        keyring.rotate(purpose)
    store.recognise(keyring.checks())
    kept = edited(keyring, lambda keys: [key for key in keys if key["active"]])
    assert len(kept.checks()) == 3
    store.recognise(kept.checks())


def test_the_key_by_which_effects_are_known_again_has_to_stay_the_first(store: SqlStore, keyring: Keyring) -> None:
    keyring.rotate("token")
    store.recognise(keyring.checks())
    original = keyring.path.read_text()
    first = next(key.key_id for key in keyring.checks() if key.purpose == "token")
    for change in (
        lambda keys: [key for key in keys if key["id"] != first],
        lambda keys: sorted(keys, key=lambda key: key["id"] == first),
    ):
        with pytest.raises(KeyringMismatch, match=f"first token key is not {first}"):
            store.recognise(edited(keyring, change).checks())
        keyring.path.write_text(original)


def test_keys_of_the_same_names_that_are_others_are_refused(
    store: SqlStore, keyring: Keyring, foreign: Keyring
) -> None:
    store.recognise(keyring.checks())
    secrets = [key["secret"] for key in json.loads(foreign.path.read_text())["keys"]]

    def swap(keys: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**key, "secret": secret} for key, secret in zip(keys, secrets, strict=True)]

    with pytest.raises(KeyringMismatch, match="is not the store's"):
        store.recognise(edited(keyring, swap).checks())


def test_a_restored_store_opens_with_a_keyring_that_has_more_keys_and_learns_them(
    store: SqlStore, tampering_engine: Engine, keyring: Keyring, tmp_path: Path
) -> None:
    store.recognise(keyring.checks())  # the backup is of this moment
    old = copied(keyring, tmp_path / "old.json")
    for purpose in ("seal", "token", "seal"):
        keyring.rotate(purpose)
    store.recognise(keyring.checks())
    assert [(row["key_id"], bool(row["active"])) for row in noted(tampering_engine)][3:] == [
        (key.key_id, key.active) for key in keyring.checks()[3:]
    ]
    with pytest.raises(KeyringMismatch, match="older copy"):
        store.recognise(old.checks())


def test_of_two_that_come_first_with_different_keyrings_one_is_refused(
    database_url: str,
    tampering_engine: Engine,
    keyring: Keyring,
    foreign: Keyring,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engines = [open_engine(database_url) for _ in range(2)]
    together, at_once, known = Barrier(2), Barrier(2), store_keys._known

    def look(connection: Connection) -> Any:
        found = known(connection)
        if not connection.get_execution_options().get("postgresql_readonly"):
            with suppress(BrokenBarrierError):  # neither is to note what it looked for while the other one looks too
                at_once.wait(0.3)
        return found

    monkeypatch.setattr(store_keys, "_known", look)

    def come(engine: Engine, held: Keyring) -> bool:
        together.wait(30)
        try:
            recognise(engine, held.checks())
        except KeyringMismatch:
            return False
        return True

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(come, engines, (keyring, foreign))) == [False, True]
    for engine in engines:
        engine.dispose()
    assert len(noted(tampering_engine)) == 3


# --- Whole processes, and stores of before ---

_OPEN = """\
import sys
from clearway.app import Clearway
from clearway.model.errors import ConfigError
sys.stdin.readline()
try:
    with Clearway.open(sys.argv[1], store_url=sys.argv[2]) as app:
        print("opened")
except ConfigError as error:
    print(error.code)
"""
_PROJECT = '[project]\nname = "p"\n[environments]\nlist = ["dev"]\n[tenants]\nlist = ["acme"]\n'


def test_of_two_processes_that_make_a_store_at_once_with_a_keyring_each_one_is_refused(
    empty_database_url: str, tmp_path: Path
) -> None:
    started: list[subprocess.Popen[str]] = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "clearway.toml").write_text(_PROJECT)
        words = (sys.executable, "-c", _OPEN, str(tmp_path / name), empty_database_url)
        started.append(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    for process in started:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    said = sorted(process.communicate(timeout=60)[0].strip() for process in started)
    # On SQLite the second may find the store made and no keyring of its own: it makes none then.
    assert said in (["keyring_mismatch", "opened"], ["keyring", "opened"])


def to_0010(engine: Engine) -> None:
    with engine.begin() as connection:
        migrations._lock(connection)
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", "clearway.adapters.sql:migrations")
        config.set_main_option("path_separator", "os")
        command.upgrade(config, "0010")


@pytest.fixture
def older(empty_database_url: str) -> Iterator[Engine]:
    """A store as it was before it knew of keys."""
    engine = open_engine(empty_database_url)
    to_0010(engine)
    yield engine
    engine.dispose()


def test_a_store_of_before_learns_its_keyring_when_it_is_opened_next(
    older: Engine, make_store: MakeStore, keyring: Keyring, foreign: Keyring, postgres_url_of: Callable[[Engine], str]
) -> None:
    assert migrations.migrate(older)
    behind = open_engine(postgres_url_of(older))
    assert noted(behind) == []
    keyring.rotate("seal")
    store = make_store(older)
    store.recognise(keyring.checks())
    assert [row["key_id"] for row in noted(behind)] == [key.key_id for key in keyring.checks()]
    with pytest.raises(KeyringMismatch):
        store.recognise(foreign.checks())
    behind.dispose()


@pytest.fixture
def postgres_url_of(request: pytest.FixtureRequest) -> Callable[[Engine], str]:
    """The URL of a database for whoever goes behind Clearway's back; on SQLite its own."""

    def of(engine: Engine) -> str:
        url = engine.url.render_as_string(hide_password=False)
        if engine.dialect.name == "sqlite":
            return url
        server: PostgresServer = request.getfixturevalue("postgres_server")
        return server.as_superuser(url)

    return of
