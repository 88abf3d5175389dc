"""The processes of the demonstration: billing, mail and a worker. Each is ended by its own id, however it ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from examples.support_desk import services

READY_LIMIT_S = 30.0
STOP_LIMIT_S = 15.0


class NotReady(Exception):
    """Something did not come to pass in time."""


def until(is_so: Callable[[], bool], what: str, limit_s: float = 20.0) -> None:
    """Waits for a condition. Errors: `NotReady` after `limit_s` seconds."""
    deadline, pause = time.monotonic() + limit_s, threading.Event()
    while not is_so():
        if time.monotonic() > deadline:
            raise NotReady(f"{what}: not so within {limit_s:.0f} s")
        pause.wait(0.01)


class Worker:
    """`clearway worker` as a process of its own. `generation` counts its starts."""

    def __init__(self, project: Path, folder: Path, environment: dict[str, str]) -> None:
        self._project, self._folder, self._environment = project, folder, environment
        self._process: subprocess.Popen[bytes] | None = None
        self.generation = 0

    @property
    def pid(self) -> int:
        if self._process is None:
            raise NotReady("the worker was not started")
        return self._process.pid

    def start(self) -> None:
        """Starts it and waits until it serves. Errors: `NotReady`."""
        self.generation += 1
        ready, log = self._folder / "worker.ready", self._folder / "worker.log"
        ready.unlink(missing_ok=True)
        command = [
            sys.executable,
            "-m",
            "clearway",
            "worker",
            "--project",
            str(self._project),
            "--ready-file",
            str(ready),
        ]
        with log.open("ab") as output:
            # A session of its own: Ctrl-C at a terminal reaches the demonstration, which stops the worker in order.
            process = self._process = subprocess.Popen(
                command, env={**os.environ, **self._environment}, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

        def is_ready() -> bool:
            if process.poll() is not None:
                tail = log.read_text(encoding="utf-8", errors="replace")[-1500:]
                raise NotReady(f"the worker ended with code {process.returncode}\n{tail}")
            return ready.exists()

        until(is_ready, "the worker serves", READY_LIMIT_S)

    def kill(self) -> int:
        """SIGKILL, as a crash would be; returns the exit code."""
        if self._process is None:
            return 0
        os.kill(self._process.pid, signal.SIGKILL)
        return self._process.wait()

    def stop(self) -> None:
        """SIGTERM, after a while SIGKILL. Safe to call again."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()


class Faults:
    """Arms faults in the outside systems."""

    def __init__(self, billing: services.Service, mail: services.Service) -> None:
        self._billing, self._mail = billing, mail

    def billing(self, fault: str, **fields: Any) -> None:
        httpx.post(f"{self._billing.url}/faults", json={"fault": fault, **fields}, timeout=5).raise_for_status()

    def mail(self, fault: str) -> None:
        (self._mail.data_dir / "mail-faults.json").write_text(f'{{"fault": "{fault}"}}', encoding="utf-8")

    def clear(self) -> None:
        httpx.delete(f"{self._billing.url}/faults", timeout=5).raise_for_status()
        (self._mail.data_dir / "mail-faults.json").unlink(missing_ok=True)
