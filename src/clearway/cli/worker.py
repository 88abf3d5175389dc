"""`clearway worker`: carries runs out until it is told to stop."""

import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from clearway.cli.command import command
from clearway.cli.context import At
from clearway.model.errors import Invalid


def declare(root: typer.Typer) -> None:
    command(root, "worker")(worker)


def worker(
    at: At,
    drain: Annotated[
        float,
        typer.Option("--drain", min=0, metavar="SECONDS", help="How long what is under way may take when it stops."),
    ] = 10.0,
    ready_file: Annotated[
        Path | None, typer.Option("--ready-file", metavar="FILE", help="Written once it serves, removed when it stops.")
    ] = None,
) -> None:
    """Carry runs out until SIGINT or SIGTERM; then finish what is under way. What it cannot finish is recovered."""
    with _stop_signal() as stopped, at.open() as app:
        app.serve()
        if ready_file is not None:
            _write(ready_file, f"{os.getpid()}\n")
        at.out.hint(f"ready: project {app.project.settings.name}, process {os.getpid()}")
        name = stopped.wait()
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)
        at.out.hint(f"stopping ({name}); up to {drain:g} s for what is under way")
        app.stop(drain)
    at.out.emit("worker", {"stopped_by": name}, lambda: None)


class _Stop:
    def __init__(self) -> None:
        self._event, self._name = threading.Event(), ""

    def set(self, number: int) -> None:
        self._name = signal.Signals(number).name
        signal.signal(number, signal.SIG_DFL)  # asked a second time, it ends at once; what is under way is recovered
        self._event.set()

    def wait(self) -> str:
        self._event.wait()
        return self._name


@contextmanager
def _stop_signal() -> Generator[_Stop]:
    stop = _Stop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda got, _: stop.set(got)) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


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
