"""The contract of `clearway.ports.Audit`, and what tampering leaves behind."""

import base64
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from clearway.adapters.sql.engine import open_engine
from clearway.adapters.sql.store import SqlStore
from clearway.adapters.sql.tables import SCHEMA
from clearway.model.errors import Internal, Invalid
from clearway.model.identity import Scope
from clearway.rules import chain, checkpoint, merkle
from tests.contract import examples
from tests.contract.examples import first_bad, record
from tests.databases import ACME, MakeStore, SettableClock

OTHER = Scope("umbrella", "prod")
TABLES = ("events", "event_payloads", "audit_heads", "approval_votes")


def tamper(engine: Engine, *statements: str, **values: Any) -> None:
    """Does what the guards refuse, as somebody could who has the file or the superuser's password."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            guards = text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for name in connection.execute(guards).scalars().all():
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text(f"SET LOCAL search_path TO {SCHEMA}"))
        for statement in statements:
            connection.execute(text(statement), values)


def read(store: SqlStore, scope: Scope = ACME, **how: Any):
    return store.read(scope, lambda tx: tx.audit.read(**how))


def test_events_are_chained_in_the_order_given_and_read_as_they_were_recorded(
    store: SqlStore, store_clock: SettableClock
) -> None:
    store_clock.now = 1_700_000_000.123456
    first = record(store, ACME, 2)
    second = store.write(ACME, lambda tx: tx.audit.append([examples.event(3, run_id=None, step_id=None)]))
    assert [event.seq for event in first + second] == [1, 2, 3]
    assert {event.at for event in first} == {"2023-11-14T22:13:20.123456Z"}
    assert read(store) == first + second
    assert store.read(ACME, lambda tx: tx.audit.head()) == (3, second[0].hash)
    assert first_bad(store, ACME) is None


def test_the_first_event_links_to_the_genesis_hash_and_each_to_the_one_before(store: SqlStore) -> None:
    assert store.read(ACME, lambda tx: tx.audit.head()) == (0, chain.GENESIS)
    previous = chain.GENESIS
    for event in record(store, ACME, 3):
        expected = chain.link(bytes.fromhex(previous), chain.leaf(chain.header(ACME, event)))
        assert event.hash == expected.hex()
        previous = event.hash


def test_several_appends_in_one_transaction_chain_on(store: SqlStore) -> None:
    def twice(tx):
        return tx.audit.append([examples.event(1)]) + tx.audit.append([]) + tx.audit.append([examples.event(2)])

    assert [event.seq for event in store.write(ACME, twice)] == [1, 2]
    assert first_bad(store, ACME) is None


def test_a_transaction_that_fails_leaves_no_event(store: SqlStore) -> None:
    record(store, ACME, 1)

    def fail(tx):
        tx.audit.append([examples.event(2)])
        raise KeyError

    with pytest.raises(KeyError):
        store.write(ACME, fail)
    assert store.read(ACME, lambda tx: tx.audit.head()[0]) == 1
    record(store, ACME, 1)
    assert first_bad(store, ACME) is None


def test_each_scope_has_a_chain_of_its_own(store: SqlStore) -> None:
    assert store.scopes() == []
    record(store, ACME, 2)
    record(store, OTHER, 1)
    assert [event.seq for event in read(store, OTHER)] == [1]
    assert store.scopes() == [ACME, OTHER]
    assert first_bad(store, ACME) is None
    assert first_bad(store, OTHER) is None


def test_a_scope_that_only_wrote_other_things_has_no_chain(store: SqlStore) -> None:
    store.write(ACME, lambda tx: tx.runs.insert(examples.run()))
    assert store.scopes() == []
    assert store.read(ACME, lambda tx: tx.audit.head()) == (0, chain.GENESIS)


def test_events_are_read_in_pages_and_by_run(store: SqlStore) -> None:
    store.write(
        ACME, lambda tx: tx.audit.append([examples.event(number, run_id=f"run{number % 2}") for number in range(1, 8)])
    )
    assert [event.seq for event in read(store, after=2, limit=3)] == [3, 4, 5]
    assert [event.seq for event in read(store, run_id="run1")] == [1, 3, 5, 7]
    assert [event.seq for event in read(store, run_id="run1", after=3, limit=1)] == [5]
    assert read(store, after=7) == []


def test_a_payload_without_canonical_form_is_refused_and_nothing_is_written(store: SqlStore) -> None:
    with pytest.raises(Invalid) as caught:
        store.write(ACME, lambda tx: tx.audit.append([examples.event(), examples.event(payload={"n": 2**60})]))
    assert caught.value.code == "not_canonical"
    assert read(store) == []


def test_checkpoints_are_kept_and_the_newest_is_the_last(store: SqlStore) -> None:
    assert store.read(ACME, lambda tx: tx.audit.last_checkpoint()) is None

    def add(tx):
        tx.audit.add_checkpoint(10, "note 10\n", ["ab", "cd"], 1.5)
        tx.audit.add_checkpoint(12, "note 12\n", ["ef"], 2.5)
        tx.audit.add_checkpoint(12, "note 12, signed anew\n", ["ef"], 3.5)

    store.write(ACME, add)
    assert store.read(ACME, lambda tx: tx.audit.last_checkpoint()) == (12, "note 12, signed anew\n", ["ef"], 3.5)
    assert store.read(ACME, lambda tx: tx.audit.checkpoints()) == [
        (10, "note 10\n", 1.5),
        (12, "note 12\n", 2.5),
        (12, "note 12, signed anew\n", 3.5),
    ]


# --- Guards -----------------------------------------------------------------------------------------------------------

REFUSED = [
    "UPDATE events SET kind = 'x' WHERE seq = 1",
    "DELETE FROM events WHERE seq = 1",
    "UPDATE event_payloads SET payload = '{}' WHERE seq = 1",
    "UPDATE event_payloads SET salt = NULL WHERE seq = 1",
    "UPDATE event_payloads SET payload = NULL, salt = NULL, seq = 9 WHERE seq = 1",
    "DELETE FROM event_payloads WHERE seq = 1",
    "DELETE FROM audit_heads",
    "UPDATE audit_heads SET seq = 1",
    "UPDATE audit_heads SET hash = 'x'",
    "UPDATE approval_votes SET verdict = 'approve'",
    "DELETE FROM approval_votes",
]
REPLACING = [
    "INSERT OR REPLACE INTO events SELECT tenant, environment, seq, 'x', at, run_id, step_id, commitment, hash "
    "FROM events",
    "INSERT OR REPLACE INTO event_payloads SELECT tenant, environment, seq, '{}', salt FROM event_payloads",
    "INSERT OR REPLACE INTO audit_heads SELECT tenant, environment, 0, hash FROM audit_heads",
    "REPLACE INTO approval_votes SELECT * FROM approval_votes",
    "UPDATE OR REPLACE events SET seq = 1 WHERE seq = 2",
]


def refuse(store: SqlStore, engine: Engine, statement: str) -> None:
    record(store, ACME, 2)
    store.write(ACME, lambda tx: tx.approvals.add_vote(examples.vote(verdict="reject")))
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SET LOCAL search_path TO {SCHEMA}"))
        refused = text(statement)
        with pytest.raises(DBAPIError):
            connection.execute(refused)
    assert first_bad(store, ACME) is None
    assert store.read(ACME, lambda tx: tx.approvals.votes("ap1")) == [examples.vote(verdict="reject")]


@pytest.mark.parametrize("statement", REFUSED)
def test_the_log_and_the_votes_are_append_only(store: SqlStore, tampering_engine: Engine, statement: str) -> None:
    refuse(store, tampering_engine, statement)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize("statement", REPLACING)
def test_insert_or_replace_does_not_get_round_the_guards(
    store: SqlStore, tampering_engine: Engine, statement: str
) -> None:
    refuse(store, tampering_engine, statement)


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
@pytest.mark.parametrize("table", TABLES)
def test_truncate_does_not_get_round_the_guards(store: SqlStore, tampering_engine: Engine, table: str) -> None:
    refuse(store, tampering_engine, f"TRUNCATE {table}")


def test_an_erased_payload_is_gone_and_the_chain_still_verifies(store: SqlStore, tampering_engine: Engine) -> None:
    record(store, ACME, 3)
    table = "event_payloads" if tampering_engine.dialect.name == "sqlite" else f"{SCHEMA}.event_payloads"
    with tampering_engine.begin() as connection:
        connection.execute(text(f"UPDATE {table} SET payload = NULL, salt = NULL WHERE seq = 2"))
    events = read(store)
    assert [(event.payload is None, event.salt is None) for event in events] == [
        (False, False),
        (True, True),
        (False, False),
    ]
    assert first_bad(store, ACME) is None
    record(store, ACME, 1)
    assert first_bad(store, ACME) is None


# --- Tampering --------------------------------------------------------------------------------------------------------

COLUMNS = [
    ("events", column)
    for column in ("tenant", "environment", "seq", "kind", "at", "run_id", "step_id", "commitment", "hash")
]
COLUMNS += [("event_payloads", column) for column in ("tenant", "environment", "seq", "payload", "salt")]


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_t36_a_flipped_character_anywhere_in_an_event_is_found(
    store: SqlStore, tampering_engine: Engine, table: str, column: str
) -> None:
    record(store, ACME, 4)
    qualified = table if tampering_engine.dialect.name == "sqlite" else f"{SCHEMA}.{table}"
    with tampering_engine.connect() as connection:
        value = connection.execute(text(f"SELECT {column} FROM {qualified} WHERE seq = 3")).scalar_one()
    if isinstance(value, int):
        flipped = [3 ^ 64]
    else:
        flipped = [
            value[:at] + chr(ord(value[at]) ^ bit) + value[at + 1 :] for at in range(len(value)) for bit in (1, 32)
        ]
        flipped = [each for each in flipped if "\0" not in each]
    where = "seq = 3"
    for each in flipped:
        tamper(tampering_engine, f"UPDATE {table} SET {column} = :value WHERE {where}", value=each)
        if column == "seq":
            where = f"seq = {each}"
        assert first_bad(store, ACME) == 3, each
        tamper(tampering_engine, f"UPDATE {table} SET {column} = :value WHERE {where}", value=value)
    assert first_bad(store, ACME) is None


TAMPERED = {
    "the first row deleted": (["DELETE FROM events WHERE seq = 1"], 1),
    "a row deleted": (["DELETE FROM events WHERE seq = 3"], 3),
    "the last row deleted": (["DELETE FROM events WHERE seq = 6"], 6),
    "a row deleted and the gap closed": (
        [
            "DELETE FROM events WHERE seq = 3",
            "UPDATE events SET seq = seq - 1 WHERE seq = 4",
            "UPDATE events SET seq = seq - 1 WHERE seq = 5",
            "UPDATE events SET seq = seq - 1 WHERE seq = 6",
            "UPDATE audit_heads SET seq = 5",
        ],
        3,
    ),
    "rows swapped": (
        [
            "UPDATE events SET seq = 99 WHERE seq = 2",
            "UPDATE events SET seq = 2 WHERE seq = 5",
            "UPDATE events SET seq = 5 WHERE seq = 99",
        ],
        2,
    ),
    "hashes swapped": (["UPDATE events SET hash = (SELECT hash FROM events WHERE seq = 4) WHERE seq = 5"], 5),
    "payloads swapped": (
        [
            "UPDATE event_payloads SET seq = 99 WHERE seq = 2",
            "UPDATE event_payloads SET seq = 2 WHERE seq = 5",
            "UPDATE event_payloads SET seq = 5 WHERE seq = 99",
        ],
        2,
    ),
    "a payload row deleted": (["DELETE FROM event_payloads WHERE seq = 4"], 4),
    "a salt erased alone": (["UPDATE event_payloads SET salt = NULL WHERE seq = 4"], 4),
    "a payload erased alone": (["UPDATE event_payloads SET payload = NULL WHERE seq = 4"], 4),
    "a row inserted": (
        [
            "UPDATE events SET seq = 7 WHERE seq = 6",
            "UPDATE events SET seq = 6 WHERE seq = 5",
            "INSERT INTO events SELECT tenant, environment, 5, kind, at, run_id, step_id, commitment, hash FROM events "
            "WHERE seq = 4",
            "UPDATE audit_heads SET seq = 7",
        ],
        5,
    ),
    "a row added behind the head": (
        [
            "INSERT INTO events SELECT tenant, environment, 7, kind, at, run_id, step_id, commitment, hash FROM events "
            "WHERE seq = 6"
        ],
        7,
    ),
    "the head set back": (["UPDATE audit_heads SET seq = 4"], 5),
    "the hash of the head changed": (["UPDATE audit_heads SET hash = 'x'"], 6),
    "the head deleted": (["DELETE FROM audit_heads"], 1),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_t36_rows_that_are_deleted_moved_or_added_are_found_at_the_first_bad_number(
    store: SqlStore, tampering_engine: Engine, what: str
) -> None:
    record(store, ACME, 6)
    statements, bad = TAMPERED[what]
    tamper(tampering_engine, *statements)
    assert first_bad(store, ACME) == bad


def test_t36_another_spelling_of_the_same_payload_is_found(store: SqlStore, tampering_engine: Engine) -> None:
    record(store, ACME, 2)
    tamper(tampering_engine, "UPDATE event_payloads SET payload = replace(payload, '\\u001f', '\\u001F') WHERE seq = 2")
    assert first_bad(store, ACME) == 2


@pytest.mark.parametrize("column", ["kind", "hash", "payload"])
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_t36_a_flipped_bit_that_leaves_no_utf8_is_found(store: SqlStore, database_engine: Engine, column: str) -> None:
    record(store, ACME, 3)
    table = "event_payloads" if column == "payload" else "events"
    tamper(database_engine, f"UPDATE {table} SET {column} = CAST(X'80' || substr({column}, 2) AS TEXT) WHERE seq = 2")
    assert first_bad(store, ACME) == 2


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_t36_any_byte_of_an_event_that_flips_in_the_file_is_found(
    make_store: MakeStore, tmp_path: Path, store: SqlStore, database_engine: Engine
) -> None:
    events = record(store, ACME, 3)
    database_engine.dispose()
    with sqlite3.connect(tmp_path / "clearway.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    whole = (tmp_path / "clearway.db").read_bytes()
    marks = [
        events[1].hash.encode(),
        events[1].commitment.encode(),
        events[1].salt.encode(),
        chain.canonical(events[1].payload),
    ]
    for mark in marks:
        for at in (0, len(mark) // 2, len(mark) - 1):
            changed = bytearray(whole)
            changed[whole.index(mark) + at] ^= 0x80 if at else 0x01
            path = tmp_path / "changed" / "clearway.db"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(changed)
            engine = open_engine(f"sqlite:///{path}")
            assert first_bad(make_store(engine), ACME) == 2
            engine.dispose()


def test_appending_behind_a_head_that_is_no_hash_is_refused(store: SqlStore, tampering_engine: Engine) -> None:
    record(store, ACME, 1)
    tamper(tampering_engine, "UPDATE audit_heads SET hash = 'x'")
    with pytest.raises(Internal) as caught:
        record(store, ACME, 1)
    assert caught.value.code == "store_damaged"


# --- Checkpoints against a cut or older log ---------------------------------------------------------------------------

SIGNER = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC_KEY = SIGNER.public_key().public_bytes_raw()


def is_signed(signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(PUBLIC_KEY).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def leaves(store: SqlStore) -> list[bytes]:
    return [chain.leaf(chain.header(ACME, event)) for event in read(store)]


def save_checkpoint(store: SqlStore) -> str:
    """A note of the log as it stands, kept elsewhere."""
    found = leaves(store)
    return checkpoint.sign(
        checkpoint.Checkpoint("log.example/acme/prod", len(found), merkle.root(found)),
        "log.example",
        PUBLIC_KEY,
        SIGNER.sign,
    )


def holds(store: SqlStore, note: str) -> bool:
    saved = checkpoint.verify(note, "log.example", PUBLIC_KEY, is_signed)
    return checkpoint.holds(saved, leaves(store))


def test_a_log_that_grew_still_holds_its_checkpoint(store: SqlStore) -> None:
    record(store, ACME, 5)
    note = save_checkpoint(store)
    assert holds(store, note)
    record(store, ACME, 3)
    assert holds(store, note)


def test_t37_a_cut_tail_shows_against_a_saved_checkpoint(store: SqlStore, tampering_engine: Engine) -> None:
    hashes = [event.hash for event in record(store, ACME, 5)]
    note = save_checkpoint(store)
    tamper(
        tampering_engine,
        "DELETE FROM events WHERE seq > 3",
        "DELETE FROM event_payloads WHERE seq > 3",
        "UPDATE audit_heads SET seq = 3, hash = :hash",
        hash=hashes[2],
    )
    assert first_bad(store, ACME) is None  # the chain alone cannot tell
    assert not holds(store, note)
    record(store, ACME, 4)  # nor does it help to go on
    assert first_bad(store, ACME) is None
    assert not holds(store, note)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_t37_an_older_file_shows_against_a_saved_checkpoint(
    store: SqlStore, database_engine: Engine, tmp_path: Path
) -> None:
    record(store, ACME, 3)
    with sqlite3.connect(tmp_path / "clearway.db") as connection:
        connection.execute("VACUUM INTO ?", (str(tmp_path / "backup.db"),))
    connection.close()
    record(store, ACME, 2)
    note = save_checkpoint(store)
    database_engine.dispose()
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"clearway.db{suffix}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup.db", tmp_path / "clearway.db")
    assert first_bad(store, ACME) is None
    assert not holds(store, note)


def test_t37_a_checkpoint_with_a_changed_size_is_not_accepted(store: SqlStore) -> None:
    record(store, ACME, 5)
    origin, _, *rest = save_checkpoint(store).split("\n")
    forged = "\n".join([origin, "3", base64.b64encode(merkle.root(leaves(store)[:3])).decode(), *rest[1:]])
    with pytest.raises(Invalid):
        holds(store, forged)
