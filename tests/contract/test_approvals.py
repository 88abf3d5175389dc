"""The contracts of `clearway.ports.Approvals` and `clearway.ports.Grants`."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from clearway.adapters.sql.store import SqlStore
from clearway.model.approval import ApprovalState
from clearway.model.errors import Conflict
from tests.contract import examples
from tests.databases import ACME


def test_an_approval_is_read_as_it_was_written(store: SqlStore) -> None:
    store.write(ACME, lambda tx: tx.approvals.insert(examples.approval()))
    assert store.read(ACME, lambda tx: tx.approvals.get("ap1")) == examples.approval()
    assert store.read(ACME, lambda tx: tx.approvals.get("ap2")) is None


def test_the_same_approval_twice_is_a_conflict(store: SqlStore) -> None:
    store.write(ACME, lambda tx: tx.approvals.insert(examples.approval()))
    with pytest.raises(Conflict):
        store.write(ACME, lambda tx: tx.approvals.insert(examples.approval()))


def test_the_approvals_of_a_step_are_oldest_first_even_at_the_same_time(store: SqlStore) -> None:
    for number in (4, 2, 3):
        store.write(ACME, lambda tx, n=number: tx.approvals.insert(examples.approval(n, requested_at=1.0)))
    store.write(ACME, lambda tx: tx.approvals.insert(examples.approval(9, step_id="s2")))
    found = store.read(ACME, lambda tx: tx.approvals.for_step("run1", "s1"))
    assert [approval.approval_id for approval in found] == ["ap4", "ap2", "ap3"]


def test_a_move_needs_one_of_the_states_and_sets_what_is_named(store: SqlStore) -> None:
    store.write(ACME, lambda tx: tx.approvals.insert(examples.approval()))

    def move(*states, **values):
        return store.write(ACME, lambda tx: tx.approvals.move("ap1", from_states=states, **values))

    assert not move(ApprovalState.APPROVED, state=ApprovalState.CONSUMED)
    assert not move(state=ApprovalState.CONSUMED)
    assert move(ApprovalState.PENDING, ApprovalState.APPROVED, state=ApprovalState.REJECTED, note="no", decided_at=7.5)
    expected = replace(examples.approval(), state=ApprovalState.REJECTED, note="no", decided_at=7.5)
    assert store.read(ACME, lambda tx: tx.approvals.get("ap1")) == expected


def test_of_sixteen_threads_one_consumes_an_approval(store: SqlStore) -> None:
    store.write(ACME, lambda tx: tx.approvals.insert(examples.approval(state=ApprovalState.APPROVED)))

    def consume(_: int) -> bool:
        return store.write(
            ACME,
            lambda tx: tx.approvals.move("ap1", from_states=[ApprovalState.APPROVED], state=ApprovalState.CONSUMED),
        )

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(consume, range(16))) == 1


def test_a_subject_has_one_vote_also_among_sixteen_threads(store: SqlStore) -> None:
    def cast(number: int) -> bool:
        return store.write(ACME, lambda tx: tx.approvals.add_vote(examples.vote(comment=f"{number}")))

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(cast, range(16))) == 1
    assert store.write(ACME, lambda tx: tx.approvals.add_vote(examples.vote("user:di", at=1050.0, verdict="reject")))
    votes = store.read(ACME, lambda tx: tx.approvals.votes("ap1"))
    assert [vote.subject for vote in votes] == ["user:di", "user:cy"]
    assert votes[0] == examples.vote("user:di", at=1050.0, verdict="reject")
    assert store.read(ACME, lambda tx: tx.approvals.votes("ap2")) == []


def test_the_list_of_approvals_filters_and_pages(store: SqlStore) -> None:
    def fill(tx):
        for number, state in enumerate(ApprovalState):
            tx.approvals.insert(
                examples.approval(number, state=state, run_id=f"run{number % 2}", requested_at=float(number // 2))
            )

    store.write(ACME, fill)

    def found(**filters):
        return store.read(ACME, lambda tx: tx.approvals.list(**filters))

    whole = found()
    assert [approval.approval_id for approval in whole] == ["ap6", "ap5", "ap4", "ap3", "ap2", "ap1", "ap0"]
    assert [approval.approval_id for approval in found(state=ApprovalState.PENDING)] == ["ap0"]
    assert [approval.approval_id for approval in found(run_id="run1")] == ["ap5", "ap3", "ap1"]
    assert found(run_id="run1", state=ApprovalState.PENDING) == []
    pages, before = [], None
    while page := found(limit=2, before=before):
        pages += page
        before = page[-1].requested_at, page[-1].approval_id
    assert pages == whole


def test_a_grant_is_read_as_it_was_written_and_listed(store: SqlStore) -> None:
    store.write(ACME, lambda tx: [tx.grants.insert(examples.grant(number)) for number in (1, 2)])
    assert store.read(ACME, lambda tx: tx.grants.get("g1")) == examples.grant(1)
    assert store.read(ACME, lambda tx: tx.grants.get("g3")) is None
    assert store.read(ACME, lambda tx: tx.grants.list()) == [examples.grant(2), examples.grant(1)]
    assert store.read(ACME, lambda tx: tx.grants.list(limit=1)) == [examples.grant(2)]
    with pytest.raises(Conflict):
        store.write(ACME, lambda tx: tx.grants.insert(examples.grant(1)))


@pytest.mark.parametrize(
    "changes",
    [{"state": "revoked"}, {"uses": 3}, {"expires_at": 100.0}, {"tool": "crm.note"}, {"tool_digest": "sha256:u"}],
)
def test_a_grant_that_is_revoked_used_up_expired_or_for_another_tool_is_not_active(store: SqlStore, changes) -> None:
    def work(tx):
        tx.grants.insert(examples.grant(1))
        tx.grants.insert(examples.grant(2, **changes))
        return tx.grants.active("billing.refund", "sha256:t", 100.0)

    assert store.write(ACME, work) == [examples.grant(1)]


def test_a_grant_gives_no_more_than_its_uses_also_to_sixteen_threads(store: SqlStore) -> None:
    store.write(ACME, lambda tx: tx.grants.insert(examples.grant()))
    with ThreadPoolExecutor(16) as threads:
        won = threads.map(lambda _: store.write(ACME, lambda tx: tx.grants.use("g1", 100.0)), range(16))
        assert sum(won) == 3
    assert store.read(ACME, lambda tx: tx.grants.get("g1")) == examples.grant(uses=3)


def test_a_grant_cannot_be_used_when_expired_or_revoked_and_is_revoked_once(store: SqlStore) -> None:
    store.write(ACME, lambda tx: tx.grants.insert(examples.grant()))
    assert not store.write(ACME, lambda tx: tx.grants.use("g1", examples.grant().expires_at))
    assert store.write(ACME, lambda tx: tx.grants.revoke("g1"))
    assert not store.write(ACME, lambda tx: tx.grants.revoke("g1"))
    assert not store.write(ACME, lambda tx: tx.grants.use("g1", 100.0))
    assert not store.write(ACME, lambda tx: tx.grants.use("g2", 100.0))
