"""The contract of `clearway.ports.Ledger`."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from clearway.adapters.sql.store import SqlStore
from clearway.model.errors import Conflict
from clearway.model.ledger import LedgerState
from tests.contract import examples
from tests.databases import ACME

LIVE = {LedgerState.CLAIMED, LedgerState.STARTED, LedgerState.UNKNOWN, LedgerState.SUCCEEDED}


def conflict_code(work) -> str | None:
    try:
        work()
    except Conflict as error:
        return error.code
    return None


def test_an_entry_is_read_as_it_was_written(store: SqlStore) -> None:
    entry = examples.entry(business_key="invoice:1")
    store.write(ACME, lambda tx: tx.ledger.insert(entry))
    assert store.read(ACME, lambda tx: tx.ledger.get(entry.key)) == entry
    assert store.read(ACME, lambda tx: tx.ledger.get("sha256:none")) is None


@pytest.mark.parametrize(
    "second",
    [
        examples.entry(1, step_id="s9"),  # the same key
        examples.entry(2, step_id="s1"),  # the same step
    ],
)
def test_a_step_has_one_row_and_a_second_is_a_conflict(store: SqlStore, second) -> None:
    def twice(tx):
        tx.ledger.insert(examples.entry(1))
        code = conflict_code(lambda: tx.ledger.insert(second))
        tx.ledger.insert(examples.entry(3))  # the transaction is usable still
        return code

    assert store.write(ACME, twice) == "key_taken"
    assert len(store.read(ACME, lambda tx: tx.ledger.of_run("run1"))) == 2


@pytest.mark.parametrize("state", list(LedgerState))
def test_a_business_key_is_taken_while_its_row_is_live(store: SqlStore, state: LedgerState) -> None:
    def work(tx):
        tx.ledger.insert(examples.entry(1, state=state, business_key="invoice:1"))
        found = tx.ledger.by_business_key("billing.refund", "invoice:1")
        code = conflict_code(lambda: tx.ledger.insert(examples.entry(2, run_id="run2", business_key="invoice:1")))
        return found is not None, code

    assert store.write(ACME, work) == ((True, "business_key_taken") if state in LIVE else (False, None))


def test_a_business_key_is_free_for_another_tool(store: SqlStore) -> None:
    def work(tx):
        tx.ledger.insert(examples.entry(1, business_key="invoice:1"))
        tx.ledger.insert(examples.entry(2, business_key="invoice:1", tool="crm.note"))
        return tx.ledger.by_business_key("crm.note", "invoice:1")

    assert store.write(ACME, work) == examples.entry(2, business_key="invoice:1", tool="crm.note")


def test_a_move_into_a_live_state_meets_the_business_key_of_another_row(store: SqlStore) -> None:
    def work(tx):
        tx.ledger.insert(examples.entry(1, business_key="invoice:1"))
        tx.ledger.insert(examples.entry(2, business_key="invoice:1", state=LedgerState.FAILED_RETRYABLE))
        tx.ledger.insert(examples.entry(3))
        retry = conflict_code(
            lambda: tx.ledger.move(
                "sha256:2", fence=1, from_states=[LedgerState.FAILED_RETRYABLE], state=LedgerState.STARTED
            )
        )
        rename = conflict_code(
            lambda: tx.ledger.move("sha256:3", fence=1, from_states=[LedgerState.STARTED], business_key="invoice:1")
        )
        stale = tx.ledger.move("sha256:3", fence=7, from_states=[LedgerState.STARTED], business_key="invoice:1")
        assert tx.ledger.move("sha256:1", fence=1, from_states=LIVE, state=LedgerState.SUCCEEDED)  # its own key
        return retry, rename, stale

    assert store.write(ACME, work) == ("business_key_taken", "business_key_taken", False)
    assert store.read(ACME, lambda tx: tx.ledger.get("sha256:2")).state is LedgerState.FAILED_RETRYABLE


def test_a_move_needs_the_fence_and_one_of_the_states(store: SqlStore) -> None:
    store.write(ACME, lambda tx: tx.ledger.insert(examples.entry(fence=3)))

    def move(fence, *states):
        return store.write(
            ACME, lambda tx: tx.ledger.move("sha256:1", fence=fence, from_states=states, remote_ref="re_2")
        )

    assert not move(2, LedgerState.STARTED)
    assert not move(3, LedgerState.CLAIMED, LedgerState.HELD)
    assert not move(3)
    assert store.read(ACME, lambda tx: tx.ledger.get("sha256:1")).remote_ref == "re_1"
    assert move(3, LedgerState.CLAIMED, LedgerState.STARTED)
    assert move(None, LedgerState.STARTED)


def test_a_move_sets_what_is_named_and_nothing_else(store: SqlStore) -> None:
    entry = examples.entry()
    new = {
        "state": LedgerState.SUCCEEDED,
        "result": "other",
        "shown_result": [1],
        "targets": ("a:1", "b:2"),
        "detail": None,
        "updated_at": 7.25,
        "lease_until": None,
    }
    store.write(ACME, lambda tx: tx.ledger.insert(entry))
    assert store.write(
        ACME, lambda tx: tx.ledger.move(entry.key, fence=1, fence_to=2, from_states=[LedgerState.STARTED], **new)
    )
    assert store.read(ACME, lambda tx: tx.ledger.get(entry.key)) == replace(entry, fence=2, **new)


def test_of_sixteen_threads_one_wins_a_move(store: SqlStore) -> None:
    store.write(ACME, lambda tx: tx.ledger.insert(examples.entry(state=LedgerState.CLAIMED)))

    def claim(number: int) -> bool:
        return store.write(
            ACME,
            lambda tx: tx.ledger.move(
                "sha256:1", fence=1, from_states=[LedgerState.CLAIMED], state=LedgerState.STARTED, attempt=number
            ),
        )

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(claim, range(16))) == 1


def test_of_sixteen_threads_one_inserts_a_key_and_one_a_business_key(store: SqlStore) -> None:
    def insert(number: int) -> str | None:
        return conflict_code(lambda: store.write(ACME, lambda tx: tx.ledger.insert(examples.entry(1))))

    def insert_business_key(number: int) -> str | None:
        return conflict_code(
            lambda: store.write(
                ACME, lambda tx: tx.ledger.insert(examples.entry(number + 10, business_key="invoice:1"))
            )
        )

    with ThreadPoolExecutor(16) as threads:
        assert sorted(map(str, threads.map(insert, range(16)))) == ["None"] + ["key_taken"] * 15
        assert sorted(map(str, threads.map(insert_business_key, range(16)))) == ["None"] + ["business_key_taken"] * 15


def test_the_rows_of_a_run_are_in_the_order_of_creation_even_at_the_same_time(store: SqlStore) -> None:
    numbers = [5, 3, 9, 1, 7]
    for number in numbers:
        store.write(ACME, lambda tx, number=number: tx.ledger.insert(examples.entry(number, created_at=1.0)))
    store.write(ACME, lambda tx: tx.ledger.insert(examples.entry(2, run_id="run2")))
    assert [entry.step_id for entry in store.read(ACME, lambda tx: tx.ledger.of_run("run1"))] == [
        f"s{number}" for number in numbers
    ]


def test_the_list_filters_and_pages(store: SqlStore) -> None:
    def fill(tx):
        for number, state in enumerate(LedgerState):
            tx.ledger.insert(
                examples.entry(
                    number,
                    state=state,
                    tool="t2" if number % 2 else "t1",
                    run_id="run2" if number > 4 else "run1",
                    created_at=float(number // 2),
                )
            )

    store.write(ACME, fill)

    def found(**filters):
        return store.read(ACME, lambda tx: tx.ledger.list(**filters))

    whole = found()
    assert [(entry.created_at, entry.key) for entry in whole] == sorted(
        ((entry.created_at, entry.key) for entry in whole), reverse=True
    )
    assert len(whole) == 8
    for state in LedgerState:
        assert [entry.state for entry in found(state=state)] == [state]
    assert {entry.tool for entry in found(tool="t1")} == {"t1"}
    assert {entry.run_id for entry in found(run_id="run2", tool="t2")} == {"run2"}
    pages, before = [], None
    while page := found(limit=3, before=before):
        pages += page
        before = page[-1].created_at, page[-1].key
    assert pages == whole


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_open_rows_are_found_through_their_own_small_index(store: SqlStore, database_engine: Engine) -> None:
    def plan() -> str:
        asked: list[str] = []

        def remember(statement: str) -> None:
            asked.append(statement)

        def work(tx):
            driver = tx.ledger._session.connection.connection.driver_connection
            driver.set_trace_callback(remember)
            tx.ledger.list(state=LedgerState.UNKNOWN)
            driver.set_trace_callback(None)

        store.read(ACME, work)
        with database_engine.connect() as connection:
            return str(connection.execute(text(f"EXPLAIN QUERY PLAN {asked[-1]}".replace(":", "\\:"))).fetchall())

    assert "ledger_open" in plan()
