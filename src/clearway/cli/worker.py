"""`clearway worker`: carries runs out until it is told to stop."""

import os
import re
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearway.cli.command import command
from clearway.cli.context import At
from clearway.model.errors import Conflict, Invalid

if TYPE_CHECKING:
    from clearway.app import Clearway

#: How often a worker that waits looks whether the other one has ended.
LOOK_S = 0.5

_HOLDER = re.compile(r"Process (\d*) carries out")


def declare(root: typer.Typer) -> None:
    command(root, "worker")(worker)


def worker(
    at: At,
    drain: Annotated[
        float,
        typer.Option("--drain", min=0, metavar="SECONDS", help="How long what is under way may take when it stops."),
    ] = 10.0,
    ready_file: Annotated[
        Path | None,
        typer.Option("--ready-file", metavar="FILE", help="Written once it serves; removed before, and when it stops."),
    ] = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="End at once where another process carries this SQLite store's runs out.")
    ] = False,
) -> None:
    """Carry runs out until SIGINT or SIGTERM; then finish what is under way. What it cannot finish is recovered."""
    with stop_signal() as stopped, write_when_ready(ready_file) as say_ready, at.open(make=True) as app:
        if _serve(at, app, stopped, wait=not no_wait):
            say_ready()
            at.out.hint(f"ready: project {app.project.settings.name}, process {os.getpid()}")
            stopped.wait()
            remove(ready_file)
            at.out.hint(f"stopping ({stopped.name}); up to {drain:g} s for what is under way")
            app.stop(drain)
        else:
            at.out.hint(f"stopped ({stopped.name}) while it waited")
    at.out.emit("worker", {"stopped_by": stopped.name}, lambda: None)


def _serve(at: At, app: "Clearway", stopped: "Stop", *, wait: bool) -> bool:
    """Starts to serve, where need be once the process that serves this SQLite store has ended. False: told to stop.

    Errors: `Conflict` (`served`) where it is not to wait.
    """
    told = ""
    while not stopped.is_set():
        try:
            app.serve()
        except Conflict as conflict:
            holder = _HOLDER.match(conflict.message)
            if not wait or conflict.code != "served" or holder is None:
                raise
            if holder[1] != told:
                told = holder[1]
                at.out.hint(f"waiting for process {told}, which carries this database's runs")
            stopped.wait(LOOK_S)
        else:
            return True
    return False


class Stop:
    def __init__(self) -> None:
        self._event, self.name = threading.Event(), ""

    def set(self, number: int) -> None:
        self.name = signal.Signals(number).name
        signal.signal(number, signal.SIG_DFL)  # asked a second time, it ends at once; what is under way is recovered
        self._event.set()

    def wait(self, timeout_s: float | None = None) -> None:
        self._event.wait(timeout_s)

    def is_set(self) -> bool:
        return self._event.is_set()


@contextmanager
def stop_signal() -> Generator[Stop]:
    """Gives what is set once SIGINT or SIGTERM has come."""
    stop = Stop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda got, _: stop.set(got)) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def write_when_ready(path: Path | None) -> Generator[Callable[[], None]]:
    """Gives the function that writes the ready file. INVARIANT: it is there only while this worker serves."""
    remove(path)
    try:
        yield lambda: None if path is None else _write(path, f"{os.getpid()}\n")
    finally:
        remove(path)


def remove(path: Path | None) -> None:
    """Errors: `Invalid` (`ready_file`)."""
    try:
        if path is not None:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise Invalid(
            f"The ready file cannot be removed ({error.strerror}).",
            code="ready_file",
            remedy="Name a file in a folder that this user may write.",
        ) from None


def _write(path: Path, text: str) -> None:
    """Whole or not at all. Errors: `Invalid` (`ready_file`)."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="ascii")
        beside.replace(path)
    except OSError as error:
        raise Invalid(
            f"The ready file cannot be written ({error.strerror}).",
            code="ready_file",
            remedy="Name one in a folder that this user may write.",
        ) from None
