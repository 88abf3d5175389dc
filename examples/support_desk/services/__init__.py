"""The outside systems of the support desk, started as processes of their own.

`start("billing", folder)` and `start("mail", folder)` run a service until `stop()`, `kill()` or the end of
the `with` block. `charges`, `requests` and `messages` read what it has on disk, whether or not it still runs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from examples.support_desk.services.billing_books import Charge, ReceivedRequest, read_charges, read_requests

__all__ = ["Charge", "ReceivedRequest", "Service", "ServiceError", "charges", "messages", "requests", "start"]

SCHEMES = {"billing": "http", "mail": "smtp"}
START_LIMIT_S = 15.0
STOP_LIMIT_S = 5.0


class ServiceError(Exception):
    """A service that did not start; the message ends with the tail of its log."""


@dataclass(frozen=True)
class Service:
    """A running service on 127.0.0.1. Its output is in `log`."""

    kind: str
    port: int
    data_dir: Path
    log: Path
    _process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def url(self) -> str:
        return f"{SCHEMES[self.kind]}://127.0.0.1:{self.port}"

    def stop(self) -> int:
        """End the service with SIGTERM, after 5 s with SIGKILL; returns its exit code. Safe to call again."""
        self._process.terminate()
        try:
            return self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """End the service with SIGKILL, as a crash would; returns its exit code."""
        self._process.kill()
        return self._process.wait()

    def __enter__(self) -> Service:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(kind: str, data_dir: Path, *options: str) -> Service:
    """Start `billing` or `mail` on the folder and wait until it answers.

    `options` go to the service's command line, such as `"--ignore-keys"` or `"--port", "8025"`. Works from
    any working directory. Raises ServiceError if the service ends, or isn't ready within 15 s.
    """
    if kind not in SCHEMES:
        raise ValueError(f"kind must be one of {', '.join(SCHEMES)}")
    data_dir = Path(data_dir).resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    port_file, log = data_dir / f"{kind}.port", data_dir / f"{kind}.log"
    port_file.unlink(missing_ok=True)
    module = Path(__file__).resolve().with_name(f"{kind}.py")
    command = [sys.executable, str(module), "--data", str(data_dir), "--port-file", str(port_file), *options]
    with log.open("ab") as output:
        # A session of its own: Ctrl-C at a terminal reaches the caller, who then stops the service in order.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        return Service(kind, _await_port(process, port_file, log), data_dir, log, process)
    except BaseException:
        process.kill()
        process.wait()
        raise


def charges(data_dir: Path) -> list[Charge]:
    """Every charge in the billing ledger of the folder, oldest first; also after the service was killed."""
    return read_charges(Path(data_dir))


def requests(data_dir: Path) -> list[ReceivedRequest]:
    """Every POST that billing received, oldest first, whatever became of it."""
    return read_requests(Path(data_dir))


def messages(data_dir: Path) -> list[dict[str, Any]]:
    """The mail kept in the folder, oldest first: file, from, to, subject, message_id, received_at."""
    index = Path(data_dir) / "messages.jsonl"
    if not index.exists():
        return []
    return [json.loads(line) for line in index.read_text(encoding="utf-8").splitlines()]


def _await_port(process: subprocess.Popen[bytes], port_file: Path, log: Path) -> int:
    until, pause = time.monotonic() + START_LIMIT_S, threading.Event()
    while not port_file.exists():
        if process.poll() is not None:
            raise ServiceError(f"the service ended with code {process.returncode}\n{_tail(log)}")
        if time.monotonic() > until:
            raise ServiceError(f"the service was not ready within {START_LIMIT_S:.0f} s\n{_tail(log)}")
        pause.wait(0.02)
    return int(port_file.read_text(encoding="utf-8"))


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2000:]
