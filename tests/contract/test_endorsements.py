"""The contracts of `clearway.ports.Endorsements` and `clearway.ports.Happenings`."""

from dataclasses import replace

import pytest

from clearway.adapters.sql.store import SqlStore
from clearway.model.endorsement import Endorsement
from clearway.model.history import Happening
from clearway.model.identity import Scope
from clearway.model.ledger import LedgerState
from clearway.ports import Tx
from tests.contract.examples import entry
from tests.databases import ACME

OTHERS = (Scope("rival", ACME.environment), Scope(ACME.tenant, "dev"))

ROW = Endorsement(
    endorsement_id="end_1",
    approval_id="apr_1",
    run_id="run1",
    user="user:dana",
    argument="payee",
    value_token="<ENDORSED:1abc>",
    by="user:amir",
    subject="user:amir",
    factor="finance",
    authenticated_by="key:k1",
    comment="rang them",
    at=1000.25,
    expires_at=2000.5,
    record_signature="k1:00ff",
)


def insert(store: SqlStore, *rows: Endorsement, scope: Scope = ACME) -> None:
    for row in rows:
        store.write(scope, lambda tx, row=row: tx.endorsements.insert(row))


def in_force(
    store: SqlStore, now: float, run_id: str = "run1", user: str = "user:dana", scope: Scope = ACME
) -> list[str]:
    return store.read(scope, lambda tx: [row.endorsement_id for row in tx.endorsements.in_force(run_id, user, now)])


def test_an_endorsement_is_read_back_as_it_was_written(store: SqlStore) -> None:
    insert(store, ROW)
    assert store.read(ACME, lambda tx: tx.endorsements.get("end_1")) == ROW
    assert store.read(ACME, lambda tx: tx.endorsements.get("end_2")) is None


def test_in_force_are_those_of_the_run_and_of_the_user_that_have_not_expired(store: SqlStore) -> None:
    insert(
        store,
        ROW,
        replace(ROW, endorsement_id="end_2", run_id="", at=1001.0),
        replace(ROW, endorsement_id="end_3", run_id="run2"),
        replace(ROW, endorsement_id="end_4", run_id="", user="user:eli"),
        replace(ROW, endorsement_id="end_5", expires_at=1500.0, at=999.0),
    )
    assert in_force(store, 1200.0) == ["end_5", "end_1", "end_2"]
    assert in_force(store, 1500.0) == ["end_1", "end_2"]
    assert in_force(store, 2000.5) == []
    assert in_force(store, 1600.0, run_id="run9") == ["end_2"]
    assert in_force(store, 1600.0, run_id="run9", user="user:eli") == ["end_4"]


def test_a_revoked_one_is_over_and_is_revoked_once(store: SqlStore) -> None:
    insert(store, ROW)
    assert store.write(ACME, lambda tx: tx.endorsements.revoke("end_1", 1100.0))
    assert not store.write(ACME, lambda tx: tx.endorsements.revoke("end_1", 1101.0))
    assert in_force(store, 1200.0) == []
    (row,) = store.read(ACME, lambda tx: tx.endorsements.list())
    assert row.revoked_at == 1100.0


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_t18_another_scope_sees_and_changes_none_of_them(store: SqlStore, other: Scope) -> None:
    insert(store, ROW)
    assert in_force(store, 1200.0, scope=other) == []
    assert store.read(other, lambda tx: (tx.endorsements.get("end_1"), tx.endorsements.list())) == (None, [])
    assert not store.write(other, lambda tx: tx.endorsements.revoke("end_1", 1100.0))


# --- Happenings ------------------------------------------------------------------------------------------------------


def happen(
    store: SqlStore,
    number: int,
    state: LedgerState,
    *,
    at: float = 1000.0,
    user: str = "user:dana",
    scope: Scope = ACME,
) -> None:
    def work(tx: Tx) -> None:
        row = entry(number, state=state, run_id=f"run{number % 2}", business_key=None)
        tx.ledger.insert(row)
        tx.happenings.add(
            [
                Happening(row.key, "<TARGET:1a>", "refund", user, at, True, "sealed"),
                Happening(row.key, "<TARGET:1b>", "refund", user, at, False, "sealed"),
            ]
        )

    store.write(scope, work)


def count(store: SqlStore, by: str, name: str, since: float = 0.0, but_not: str = "", scope: Scope = ACME) -> int:
    return store.read(scope, lambda tx: tx.happenings.count("refund", by, name, since, but_not=but_not))


@pytest.mark.parametrize(
    ("state", "counts"),
    [
        (LedgerState.CLAIMED, 1),
        (LedgerState.STARTED, 1),
        (LedgerState.SUCCEEDED, 1),
        (LedgerState.UNKNOWN, 1),
        (LedgerState.HELD, 0),
        (LedgerState.FAILED_RETRYABLE, 0),
        (LedgerState.FAILED_FINAL, 0),
        (LedgerState.REFUSED, 0),
    ],
)
def test_what_may_have_happened_counts_and_what_certainly_did_not_does_not(
    store: SqlStore, state: LedgerState, counts: int
) -> None:
    happen(store, 1, state)
    assert count(store, "user", "user:dana") == counts
    assert len(store.read(ACME, lambda tx: tx.happenings.amounts("refund", "tenant", "", 0.0, but_not=""))) == counts


def test_an_action_counts_once_for_its_user_and_once_for_each_target(store: SqlStore) -> None:
    happen(store, 1, LedgerState.SUCCEEDED)
    happen(store, 2, LedgerState.SUCCEEDED, at=2000.0, user="user:eli")
    assert [count(store, "user", name) for name in ("user:dana", "user:eli", "user:bo")] == [1, 1, 0]
    assert [count(store, "target", f"<TARGET:1{name}>") for name in "abc"] == [2, 2, 0]
    assert count(store, "tenant", "") == 2
    assert [count(store, "run", f"run{number}") for number in (0, 1, 2)] == [1, 1, 0]
    assert count(store, "tenant", "", since=1000.0) == 1
    assert count(store, "tenant", "", but_not="sha256:2") == 1


def test_the_same_claim_again_adds_nothing(store: SqlStore) -> None:
    happen(store, 1, LedgerState.SUCCEEDED)
    again = [Happening("sha256:1", "<TARGET:1a>", "refund", "user:dana", 5000.0, True, "sealed")]
    store.write(ACME, lambda tx: tx.happenings.add(again))
    assert count(store, "tenant", "", since=1500.0) == 0


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_t18_another_scope_counts_none_of_it(store: SqlStore, other: Scope) -> None:
    happen(store, 1, LedgerState.SUCCEEDED)
    assert [count(store, by, name, scope=other) for by, name in (("tenant", ""), ("user", "user:dana"))] == [0, 0]
