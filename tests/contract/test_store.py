"""The contract of `clearway.ports.Store` and `clearway.ports.Tx`: transactions, time, threads, failures."""

import asyncio
import contextvars
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from clearway.adapters.sql import store as store_module
from clearway.adapters.sql.engine import open_engine
from clearway.adapters.sql.store import SqlStore
from clearway.adapters.sql.tables import SCHEMA
from clearway.model.errors import ClearwayError, Internal, Invalid, Unavailable
from clearway.model.identity import Scope
from clearway.model.ledger import LedgerState
from clearway.model.run_ref import RunRef
from tests.contract import examples
from tests.contract.examples import first_bad, record
from tests.databases import ACME, MakeStore, SettableClock, Wakes

OTHER = Scope("umbrella", "prod")
READER = Scope("acme", "staging")


def ids(store: SqlStore, scope: Scope = ACME) -> list[str]:
    return sorted(run.run_id for run in store.read(scope, lambda tx: tx.runs.list()))


def test_a_write_returns_what_the_work_returns_and_commits(store: SqlStore) -> None:
    assert store.write(ACME, lambda tx: tx.runs.insert(examples.run()) or "done") == "done"
    assert ids(store) == ["run1"]


def test_a_write_that_raises_leaves_nothing_and_the_error_as_it_is(store: SqlStore) -> None:
    def fail(tx):
        tx.runs.insert(examples.run())
        tx.ledger.insert(examples.entry())
        tx.limits.add("c", 1)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        store.write(ACME, fail)
    assert ids(store) == []
    assert store.write(ACME, lambda tx: tx.limits.add("c", 1)) == 1


def test_a_transaction_knows_its_scope_and_one_time(store: SqlStore, store_clock: SettableClock) -> None:
    def work(tx):
        before = tx.now
        store_clock.now += 5.0
        return tx.scope, before, tx.now

    assert store.write(ACME, work) == (ACME, 1_700_000_000.0, 1_700_000_000.0)
    assert store.read(OTHER, work) == (OTHER, 1_700_000_005.0, 1_700_000_005.0)


def test_the_time_is_the_databases_unless_one_is_given(make_store: MakeStore) -> None:
    store = make_store()
    before = time.time()
    written, read = store.write(ACME, lambda tx: tx.now), store.read(ACME, lambda tx: tx.now)
    assert before - 0.002 <= written <= read <= time.time() + 0.002
    assert isinstance(written, float)


def test_a_read_cannot_write(store: SqlStore) -> None:
    for work in (
        lambda tx: tx.runs.insert(examples.run()),
        lambda tx: tx.audit.append([examples.event()]),
        lambda tx: tx.runs.update("run1", fence=1, spent_s=1.0),
        lambda tx: tx.wake("run1", "w1"),
        lambda tx: tx.switches.put(examples.switch()),
        lambda tx: tx.limits.add("c", 1),
    ):
        with pytest.raises(Internal):
            store.read(ACME, work)


def test_a_read_sees_one_state_while_others_write(store: SqlStore) -> None:
    def look_twice(tx):
        before = len(tx.runs.list())
        with ThreadPoolExecutor(1) as other:
            other.submit(store.write, ACME, lambda tx: tx.runs.insert(examples.run())).result()
        return before, len(tx.runs.list())

    assert store.read(ACME, look_twice) == (0, 0)
    assert ids(store) == ["run1"]


def test_a_write_inside_a_write_is_refused_and_the_store_stays_usable(store: SqlStore) -> None:
    with pytest.raises(Internal):
        store.write(ACME, lambda tx: store.write(OTHER, lambda tx: None))
    assert store.write(ACME, lambda tx: 1) == 1


@pytest.mark.parametrize("scope", [Scope("*", "prod"), Scope("acme", "*"), Scope("", "prod"), Scope("acme", "")])
def test_a_scope_without_a_name_or_with_the_name_of_all_is_refused(store: SqlStore, scope: Scope) -> None:
    for transact in (store.write, store.read):
        with pytest.raises(Invalid):
            transact(scope, lambda tx: None)


def test_a_wake_is_part_of_the_transaction(store: SqlStore, wakes: Wakes) -> None:
    store.write(ACME, lambda tx: tx.wake("run1", "w1"))
    store.write(ACME, lambda tx: tx.wake("run1", "w2", delay_s=2.5))
    ref = RunRef("acme", "prod", "run1")
    assert wakes.calls == [(ref, "w1", 0.0), (ref, "w2", 2.5)]


def test_what_a_wake_writes_commits_and_rolls_back_with_the_rest(
    database_engine: Engine, make_store: MakeStore, store: SqlStore
) -> None:
    with database_engine.begin() as connection:
        connection.execute(text("CREATE TABLE queue (id TEXT)"))

    def enqueue(connection, ref, *, wake_id, delay_s):
        connection.execute(text("INSERT INTO queue VALUES (:id)"), {"id": wake_id})

    store = SqlStore(database_engine, wake=enqueue)

    def fail(tx):
        tx.wake("run1", "lost")
        raise KeyError

    with pytest.raises(KeyError):
        store.write(ACME, fail)
    store.write(ACME, lambda tx: (tx.wake("run1", "w1"), tx.runs.insert(examples.run())))
    store.close()
    with database_engine.connect() as connection:
        assert connection.execute(text("SELECT id FROM queue")).scalars().all() == ["w1"]


def test_an_error_of_the_database_in_a_wake_is_one_of_ours(database_engine: Engine) -> None:
    def enqueue(connection, ref, *, wake_id, delay_s):
        connection.execute(text("INSERT INTO nowhere VALUES (1)"))

    store = SqlStore(database_engine, wake=enqueue)
    with pytest.raises(Internal):
        store.write(ACME, lambda tx: tx.wake("run1", "w1"))
    store.close()


@pytest.mark.parametrize(("changes", "error"), [({"skill": "\ud800"}, Invalid), ({"fence": 2**80}, Internal)])
def test_a_value_that_the_database_cannot_hold_is_an_error_of_ours(
    store: SqlStore, changes: dict[str, Any], error: type[ClearwayError]
) -> None:
    with pytest.raises(error):
        store.write(ACME, lambda tx: tx.runs.insert(examples.run(**changes)))
    assert ids(store) == []


def test_a_row_that_was_damaged_is_an_error_of_ours(store: SqlStore, tampering_engine: Engine) -> None:
    store.write(ACME, lambda tx: tx.runs.insert(examples.run()))
    table = "runs" if tampering_engine.dialect.name == "sqlite" else f"{SCHEMA}.runs"
    for column, value in (("route", "{"), ("status", "other")):
        with tampering_engine.begin() as connection:
            connection.execute(text(f"UPDATE {table} SET {column} = :value"), {"value": value})
        with pytest.raises(Internal) as caught:
            store.read(ACME, lambda tx: tx.runs.get("run1"))
        assert caught.value.code == "store_damaged"


# --- Concurrency ------------------------------------------------------------------------------------------------------


def test_sixteen_threads_append_to_one_chain_without_gap_or_fork(store: SqlStore) -> None:
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda _: [record(store, ACME, 2) for _ in range(3)], range(16)))
    assert store.read(ACME, lambda tx: tx.audit.head()[0]) == 96
    assert first_bad(store, ACME) is None


def test_two_stores_on_one_database_append_to_one_chain(
    store: SqlStore, make_store: MakeStore, database_url: str
) -> None:
    engine = open_engine(database_url)
    other = make_store(engine)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: record(store if n % 2 else other, ACME, 1), range(40)))
    engine.dispose()
    assert store.read(ACME, lambda tx: tx.audit.head()[0]) == 40
    assert first_bad(store, ACME) is None


def test_many_new_scopes_at_once_get_a_chain_each(store: SqlStore) -> None:
    scopes = [Scope(f"t{number % 4}", "prod") for number in range(16)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda scope: record(store, scope, 1), scopes))
    assert store.scopes() == sorted(set(scopes), key=lambda scope: scope.tenant)
    assert all(first_bad(store, scope) is None for scope in scopes)


# --- Off the event loop -----------------------------------------------------------------------------------------------


async def test_awrite_and_aread_run_off_the_loop_in_threads_of_the_store(store: SqlStore) -> None:
    def where(tx):
        return threading.current_thread().name

    names = [await store.awrite(ACME, where), await store.aread(ACME, where)]
    assert all(name.startswith("clearway-") for name in names)


async def test_the_context_of_the_caller_reaches_the_work(store: SqlStore) -> None:
    trace = contextvars.ContextVar("trace", default="none")
    trace.set("abc")
    assert await store.awrite(ACME, lambda tx: trace.get()) == "abc"
    assert await store.aread(ACME, lambda tx: trace.get()) == "abc"


async def test_an_error_of_the_work_reaches_the_awaiter(store: SqlStore) -> None:
    def fail(tx):
        tx.runs.insert(examples.run())
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await store.awrite(ACME, fail)
    assert await store.aread(ACME, lambda tx: tx.runs.get("run1")) is None


async def test_many_awrites_at_once_all_commit(store: SqlStore) -> None:
    await asyncio.gather(*(store.awrite(ACME, lambda tx, n=n: tx.runs.insert(examples.run(n))) for n in range(40)))
    assert len(ids(store)) == 40


async def test_a_cancelled_awaiter_leaves_a_begun_write_whole(store: SqlStore) -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work(tx):
        tx.runs.insert(examples.run(1))
        begun.set()
        go_on.wait(10)
        tx.runs.insert(examples.run(2))
        ended.set()

    task = asyncio.create_task(store.awrite(ACME, work))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await asyncio.to_thread(ended.wait, 10)
    # The next write of the scope comes after the one that lost its awaiter.
    await store.awrite(ACME, lambda tx: tx.runs.insert(examples.run(3)))
    assert ids(store) == ["run1", "run2", "run3"]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_cancelled_awaiter_withdraws_a_write_that_has_not_begun(store: SqlStore) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def occupy(tx):
        begun.set()
        go_on.wait(10)

    first = asyncio.create_task(store.awrite(ACME, occupy))
    await asyncio.to_thread(begun.wait, 10)
    second = asyncio.create_task(store.awrite(ACME, lambda tx: tx.runs.insert(examples.run())))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    go_on.set()
    await first
    await store.awrite(ACME, lambda tx: None)
    assert ids(store) == []


async def test_reads_go_on_while_a_write_is_at_work(store: SqlStore) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def occupy(tx):
        tx.runs.insert(examples.run())
        begun.set()
        go_on.wait(10)

    writing = asyncio.create_task(store.awrite(ACME, occupy))
    await asyncio.to_thread(begun.wait, 10)
    assert await store.aread(ACME, lambda tx: tx.runs.list()) == []
    go_on.set()
    await writing
    assert ids(store) == ["run1"]


# --- Threat 38: the record cannot be written --------------------------------------------------------------------------


def effect_with_its_record(tx) -> None:
    tx.ledger.insert(examples.entry(7, state=LedgerState.STARTED))
    tx.audit.append([examples.event(7, payload={"fill": "x" * 100_000})])


def check_that_nothing_was_committed(store: SqlStore, error: pytest.ExceptionInfo[ClearwayError], code: str) -> None:
    assert isinstance(error.value, Unavailable)
    assert error.value.code == code
    assert error.value.retryable
    assert store.read(ACME, lambda tx: tx.ledger.get("sha256:7")) is None
    assert store.read(ACME, lambda tx: tx.audit.head()[0]) == 1
    assert first_bad(store, ACME) is None


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_t38_audit_cannot_write_since_the_disk_is_full_then_the_effect_is_not_committed_either(
    store: SqlStore, make_store: MakeStore, database_url: str
) -> None:
    record(store, ACME, 1)
    engine = open_engine(database_url, pool_size=1)
    with engine.connect() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.execute(text(f"PRAGMA max_page_count = {pages + 2}"))
    full = make_store(engine)
    with pytest.raises(ClearwayError) as caught:
        full.write(ACME, effect_with_its_record)
    check_that_nothing_was_committed(store, caught, "store_full")
    with pytest.raises(Unavailable):  # and so again, with the same connection
        full.write(ACME, effect_with_its_record)
    engine.dispose()
    store.write(ACME, effect_with_its_record)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_t38_audit_cannot_write_since_the_database_is_locked_then_nothing_is_committed(
    store: SqlStore, make_store: MakeStore, database_url: str, tmp_path: Path
) -> None:
    record(store, ACME, 1)
    engine = open_engine(database_url, busy_timeout_s=0.05)
    impatient = make_store(engine)
    other = sqlite3.connect(tmp_path / "clearway.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ClearwayError) as caught:
        impatient.write(ACME, effect_with_its_record)
    check_that_nothing_was_committed(store, caught, "store_locked")
    other.execute("ROLLBACK")
    other.close()
    impatient.write(ACME, effect_with_its_record)
    engine.dispose()


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_t38_a_write_that_waits_for_another_thread_for_too_long_is_unavailable(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "WRITE_WAIT_S", 0.05)

    def occupy(tx):
        with ThreadPoolExecutor(1) as other, pytest.raises(Unavailable):
            other.submit(store.write, ACME, lambda tx: None).result()

    store.write(ACME, occupy)
    assert store.write(ACME, lambda tx: 1) == 1


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_t38_audit_cannot_write_since_the_chain_is_locked_then_nothing_is_committed(
    store: SqlStore, make_store: MakeStore, database_url: str, tampering_engine: Engine
) -> None:
    record(store, ACME, 1)
    engine = open_engine(database_url)
    impatient = make_store(engine)
    with engine.begin() as connection:
        connection.execute(text("ALTER ROLE CURRENT_USER SET lock_timeout = '50ms'"))
    engine.dispose()
    with tampering_engine.begin() as other:
        other.execute(text(f"SELECT * FROM {SCHEMA}.audit_heads FOR UPDATE"))
        with pytest.raises(ClearwayError) as caught:
            impatient.write(ACME, effect_with_its_record)
        check_that_nothing_was_committed(store, caught, "store_locked")
    with engine.begin() as connection:
        connection.execute(text("ALTER ROLE CURRENT_USER RESET lock_timeout"))
    engine.dispose()


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_t38_a_connection_that_the_server_ends_is_unavailable_and_the_next_write_works(
    store: SqlStore, database_engine: Engine
) -> None:
    record(store, ACME, 1)

    def lose(tx):
        effect_with_its_record(tx)
        pid = tx.ledger._session.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with database_engine.connect() as other:
            other.execute(text(f"SELECT pg_terminate_backend({pid})"))
        tx.runs.list()

    with pytest.raises(ClearwayError) as caught:
        store.write(ACME, lose)
    check_that_nothing_was_committed(store, caught, "store_lost")
    record(store, ACME, 1)
