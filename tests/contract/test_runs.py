"""The contract of `clearway.ports.Runs`."""

import pytest

from clearway.adapters.sql.store import SqlStore
from clearway.model.errors import Conflict, Internal
from clearway.model.run import RunStatus
from tests.contract import examples
from tests.databases import ACME


def test_a_run_is_read_as_it_was_written(store: SqlStore) -> None:
    run = examples.run()
    store.write(ACME, lambda tx: tx.runs.insert(run))
    assert store.read(ACME, lambda tx: tx.runs.get("run1")) == run
    assert store.read(ACME, lambda tx: tx.runs.by_key("ask1")) == run


def test_a_run_that_is_not_there_is_none(store: SqlStore) -> None:
    found = store.read(ACME, lambda tx: [tx.runs.get("x"), tx.runs.by_key("x"), tx.runs.pulse("x")])
    assert found == [None, None, None]


def test_the_same_idempotency_key_twice_is_a_conflict_that_leaves_the_transaction_usable(store: SqlStore) -> None:
    def twice(tx):
        tx.runs.insert(examples.run(1))
        with pytest.raises(Conflict) as caught:
            tx.runs.insert(examples.run(2, idempotency_key="ask1"))
        tx.runs.insert(examples.run(3))
        return caught.value.code

    assert store.write(ACME, twice) == "key_taken"
    assert [run.run_id for run in store.read(ACME, lambda tx: tx.runs.list())] == ["run3", "run1"]


def test_an_update_sets_what_is_named_and_nothing_else(store: SqlStore) -> None:
    run = examples.run()
    store.write(ACME, lambda tx: tx.runs.insert(run))
    changed = store.write(
        ACME,
        lambda tx: tx.runs.update(
            "run1", fence=1, fence_to=2, status=RunStatus.DONE, shown_result={"a": [1]}, failure=None, wake=False
        ),
    )
    assert changed
    found = store.read(ACME, lambda tx: tx.runs.get("run1"))
    assert found == examples.run(status=RunStatus.DONE, shown_result={"a": [1]}, failure=None, wake=False, fence=2)


def test_an_update_with_a_stale_fence_changes_nothing(store: SqlStore) -> None:
    store.write(ACME, lambda tx: tx.runs.insert(examples.run(fence=2)))
    assert not store.write(ACME, lambda tx: tx.runs.update("run1", fence=1, status=RunStatus.DONE))
    assert store.read(ACME, lambda tx: tx.runs.get("run1")) == examples.run(fence=2)


def test_the_pulse_is_the_fence_and_whether_to_cancel(store: SqlStore) -> None:
    store.write(ACME, lambda tx: tx.runs.insert(examples.run(fence=4)))
    assert store.read(ACME, lambda tx: tx.runs.pulse("run1")) == (4, False)
    store.write(ACME, lambda tx: tx.runs.update("run1", cancel_requested=True))
    assert store.read(ACME, lambda tx: tx.runs.pulse("run1")) == (4, True)


def test_whom_a_runs_effects_wait_for_is_nobody_until_it_is_said(store: SqlStore) -> None:
    store.write(ACME, lambda tx: tx.runs.insert(examples.run()))
    assert store.read(ACME, lambda tx: tx.runs.held_for("run1")) is None
    store.write(ACME, lambda tx: tx.runs.update("run1", held_for="operations"))
    assert store.read(ACME, lambda tx: tx.runs.held_for("run1")) == "operations"
    assert store.read(ACME, lambda tx: tx.runs.get("run1")) == examples.run(held_for="operations")


def test_held_runs_are_those_that_wait_for_a_group_and_have_not_ended(store: SqlStore) -> None:
    held = {"run1": None, "run2": "operations", "run3": "operations"}
    for number, (run_id, group) in enumerate(held.items()):
        made = examples.run(run_id=run_id, idempotency_key=run_id, held_for=group, created_at=float(number))
        store.write(ACME, lambda tx, made=made: tx.runs.insert(made))
    assert [run.run_id for run in store.read(ACME, lambda tx: tx.runs.list(held=True))] == ["run3", "run2"]
    store.write(ACME, lambda tx: tx.runs.update("run3", status=RunStatus.DONE))
    assert [run.run_id for run in store.read(ACME, lambda tx: tx.runs.list(held=True))] == ["run2"]
    assert store.read(ACME, lambda tx: tx.runs.list(held=True, skill="another")) == []
    assert [r.run_id for r in store.read(ACME, lambda tx: tx.runs.list(held=True, before=(1.5, "x")))] == ["run2"]


@pytest.mark.parametrize("values", [{}, {"tenant": "x"}, {"colour": 1}])
def test_an_update_of_nothing_of_the_identity_or_of_no_field_is_refused(store: SqlStore, values: dict) -> None:
    with pytest.raises(Internal):
        store.write(ACME, lambda tx: tx.runs.update("run1", **values))


def test_the_list_is_newest_first_and_pages_without_gap_or_overlap(store: SqlStore) -> None:
    def fill(tx):
        for number in range(7):
            tx.runs.insert(examples.run(number, created_at=1000.0 + number // 3))  # ties are broken by the id

    store.write(ACME, fill)
    whole = store.read(ACME, lambda tx: tx.runs.list())
    assert [(run.created_at, run.run_id) for run in whole] == sorted(
        ((run.created_at, run.run_id) for run in whole), reverse=True
    )
    pages, before = [], None
    while page := store.read(ACME, lambda tx, before=before: tx.runs.list(limit=2, before=before)):
        pages += page
        before = page[-1].created_at, page[-1].run_id
    assert pages == whole
    assert len(pages) == 7


def test_the_list_filters_by_status_skill_and_correlation_alone_and_together(store: SqlStore) -> None:
    def fill(tx):
        tx.runs.insert(examples.run(1))
        tx.runs.insert(examples.run(2, status=RunStatus.DONE))
        tx.runs.insert(examples.run(3, skill="other"))
        tx.runs.insert(examples.run(4, correlation_id="case8", status=RunStatus.DONE))

    store.write(ACME, fill)

    def ids(**filters):
        return [run.run_id for run in store.read(ACME, lambda tx: tx.runs.list(**filters))]

    assert ids(status=RunStatus.DONE) == ["run4", "run2"]
    assert ids(skill="other") == ["run3"]
    assert ids(correlation_id="case7") == ["run3", "run2", "run1"]
    assert ids(status=RunStatus.DONE, correlation_id="case7", skill="refund") == ["run2"]
    assert ids(status=RunStatus.DONE, before=(1004.0, "run4")) == ["run2"]
