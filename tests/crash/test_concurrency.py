"""Several processes on one store: races for approvals and passes, frozen workers, and a store that refuses writes."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from clearway.adapters.sql.engine import open_engine, open_engine_for_dbos
from clearway.model.errors import Unavailable
from clearway.model.ledger import LedgerState
from examples.support_desk import services
from tests.crash.boundaries import Order
from tests.crash.full_store import Limit
from tests.crash.racer import Race
from tests.crash.site import APPROVERS, Site, eventually
from tests.crash.verdict import STRAY_UNKNOWN, judge
from tests.crash.worker import Task
from tests.databases import PostgresServer

pytestmark = [pytest.mark.crash, pytest.mark.slow]

RACERS = 16
APPROVALS = 200
#: Nobody is killed: a worker that the machine lets wait is not to be taken for dead.
ALIVE = Task(dead_after_s=120.0)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    url = request.getfixturevalue("postgres_server").create() if request.param == "postgres" else None
    made = Site(tmp_path, url)
    yield made
    made.close()


@pytest.fixture
def sqlite_site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.fixture
def postgres_site(tmp_path: Path, postgres_server: PostgresServer) -> Iterator[Site]:
    made = Site(tmp_path, postgres_server.create())
    yield made
    made.close()


@pytest.fixture
def hasty_postgres_site(tmp_path: Path, postgres_server: PostgresServer) -> Iterator[Site]:
    made = Site(tmp_path, postgres_server.create(), timeout_s=1.0)
    yield made
    made.close()


# --- Races -----------------------------------------------------------------------------------------------------------


def held(site: Site, count: int) -> tuple[tuple[str, str, str], ...]:
    """Starts runs until that many approvals wait: (approval, run, presented digest)."""
    for number in range(count):
        site.start("one_held", 100 + number)
    eventually(lambda: len(site.amir.approvals(limit=500)["items"]) == count, 300)
    found = [site.amir.approval(line["approval_id"]) for line in site.amir.approvals(limit=500)["items"]]
    return tuple((each["approval_id"], each["run_id"], each["presented_digest"]) for each in found)


def race(site: Site, races: list[Race]) -> list[Counter[str]]:
    racers = [site.start_racer(each) for each in races]
    for racer in racers:
        racer.await_ready()
    for racer in racers:
        racer.go()
    return [racer.result() for racer in racers]


def test_t14_sixteen_processes_racing_two_hundred_approvals_make_one_effect_each(site: Site) -> None:
    for worker in [site.start_worker(ALIVE) for _ in range(1 if site.is_sqlite else 3)]:
        worker.await_ready()
    approvals = held(site, APPROVALS)
    codes = race(
        site, [Race(APPROVERS[number % len(APPROVERS)], approvals, wakes=number % 4 == 0) for number in range(RACERS)]
    )
    eventually(lambda: site.ended(site.acknowledged), 300)
    evidence = site.evidence()
    assert judge(evidence) == []
    assert sum(codes, Counter[str]())["done"] == APPROVALS
    assert all(set(each) <= {"done", "already_decided", "already_voted"} for each in codes)
    assert [len(voters) for voters in evidence.voters.values()] == [1] * APPROVALS
    assert len(evidence.charges) == len(evidence.keyed_requests) == APPROVALS
    assert sum(event.kind == "approval.approved" for event in evidence.events) == APPROVALS


def test_t14_processes_that_carry_out_the_same_passes_at_once_make_one_effect_each(site: Site) -> None:
    worker = site.start_worker().await_ready()
    approvals = held(site, 24)
    site.workers.remove(worker)
    worker.stop()
    site.approve_all()
    race(site, [Race("dana", approvals, carries_out=True) for _ in range(4)])
    site.start_worker().await_ready()
    eventually(lambda: site.ended(site.acknowledged), 300)
    evidence = site.evidence()
    # The same pass in several processes is what a zombie looks like: who took over was in doubt, without a kill.
    assert [each for each in judge(evidence) if each.check != STRAY_UNKNOWN] == []
    assert len(evidence.charges) == len(approvals)


@pytest.mark.postgres
def test_two_workers_on_one_postgres_share_the_work_and_carry_each_run_out_once(postgres_site: Site) -> None:
    site = postgres_site
    for worker in [site.start_worker(ALIVE) for _ in range(2)]:
        worker.await_ready()
    for number in range(60):
        site.start("one_charge" if number % 2 else "one_plain")
    eventually(lambda: site.ended(site.acknowledged), 300)
    evidence = site.evidence()
    assert judge(evidence) == []
    assert len(evidence.charges) == len(evidence.keyed_requests) + len(evidence.plain_requests) == 60
    kinds = Counter(event.kind for event in evidence.events)
    assert (kinds["run.started"], kinds["run.resumed"], kinds["action.started"]) == (60, 0, 60)
    with site.app.storage.sql.connect() as connection:
        executors = connection.execute(text("SELECT count(DISTINCT executor_id) FROM clearway_engine.workflow_status"))
        assert executors.scalar_one() == 2


# --- Zombies ---------------------------------------------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("skill", "boundary", "ends", "requests"),
    [
        ("one_charge", "in flight", "done", 2),  # resent under the same key, which billing honours
        ("one_charge", "request", "done", 2),  # sent late, by the zombie: billing knows the key
        ("one_plain", "in flight", "done", 1),  # found by a lookup
        ("one_plain", "started", "done", 1),  # not found, sent by the successor, and not by the zombie
        ("one_blind", "in flight", "unknown", 1),
    ],
)
def test_t23_a_worker_frozen_past_its_lease_writes_nothing_and_doubles_nothing_once_it_wakes(
    hasty_postgres_site: Site, skill: str, boundary: str, ends: str, requests: int
) -> None:
    site = hasty_postgres_site
    zombie = site.start_worker(Task(Order(boundary, 1, signal.SIGSTOP), dead_after_s=1.0)).await_ready()
    run_id = site.start(skill)
    eventually(lambda: zombie.said("at", boundary))
    frozen = time.monotonic()
    site.start_worker(Task(dead_after_s=1.0)).await_ready()
    eventually(lambda: site.status(run_id) == ends)
    eventually(lambda: time.monotonic() - frozen > 2.5)  # over the gate's send window, too
    before = site.evidence()
    os.kill(zombie.pid, signal.SIGCONT)
    site.workers.remove(zombie)
    assert zombie.stop() == 0
    after = site.evidence()
    assert site.status(run_id) == ends
    assert after.entries == before.entries
    assert [event.kind for event in after.events] == [event.kind for event in before.events]
    assert len(after.charges) == 1
    assert len(after.keyed_requests) + len(after.plain_requests) == requests
    assert [each for each in judge(after) if each.check != STRAY_UNKNOWN] == []  # frozen, not killed


# --- A store that refuses --------------------------------------------------------------------------------------------


@pytest.fixture
def own_limit() -> Iterator[Limit]:
    """What the store refuses to this process, the client."""
    limit = Limit(busy_timeout_s=0.2)
    yield limit
    limit.remove()


def test_t38_while_the_store_is_full_nothing_is_sent_unrecorded_and_no_acknowledged_run_is_lost(
    sqlite_site: Site, own_limit: Limit
) -> None:
    site = sqlite_site
    worker = site.start_worker(Task(busy_timeout_s=0.2)).await_ready()
    worker.tell("full")
    for _ in range(12):
        site.start("one_charge")
    log = site.folder / "worker.log"
    eventually(lambda: "store_full" in log.read_text())
    own_limit.is_full = True
    assert first_refusal(site) == "store_full"
    own_limit.is_full = False
    unrecorded = {charge.memo for charge in services.charges(site.keyed.data_dir)} - {
        f"{event.run_id}/{event.step_id}" for event in site.evidence().events if event.kind == "action.started"
    }
    assert unrecorded == set()
    worker.tell("room")
    eventually(lambda: site.ended(site.acknowledged), 300)
    assert [each for each in judge(site.evidence()) if each.check != STRAY_UNKNOWN] == []


def first_refusal(site: Site) -> str:
    """Asks until what was free within the file is used up; returns the refusal's code."""
    for _ in range(1000):
        try:
            site.start("one_charge")
        except Unavailable as error:
            return error.code
    return "none"


def test_t38_while_the_store_is_locked_nothing_is_sent_and_what_was_sent_is_recorded_afterwards(
    sqlite_site: Site, own_limit: Limit
) -> None:
    site = sqlite_site
    site.start_worker(Task(busy_timeout_s=0.2)).await_ready()
    site.arm(site.keyed, "slow", delay_s=0.5)
    sent = site.start("one_charge")
    eventually(lambda: services.charges(site.keyed.data_dir))
    waiting = [site.start("one_plain") for _ in range(3)]
    with site.app.storage.sql.begin():  # the write lock; the charge's answer arrives meanwhile
        before = len(services.requests(site.plain.data_dir))
        for _ in range(6):
            with pytest.raises(Unavailable) as refused:
                site.start("one_charge")
            assert refused.value.code == "store_locked"
        assert len(services.requests(site.plain.data_dir)) <= before + 1  # one may have been under way
    eventually(lambda: site.ended([sent, *waiting]), 300)
    evidence = site.evidence()
    assert [each for each in judge(evidence) if each.check != STRAY_UNKNOWN] == []
    assert len(evidence.charges) == 4
    assert all(entry.state is LedgerState.SUCCEEDED for entry in evidence.entries)


def test_opening_a_store_again_keeps_the_locks_that_the_process_holds_on_it(tmp_path: Path) -> None:
    """Closing any descriptor of a SQLite file drops the process' locks on it (sqlite.org/howtocorrupt.html, 2.2)."""
    path = tmp_path / "clearway.db"
    engine = open_engine(f"sqlite:///{path}")
    program = (
        "import sqlite3, sys\n"
        "other = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)\n"
        "try:\n    other.execute('BEGIN IMMEDIATE')\n"
        "except sqlite3.OperationalError as error:\n    print(error)\n"
        "other.close()"
    )
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE ours (id text)"))
        open_engine_for_dbos(f"sqlite:///{path}").dispose()
        other = subprocess.run([sys.executable, "-c", program, str(path)], check=True, capture_output=True, text=True)
    engine.dispose()
    assert other.stdout.strip() == "database is locked"
