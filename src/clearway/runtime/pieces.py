"""Hands a model's text on as it comes, to listeners in this process. Tokenized; nothing here is stored.

A listener in another process sees a turn once it is recorded (event `turn.answered`).
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from clearway.rules.redact import Masker

#: Characters held back: a sensitive value that has only begun to arrive must not be handed on.
HOLD_BACK = 160
#: New characters until the text is looked through again.
EVERY = 48
#: How often `heard` asks whether the run is over.
ASK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Piece:
    """`text` continues what came before of the same `step`; with `restart` it begins anew: another try, or another
    model."""

    run_id: str
    step: str
    text: str
    restart: bool = False


Listener = Callable[[Piece], None]


class Pieces:
    """Who listens to which run. One a process."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[Listener]] = {}
        self._lock = threading.Lock()

    def listen(self, run_id: str, listener: Listener) -> Callable[[], None]:
        """`listener` is called in the worker's thread and must be quick. Returns what ends it."""
        with self._lock:
            self._listeners.setdefault(run_id, []).append(listener)

        def stop() -> None:
            with self._lock:
                left = [each for each in self._listeners.get(run_id, []) if each is not listener]
                if left:
                    self._listeners[run_id] = left
                else:
                    self._listeners.pop(run_id, None)

        return stop

    def is_heard(self, run_id: str) -> bool:
        return run_id in self._listeners

    def tell(self, piece: Piece) -> None:
        with self._lock:
            listeners = list(self._listeners.get(piece.run_id, ()))
        for listener in listeners:
            try:
                listener(piece)
            except Exception:  # noqa: S112 - a listener's defect is not the run's
                continue


@contextmanager
def heard(pieces: Pieces, run_id: str, is_over: Callable[[], bool]) -> Generator[AsyncIterator[Piece]]:
    """In an event loop: listens from here on. The pieces come until `is_over`, which is asked in a thread, now and
    then, while none comes."""
    loop, came = asyncio.get_running_loop(), asyncio.Queue[Piece]()

    def pass_on(piece: Piece) -> None:
        with suppress(RuntimeError):  # the listener's loop is gone
            loop.call_soon_threadsafe(came.put_nowait, piece)

    stop = pieces.listen(run_id, pass_on)
    try:
        yield _until(came, is_over)
    finally:
        stop()


async def _until(came: "asyncio.Queue[Piece]", is_over: Callable[[], bool]) -> AsyncGenerator[Piece]:
    over = False
    while not over or not came.empty():
        try:
            yield await asyncio.wait_for(came.get(), ASK_EVERY_S)
        except TimeoutError:
            # What was told before the run was over is in the queue before this comes back.
            over = await asyncio.to_thread(is_over)


class Stream:
    """One turn's text on its way. INVARIANT: no text is handed on that is not what `Masker.scrub` makes of the whole.

    What is near the end is held back, since it may be half of a value."""

    def __init__(self, pieces: Pieces, run_id: str, step: str, masker: Masker) -> None:
        self._pieces, self._run_id, self._step, self._masker = pieces, run_id, step, masker
        self._text = self._told = ""
        self._looked = 0
        self._restart = False

    def add(self, piece: str) -> None:
        self._text += piece
        if len(self._text) - self._looked >= EVERY + (HOLD_BACK if not self._looked else 0):
            self._looked = len(self._text)
            self._tell(self._masker.scrub(self._text)[:-HOLD_BACK])

    def restart(self) -> None:
        self._text = self._told = ""
        self._looked, self._restart = 0, True

    def finish(self, shown: str) -> None:
        """The whole, as it is recorded."""
        if not shown.startswith(self._told):
            self._told, self._restart = "", True
        self._tell(shown)

    def _tell(self, shown: str) -> None:
        # What was told has become something else: later words made a value of it. The end tells the whole anew.
        if len(shown) > len(self._told) and shown.startswith(self._told):
            rest, self._told = shown[len(self._told) :], shown
            self._pieces.tell(Piece(self._run_id, self._step, rest, self._restart))
            self._restart = False
