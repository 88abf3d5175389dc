"""The contract of `clearway.ports.Reports`: bounded, in order, of one scope, by an index; and what is made of it."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text

from clearway.adapters.sql.store import SqlStore
from clearway.model.approval import Approval, ApprovalState
from clearway.model.decision import Factor
from clearway.model.errors import Invalid
from clearway.model.identity import Principal, Scope
from clearway.model.ledger import LedgerState
from clearway.model.run import RunStatus
from clearway.operate import inbox
from clearway.operate.overview import overview
from tests.contract import examples
from tests.databases import ACME

GLOBEX = Scope("globex", "prod")

CY = Principal("user", "cy", ACME, groups=frozenset({"finance"}))


def _waits(now: float, number: int, impact: str, left_s: float, **changes: Any) -> Approval:
    values = {"factors": (Factor("finance", 1),), "expires_at": now + left_s, "impact": impact, "excluded": ()}
    return examples.approval(number, **{**values, **changes})


def _fill(store: SqlStore) -> None:
    def work(tx: Any) -> None:
        for number, impact, left_s in (
            (1, "read", 5_000),
            (2, "external", 7_000),
            (3, "internal_write", 4_000),
            (4, "read", 60),
            (5, "external", 6_000),
            (6, "external", 120),
            (7, "external", -5),
        ):
            tx.approvals.insert(_waits(tx.now, number, impact, left_s))
        others = {"factors": (Factor("security", 1),)}
        tx.approvals.insert(_waits(tx.now, 8, "external", 30, **others))
        tx.approvals.insert(_waits(tx.now, 9, "external", 30, state=ApprovalState.REJECTED))

    store.write(ACME, work)
    store.write(GLOBEX, lambda tx: tx.approvals.insert(_waits(tx.now, 70, "external", 30)))


def _ids(page: dict[str, Any]) -> list[str]:
    return [item["approval_id"] for item in page["items"]]


def test_what_expires_soon_comes_first_and_then_the_most_dangerous(store: SqlStore) -> None:
    _fill(store)
    page = store.read(ACME, lambda tx: inbox.waiting(tx, CY, everyone=False, limit=50, cursor=None))
    assert _ids(page) == ["ap4", "ap6", "ap5", "ap2", "ap3", "ap1"]
    assert (page["next"], page["left"]) == (None, 7)
    everybody = store.read(ACME, lambda tx: inbox.waiting(tx, CY, everyone=True, limit=50, cursor=None))
    assert _ids(everybody)[0] == "ap8"


def test_pages_of_the_inbox_hold_each_row_once(store: SqlStore) -> None:
    _fill(store)
    found: list[str] = []
    cursor = None
    for _ in range(10):
        page = store.read(ACME, lambda tx, c=cursor: inbox.waiting(tx, CY, everyone=False, limit=2, cursor=c))
        found += _ids(page)
        cursor = page["next"]
        if cursor is None:
            break
    assert found == ["ap4", "ap6", "ap5", "ap2", "ap3", "ap1"]


@pytest.mark.parametrize("cursor", ["WzEsIjk6eCJd", "WzEsIng6eSJd", "nonsense"])
def test_a_cursor_of_somebody_elses_making_is_refused(store: SqlStore, cursor: str) -> None:
    with pytest.raises(Invalid):
        store.read(ACME, lambda tx: inbox.waiting(tx, CY, everyone=True, limit=2, cursor=cursor))


def test_one_page_looks_at_so_many_rows_at_most_and_the_next_goes_on(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(store)
    monkeypatch.setattr(inbox, "MOST_LOOKED_AT", 3)
    stranger = Principal("user", "cy", ACME, groups=frozenset({"security"}))
    page = store.read(ACME, lambda tx: inbox.waiting(tx, stranger, everyone=False, limit=5, cursor=None))
    assert _ids(page) == ["ap8"]
    assert page["next"]
    page = store.read(ACME, lambda tx: inbox.waiting(tx, stranger, everyone=False, limit=5, cursor=page["next"]))
    assert _ids(page) == []
    assert page["next"]


@pytest.mark.parametrize(
    ("who", "changes", "word"),
    [
        (CY, {}, ""),
        (CY, {"excluded": ("user:cy",)}, "somebody else"),
        (CY, {"factors": (Factor("security", 1),)}, "1 of security"),
        (Principal("service", "bot", ACME, groups=frozenset({"finance"})), {}, "Only people"),
        (Principal("user", "cy", ACME, frozenset({"admin"}), frozenset({"finance"})), {}, "admin"),
    ],
)
def test_why_somebody_cannot_decide_is_told_beforehand(who: Principal, changes: dict[str, Any], word: str) -> None:
    said = inbox.why_not(_waits(0.0, 1, "read", 1, **changes), who, [])
    assert word in said
    assert bool(said) is bool(word)


def test_whoever_has_voted_is_not_asked_again(store: SqlStore) -> None:
    two = (Factor("finance", 2),)

    def work(tx: Any) -> None:
        tx.approvals.insert(_waits(tx.now, 1, "read", 90, factors=two))
        tx.approvals.add_vote(examples.vote("user:cy"))

    store.write(ACME, work)
    page = store.read(ACME, lambda tx: inbox.waiting(tx, CY, everyone=False, limit=5, cursor=None))
    assert _ids(page) == []


def test_what_was_asked_before_puts_the_same_targets_first_and_tells_how_it_ended(store: SqlStore) -> None:
    def shown(account: str) -> dict[str, Any]:
        return {"summary": "Refund", "user": "user:ana", "targets": [{"kind": "account", "id": account, "tenant": ""}]}

    def work(tx: Any) -> None:
        for number, account in ((1, "1"), (2, "2"), (3, "2"), (4, "1")):
            tx.approvals.insert(examples.approval(number, presented=shown(account)))
        tx.approvals.insert(examples.approval(5, tool="other", presented=shown("1")))
        tx.approvals.add_vote(examples.vote(comment="as last time"))

    store.write(ACME, work)
    found = store.read(ACME, lambda tx: inbox.before(tx, tx.approvals.get("ap4")))
    assert [(one["approval_id"], one["same_targets"]) for one in found] == [
        ("ap1", True),
        ("ap3", False),
        ("ap2", False),
    ]
    assert found[0]["deciders"] == ["by user:cy"]


def test_the_overview_counts_the_window_and_the_scope(store: SqlStore) -> None:
    def work(tx: Any) -> None:
        for number, status, ago, took in (
            (1, RunStatus.DONE, 10, 1.0),
            (2, RunStatus.DONE, 20, 3.0),
            (3, RunStatus.FAILED, 30, 2.0),
            (4, RunStatus.RUNNING, 40, None),
            (5, RunStatus.DONE, 90_000, 1.0),
        ):
            at = tx.now - ago
            end = None if took is None else at + took
            tx.runs.insert(examples.run(number, status=status, created_at=at, finished_at=end))
        for number, state, took in ((1, "consumed", 60.0), (2, "rejected", 120.0), (3, "pending", None)):
            at = tx.now - 600
            end = None if took is None else at + took
            changes = {"state": ApprovalState(state), "requested_at": at, "decided_at": end, "expires_at": tx.now + 9}
            tx.approvals.insert(examples.approval(number, **changes))

    store.write(ACME, work)
    store.write(GLOBEX, lambda tx: tx.runs.insert(examples.run(9, created_at=tx.now)))
    found = store.read(ACME, lambda tx: overview(tx, "day"))
    assert found["runs"]["count"] == 4
    assert found["runs"]["success"] == pytest.approx(2 / 3)
    assert found["runs"]["p50_s"] == pytest.approx(2.0, abs=1e-3)
    assert found["approvals"]["approve_rate"] == 0.5
    assert found["approvals"]["answer_s"] == pytest.approx(90.0, abs=1e-3)
    assert (found["approvals"]["waiting"], found["approvals"]["by_policy"]) == (1, [("refund-high", 3)])
    assert sum(bar.get("done", 0) for bar in found["bars"]) == 2
    empty = store.read(ACME, lambda tx: overview(tx, "hour"))
    assert empty["runs"]["count"] == 4
    assert not empty["cut"]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda tx: tx.reports.waiting(since=1.0, until=9.0), "approvals_expiring"),
        (lambda tx: tx.reports.waiting(since=1.0, impact="read"), "approvals_by_impact"),
        (lambda tx: tx.reports.waiting(since=1.0, impact="read", after=(1.0, "x")), "approvals_by_impact"),
        (lambda tx: tx.reports.waiting_count(1.0), "approvals_expiring"),
        (lambda tx: tx.reports.asked_before("refund", 1.0), "approvals_by_tool"),
        (lambda tx: tx.reports.run_times(1.0, limit=5), "runs_newest"),
        (lambda tx: tx.reports.asked_for(1.0, limit=5), "approvals_newest"),
        (lambda tx: tx.approvals.list(run_id="run1"), "approvals_by_run"),
        (lambda tx: tx.runs.list(before=(9.0, "run1")), "runs_newest"),
        (lambda tx: tx.runs.list(skill="rare", before=(9.0, "run1")), "runs_by_skill"),
        (lambda tx: tx.runs.list(skill="rare", correlation_id="case7"), "runs_by_"),
        (lambda tx: tx.runs.list(held=True), "runs_held"),
        (lambda tx: tx.approvals.list(state=ApprovalState.REJECTED), "approvals_by_state"),
        (lambda tx: tx.runs.list(), "runs_newest"),
        (lambda tx: tx.runs.list(status=RunStatus.FAILED), "runs_by_status"),
        (lambda tx: tx.runs.list(skill="desk"), "runs_by_skill"),
        (lambda tx: tx.runs.list(correlation_id="c"), "runs_by_correlation"),
        (lambda tx: tx.ledger.list(state=LedgerState.UNKNOWN), "ledger_open"),
        (lambda tx: tx.notices.newest(limit=5), "notices"),
        (lambda tx: tx.audit.read(run_id="run1"), "events_by_run"),
    ],
)
def test_each_read_is_served_by_an_index_and_sorts_nothing(
    store: SqlStore, database_engine: Engine, ask: Callable[[Any], Any], index: str
) -> None:
    asked: list[str] = []

    def work(tx: Any) -> None:
        driver = tx.reports._session.connection.connection.driver_connection
        driver.set_trace_callback(asked.append)
        ask(tx)
        driver.set_trace_callback(None)

    store.read(ACME, work)
    with database_engine.connect() as connection:
        plan = str(connection.execute(text(f"EXPLAIN QUERY PLAN {asked[-1]}".replace(":", "\\:"))).fetchall())
    assert index in plan, plan
    assert "SCAN" not in plan
    assert "seq>?" not in plan.replace("run_id=? AND seq>?", ""), "looks through the whole log"
    assert "TEMP B-TREE" not in plan
