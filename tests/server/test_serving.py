"""`clearway serve` as a process: the link, the signals, and runs under way when it is told to stop."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from clearway.app import Clearway
from clearway.cli.main import main
from clearway.model.identity import Scope
from tests.server.site import LARGE, SMALL, Site, running


@dataclass
class Process:
    child: subprocess.Popen[str]
    url: str
    token: str
    said: list[str]

    def end(self, number: int = signal.SIGTERM, wait_s: float = 30.0) -> int:
        self.child.send_signal(number)
        return self.child.wait(wait_s)


@contextmanager
def served(project: Path, *words: str) -> Iterator[Process]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    ready = project / "ready"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CLEARWAY_")}
    command = [sys.executable, "-W", "error", "-m", "clearway", "serve", "--project", str(project), "--port", str(port)]
    child = subprocess.Popen(
        [*command, "--ready-file", str(ready), *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
    )
    said: list[str] = []
    assert child.stderr is not None
    thread = threading.Thread(target=lambda: said.extend(child.stderr or ()), daemon=True)
    try:
        for line in child.stderr:
            said.append(line)
            if "sign in, once" in line:
                break
        else:
            raise AssertionError("".join(said))
        thread.start()
        token = re.search(r"#token=(\S+)", said[-1])
        assert token
        yield Process(child, f"http://127.0.0.1:{port}", token[1], said)
    finally:
        if child.poll() is None:
            child.kill()
        child.wait(30)
        if thread.ident is not None:
            thread.join(30)
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()


def test_it_serves_signs_in_once_carries_runs_out_and_stops_when_told(project: Path) -> None:
    with served(project) as process, httpx.Client(base_url=process.url, trust_env=False) as client:
        page = {"content-type": "application/json", "sec-fetch-site": "same-origin"}
        assert (project / "ready").read_text().strip() == str(process.child.pid)
        assert client.get("/healthz").json()["data"] == {"status": "ok"}
        ways = client.get("/v1/sign-in").json()["data"]
        assert ways == {"oidc": None, "start_token": True}
        body = {"token": process.token, "user": "dana"}
        signed = client.post("/v1/session", json=body, headers=page)
        assert (signed.status_code, signed.json()["data"]["environment"]) == (201, "dev")
        assert client.post("/v1/session", json=body, headers=page).status_code == 401
        page["cookie"] = signed.headers["set-cookie"].partition(";")[0]
        run_id = client.post("/v1/runs", json=SMALL, headers=page).json()["data"]["run_id"]
        with client.stream("GET", f"/v1/runs/{run_id}/events", headers=page) as events:
            assert "event: end" in events.read().decode()
        readiness = client.get("/readyz").json()["data"]
        assert readiness == {"status": "ready", "carries": True, "carried": True}
        client.close()
        assert process.end() == 0
    assert not (project / "ready").exists()
    text = "".join(process.said)
    assert "stopping (SIGTERM)" in text
    assert "Traceback" not in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_finishes_what_it_has_begun_and_loses_nothing(project: Path, number: int) -> None:
    with Clearway.open(project) as app, running(app, work=False) as site:
        key = site.key("dana")
    auth = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    with served(project) as process, httpx.Client(base_url=process.url, headers=auth, trust_env=False) as client:
        ids = [client.post("/v1/runs", json=SMALL).json()["data"]["run_id"] for _ in range(15)]
        client.close()
        assert process.end(number) == 0
    with Clearway.open(project) as app, app.working():
        ops = app.acting_with_key(key)
        for run_id in ids:
            record = ops.wait(run_id)
            assert (record["status"], [s["attempts"] for s in record["steps"]]) == ("done", [1, 1])


def test_a_run_under_way_is_finished_and_its_listener_comes_back_to_all_of_it(app: Clearway) -> None:
    folder = app.project.folder
    heard: list[str] = []
    with running(app, drain_s=20) as site, site.client("dana") as client:
        slow = {"text": "x", "skill": "notice", "input": {"board": "slow"}}
        run_id = client.post("/v1/runs", json=slow).json()["data"]["run_id"]
        _await(folder / "started")

        def hear() -> None:
            with site.client("dana") as own, own.stream("GET", f"/v1/runs/{run_id}/events") as answer:
                heard.extend(line for line in answer.iter_lines() if line.startswith("event:"))

        thread = threading.Thread(target=hear)
        thread.start()
        for _ in range(3000):
            if heard:
                break
            threading.Event().wait(0.01)
        threading.Timer(0.3, (folder / "go-on").touch).start()
    thread.join(30)
    assert not thread.is_alive()
    assert heard[-1] != "event: end"
    record = app.store.read(Scope("acme", "prod"), lambda tx: tx.runs.get(run_id))
    assert record is not None
    entries = app.store.read(Scope("acme", "prod"), lambda tx: tx.ledger.of_run(run_id))
    assert [(e.state.value, e.attempt) for e in entries] == [("succeeded", 1)]
    with running(app) as site, site.client("dana") as client:
        site.ended(run_id, final=True)
        again = client.get(f"/v1/runs/{run_id}/events", headers={"last-event-id": "0"}).text
        assert "event: run.finished" in again


def test_closing_is_said_at_readyz_and_no_new_stream_begins(still: Site) -> None:
    with still.client("dana") as client:
        still.served.site.closing.set()
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["code"]) == (503, "closing")
        assert ready.headers["retry-after"] == "1"
        assert client.get("/healthz").status_code == 200
        assert client.get("/v1/runs").status_code == 200
        assert client.get("/v1/events").json()["code"] == "closing"


def test_a_server_takes_over_when_the_worker_before_it_ends(project: Path) -> None:
    with Clearway.open(project) as worker:
        worker.serve()
        with Clearway.open(project) as app, running(app) as site, site.client("dana") as client:
            assert client.get("/readyz").json()["data"] == {"status": "ready", "carries": False, "carried": True}
            worker.stop()
            run_id = client.post("/v1/runs", json=LARGE).json()["data"]["run_id"]
            assert site.ended(run_id)["status"] == "waiting"
            assert client.get("/readyz").json()["data"]["carries"] is True


def test_without_a_worker_it_serves_and_carries_nothing_out(project: Path) -> None:
    with served(project, "--no-worker") as process, httpx.Client(base_url=process.url, trust_env=False) as client:
        assert client.get("/readyz").json()["data"] == {"status": "ready", "carries": False, "carried": False}


def test_a_taken_port_and_an_open_bind_are_refused(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLEARWAY_KEY", raising=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        words = ("serve", "--project", str(project), "--no-worker", "--json", "--port", str(taken.getsockname()[1]))
        assert main(words) == 1
        assert json.loads(capsys.readouterr().out)["error"]["code"] == "address"
        assert main((*words, "--host", "0.0.0.0")) == 2
        assert json.loads(capsys.readouterr().out)["error"]["code"] == "bind"
        assert main((*words, "--cert", "x.pem")) == 2
        assert json.loads(capsys.readouterr().out)["error"]["code"] == "tls"


def _await(path: Path) -> None:
    for _ in range(6000):
        if path.exists():
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"{path.name} did not come")
