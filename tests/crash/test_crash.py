"""Workers are killed mid-action; the verdict is that of billing's own ledger. `make crash` does this at size."""

import signal
from pathlib import Path

import pytest

from examples.support_desk import services
from tests.crash.boundaries import Order
from tests.crash.campaign import Plan, carry_out
from tests.crash.site import Site, eventually
from tests.crash.verdict import DUPLICATE, STRAY_UNKNOWN, judge
from tests.crash.worker import Task
from tests.databases import PostgresServer

pytestmark = [pytest.mark.crash, pytest.mark.slow]

#: The most dangerous ones: between intent, send, answer and result.
NAMED = (
    "before action.started",
    "after action.started",
    "started",
    "request",
    "in flight",
    "sent",
    "before action.succeeded",
    "after action.succeeded",
    "before run.waiting",
    "after approval.requested",
)

#: From the intent to the result, and on the way out of doubt.
T22_BOUNDARIES = (
    "before action.started",
    "after action.started",
    "started",
    "request",
    "in flight",
    "sent",
    "before action.in_doubt",
    "after action.in_doubt",
    "settled",
    "before action.reconciled",
    "after action.reconciled",
    "before action.succeeded",
    "after action.succeeded",
    "before run.finished",
)


def test_kills_of_the_one_worker_on_sqlite_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    with_kills(Site(tmp_path), Plan(kills=14, seed=5, named_share=10 / 14, boundaries=NAMED))


@pytest.mark.postgres
def test_kills_of_two_workers_on_postgres_lose_nothing_and_double_nothing(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    with_kills(
        Site(tmp_path, postgres_server.create()),
        Plan(kills=14, seed=6, workers=2, named_share=10 / 14, boundaries=NAMED),
    )


def with_kills(site: Site, plan: Plan) -> None:
    try:
        result = carry_out(site, plan)
    finally:
        site.close()
    assert result.violations == []
    assert result.hows.total() == plan.kills
    assert len(result.evidence.charges) >= plan.kills


def test_t22_an_effect_that_was_committed_before_the_time_out_stands_once_wherever_the_worker_is_killed(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path, timeout_s=0.5)
    reached: list[str] = []
    runs: list[str] = []
    try:
        for boundary in T22_BOUNDARIES:
            for service in (site.keyed, site.plain):
                site.arm(service, "commit_then_hang", delay_s=2.0)
            worker = site.start_worker(Task(Order(boundary, 1, signal.SIGKILL))).await_ready()
            runs += [site.start("one_charge"), site.start("one_plain")]
            eventually(lambda dead=worker: not dead.is_alive, why=f"{boundary} was not reached")
            reached += [name for name in T22_BOUNDARIES if worker.said("at", name)]
            site.bury(worker, boundary)
        site.start_worker().await_ready()
        eventually(lambda: site.ended(runs), why="the runs did not end")
        evidence = site.evidence()
    finally:
        site.close()
    assert reached == list(T22_BOUNDARIES)
    # A time-out is a doubt without a kill.
    assert [each for each in judge(evidence) if each.check != STRAY_UNKNOWN] == []
    assert sorted(charge.memo for charge in evidence.charges) == sorted(f"{run_id}/s1" for run_id in runs)


def test_t22_an_effect_without_a_way_out_of_doubt_waits_for_people_and_is_not_sent_again(tmp_path: Path) -> None:
    site = Site(tmp_path)
    try:
        worker = site.start_worker(Task(Order("in flight", 1, signal.SIGKILL))).await_ready()
        run_id = site.start("one_blind")
        eventually(lambda: not worker.is_alive)
        site.bury(worker, "in flight")
        site.start_worker().await_ready()
        eventually(lambda: site.status(run_id) == "unknown")
        assert judge(site.evidence()) == []
        assert len(services.requests(site.plain.data_dir)) == 1
        (row,) = site.olga.ledger(state="unknown")["items"]
        site.olga.resolve(row["key"], happened=True, reason="billing has it")
        eventually(lambda: site.ended([run_id]))
        evidence = site.evidence()
    finally:
        site.close()
    assert judge(evidence) == []
    assert len(evidence.plain_requests) == 1


def test_the_suite_notices_a_worker_that_sends_again_what_a_lost_one_had_started(tmp_path: Path) -> None:
    site = Site(tmp_path)
    try:
        worker = site.start_worker(Task(Order("in flight", 1, signal.SIGKILL))).await_ready()
        run_id = site.start("one_plain")
        eventually(lambda: not worker.is_alive)
        site.bury(worker, "in flight")
        site.start_worker(Task(sabotage="resend blindly")).await_ready()
        eventually(lambda: site.ended([run_id]))
        found = judge(site.evidence())
    finally:
        site.close()
    assert {violation.check for violation in found} == {DUPLICATE}
