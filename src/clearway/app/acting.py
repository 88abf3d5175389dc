"""The operations of one principal, in the process that opened the project."""

import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from typing import Any

from clearway.app.wiring import Wired
from clearway.model.identity import Principal
from clearway.operate.local import LocalOperations
from clearway.operate.resting import has_settled
from clearway.runtime.pieces import Piece, heard


class Acting(LocalOperations):
    """The operations of one principal."""

    def __init__(self, app: Wired, principal: Principal) -> None:
        super().__init__(app.desk, principal.scope, principal)
        self._app = app

    def run_and_wait(
        self, text: str, *, wait_s: float = 60.0, on_piece: Callable[[Piece], None] | None = None, **options: Any
    ) -> dict[str, Any]:
        """`start`, then `wait`. Takes the options of `start`. `on_piece`: as `listen`."""
        started = self.start(text, **options)
        run_id = str(started["run_id"])
        stop = self.listen(run_id, on_piece) if on_piece is not None else None
        try:
            return self.wait(run_id, wait_s=wait_s)
        finally:
            if stop is not None:
                stop()

    def listen(self, run_id: str, on_piece: Callable[[Piece], None]) -> Callable[[], None]:
        """Hands on what models say in this run, piece by piece, tokenized, where this process carries the run out; in
        another one a turn shows once it is recorded (event `turn.answered`). `on_piece` is called in a worker's thread.
        Returns what ends the listening. Errors: `NotFound`."""
        self.run_status(run_id)
        return self._app.pieces.listen(run_id, on_piece)

    def pieces(self, run_id: str) -> AbstractContextManager[AsyncIterator[Piece]]:
        """As `listen`, for a caller in an event loop: what models say in this run, as it comes, until the run has ended
        or waits for somebody.

        ::

            run_id = dana.start("Why is order 7 late?", skill="desk")["run_id"]
            with dana.pieces(run_id) as pieces:
                async for piece in pieces:
                    print(piece.text, end="")

        Errors: `NotFound`."""
        self.run_status(run_id)
        return heard(self._app.pieces, run_id, lambda: self._rests(run_id))

    def _rests(self, run_id: str) -> bool:
        return has_settled(self.run_status(run_id))

    def wait(self, run_id: str, *, wait_s: float = 60.0) -> dict[str, Any]:
        """The execution record once the run has ended or waits for somebody, at the latest after `wait_s` seconds.

        Errors: `Unauthenticated` never; `NotFound`."""
        rest, begun = threading.Event(), time.monotonic()
        while True:
            if self._rests(run_id) or time.monotonic() - begun >= wait_s:
                return self.run(run_id)
            rest.wait(0.03)
