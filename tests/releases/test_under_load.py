"""A roll-back while requests arrive: four worker processes on one Postgres, and clients that do not pause."""

import os
import threading
import time
import warnings
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

import clearway.adapters.dbos_engine.dbos_process  # noqa: F401 - imported before the fork
from clearway.app import Clearway
from clearway.model.event import RecordedEvent
from clearway.model.identity import Scope
from tests.crash.site import eventually
from tests.databases import PostgresServer
from tests.releases.desk import FILES, write
from tests.releases.workers import processes, work

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

DEV = Scope("acme", "dev")
WORKERS, CLIENTS = 4, 3
#: How long requests arrive before the roll-back and after it, in seconds.
BEFORE_S, AFTER_S = 5.0, 4.0
#: A client's pause between two requests.
PACE_S = 0.15
#: From the acknowledgement of the roll-back on, nothing is decided by the release that went.
GRACE_S = 1.0

GOOD, BAD = "support-good", "support-bad"
TWO_STEPS = """

@skill(tools=[look, refund])
async def both(run: Run, account: str = "a1", amount_minor: int = 1) -> object:
    "Reads, refunds, and reads again."
    await run.call(look, account=account)
    await run.call(refund, account=account, amount_minor=amount_minor)
    return await run.call(look, account=account)
"""


def ask(folder: str, url: str, name: str, link: "Connection[Any, Any]") -> None:
    """A client's program: starts runs until it is told to stop; sends the ids of those that were accepted."""
    os.setsid()
    warnings.simplefilter("error")
    accepted: list[str] = []
    with Clearway.open(folder, store_url=url) as app:
        dana = app.acting("dana")
        link.send("ready")
        link.recv()
        while not link.poll(PACE_S):
            given = {"amount_minor": len(accepted) + 1}
            started = dana.start("", skill="both", input=given, key=f"{name}-{len(accepted)}")
            accepted.append(str(started["run_id"]))
        link.send(accepted)


def released(folder: Path, url: str, policy: str) -> str:
    """Puts the project in force with `policy` as the id of what permits support's calls."""
    text = FILES["policies/main.cedar"].replace('@id("support")', f'@id("{policy}")')
    (folder / "policies" / "main.cedar").write_text(text)
    with Clearway.open(folder, store_url=url) as app:
        olga = app.acting("olga").caller
        digest = str(app.shelf.cut(olga, policy)["digest"])
        app.rollout.promote(olga, digest, "to try it")
        return digest


def decided(events: list[RecordedEvent], policy: str) -> list[RecordedEvent]:
    """What `policy` decided: claims of effects, and reads as they were recorded."""
    return [event for event in events if policy in ((event.payload or {}).get("policies") or ())]


def at(event: RecordedEvent) -> float:
    return datetime.fromisoformat(event.at).timestamp()


def test_after_a_roll_back_nothing_is_decided_by_the_release_that_went_and_no_request_is_lost(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    url, folder = postgres_server.create(), write(tmp_path / "desk")
    (folder / "skills" / "desk.py").write_text(FILES["skills/desk.py"] + TWO_STEPS)
    good = released(folder, url, GOOD)
    bad = released(folder, url, BAD)
    rest = threading.Event()
    with (
        Clearway.open(folder, store_url=url) as app,
        processes(work, WORKERS, str(folder), url) as workers,
        processes(ask, CLIENTS, str(folder), url, named=True) as clients,
    ):
        for client in clients:
            client.link.send("go")
        rest.wait(BEFORE_S)
        begun = time.monotonic()
        back = app.rollout.rollback(app.acting("olga").caller, "it is wrong")
        acknowledged, took_s = app.store.read(DEV, lambda tx: tx.now), time.monotonic() - begun
        assert (back["active"], back["rolled_back"]) == (good, bad)
        rest.wait(AFTER_S)
        for client in clients:
            client.link.send("stop")
        accepted = [run_id for client in clients for run_id in client.link.recv()]
        reading = app.reading()
        eventually(lambda: all(reading.run_status(run_id)["final"] for run_id in accepted), 120, why="runs are lost")

        events = app.store.read(DEV, lambda tx: tx.audit.read(limit=100_000))
        by_bad, by_good = decided(events, BAD), decided(events, GOOD)
        late = [e for e in by_bad if at(e) > acknowledged + GRACE_S]
        moved = max(e.seq for e in events if e.kind == "release.rolled_back")
        ended = {run_id: reading.run_status(run_id)["status"] for run_id in accepted}
        print(
            f"\n{len(accepted)} requests; rolled back in {took_s * 1000:.0f} ms, {len(back['runs'])} runs under way, "
            f"decisions: {len(by_bad)} of the bad release, {len(by_good)} of the good one; the last of the bad one "
            f"{max(map(at, by_bad)) - acknowledged:+.3f} s from the acknowledgement"
        )
        assert late == []
        assert [e for e in by_bad if e.kind == "action.started" and e.seq > moved] == [], "a claim looks in its commit"
        assert set(ended.values()) == {"done"}, "none lost, none refused"
        assert by_bad, "the bad release decided before"
        assert by_good, "the good one decides since"
        runs = app.store.read(DEV, lambda tx: {run_id: tx.runs.get(run_id) for run_id in accepted})
        of_bad = {run_id for run_id, run in runs.items() if run is not None and run.release == bad}
        assert of_bad, "some were accepted under the bad release"
        assert set(accepted) - of_bad, "some were accepted afterwards"
        after = {run.release for run in runs.values() if run is not None and run.created_at > acknowledged}
        assert after == {good}, "a request after the acknowledgement is pinned to the good release"
        assert {w.process.exitcode for w in workers} == {None}, "every worker lived through it"
        for worker in workers:
            worker.end()
        assert {w.process.exitcode for w in workers} == {0}
