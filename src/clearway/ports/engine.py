"""What carries runs out, and the time inside of a process."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from clearway.model.run_ref import RunRef


class Engine(Protocol):
    def serve(self, handle_pass: Callable[[RunRef, str], Awaitable[None]]) -> None: ...

    def stop(self, drain_s: float = 10.0) -> None: ...

    def reap(self) -> int: ...

    def prune(self, completed_before_s: float) -> int: ...


class Clock(Protocol):
    """Durations inside a process. TTLs are on the store's clock (`Tx.now`)."""

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...
