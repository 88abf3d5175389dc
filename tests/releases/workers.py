"""Worker processes for tests of releases: programs, and a way to start, tell and end them."""

import multiprocessing
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import Any

from clearway.app import Clearway

_forks = multiprocessing.get_context("forkserver")


def work(folder: str, url: str, link: "Connection[Any, Any]") -> None:
    """A worker's program: says `ready` once it serves, and ends when it is told to."""
    os.setsid()
    warnings.simplefilter("error")
    with Clearway.open(folder, store_url=url) as app:
        app.serve()
        link.send("ready")
        link.recv()


class Process:
    def __init__(self, program: Any, *given: str) -> None:
        self.link, its = _forks.Pipe()
        self.process = _forks.Process(target=program, args=(*given, its), daemon=True)
        self.process.start()
        its.close()

    def await_ready(self) -> None:
        assert self.link.poll(60), "the process was not ready"
        assert self.link.recv() == "ready"

    def end(self) -> None:
        self.link.send("stop")
        self.process.join(60)

    def kill(self) -> None:
        if self.process.is_alive() and self.process.pid:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()


@contextmanager
def processes(program: Any, count: int, *given: str, named: bool = False) -> Iterator[list[Process]]:
    with ExitStack() as stack:
        made: list[Process] = []
        for number in range(count):
            made.append(Process(program, *given, *([f"client{number}"] if named else [])))
            stack.callback(made[-1].kill)
        for each in made:
            each.await_ready()
        yield made
