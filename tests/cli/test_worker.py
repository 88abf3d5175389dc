"""`clearway worker` as a process of its own."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import LARGE, SMALL, Cli

LONGEST_S = 60.0


@pytest.fixture
def worker(project: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    ready = tmp_path / "ready"
    words = (
        sys.executable,
        "-W",
        "error",
        "-m",
        "clearway",
        "worker",
        "--project",
        str(project),
        "--ready-file",
        str(ready),
    )
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: ready.exists() or process.poll() is not None)
        assert process.poll() is None, process.communicate()[1]
        assert ready.read_text() == f"{process.pid}\n"
        yield process
        process.kill()


@pytest.mark.slow
def test_a_worker_carries_runs_out_until_it_is_told_to_stop(
    worker: subprocess.Popen[str],
    cli: Cli,
    tmp_path: Path,
) -> None:
    assert cli(*SMALL).code == 0
    waiting = cli(*LARGE, "--json")
    assert (waiting.code, waiting.data["status"]) == (4, "waiting")

    second = cli("worker", "--no-wait")
    assert second.code == 1
    assert second.err.splitlines() == [second.err.strip()]
    assert f"error: Process {worker.pid} carries out" in second.err

    worker.send_signal(signal.SIGTERM)
    _, err = worker.communicate(timeout=LONGEST_S)
    assert worker.returncode == 0
    assert err.startswith("ready: project cli-desk")
    assert "SIGTERM" in err
    assert "Traceback" not in err
    assert not (tmp_path / "ready").exists()


@pytest.mark.slow
def test_a_run_goes_on_here_when_the_worker_dies(worker: subprocess.Popen[str], cli: Cli) -> None:
    os.kill(worker.pid, signal.SIGSTOP)  # it serves, but does nothing

    def die() -> None:
        worker.kill()
        worker.wait()

    dying = threading.Timer(0.5, die)
    dying.start()
    ended = cli(*SMALL, "--wait", "30")
    dying.join()
    assert ended.code == 0


@pytest.mark.slow
def test_a_second_worker_waits_until_it_is_told_to_stop_or_the_first_has_ended(
    worker: subprocess.Popen[str],
    project: Path,
    tmp_path: Path,
) -> None:
    stale = tmp_path / "second"
    stale.write_text("1\n")
    words = (sys.executable, "-m", "clearway", "worker", "--project", str(project), "--ready-file", str(stale))
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as second:
        assert second.stderr is not None
        assert f"waiting for process {worker.pid}, which carries this database's runs" in second.stderr.readline()
        assert not stale.exists()
        worker.send_signal(signal.SIGTERM)
        wait_until(lambda: stale.exists() or second.poll() is not None)
        assert stale.read_text() == f"{second.pid}\n"
        with subprocess.Popen(words[:-2], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as third:
            assert third.stderr is not None
            assert f"waiting for process {second.pid}" in third.stderr.readline()
            third.send_signal(signal.SIGTERM)
            assert third.wait(LONGEST_S) == 0
        second.send_signal(signal.SIGTERM)
        assert second.wait(LONGEST_S) == 0
    assert not stale.exists()


def wait_until(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(LONGEST_S / 0.02)):
        if holds():
            return
        pause.wait(0.02)
    raise AssertionError("it did not come to hold")
