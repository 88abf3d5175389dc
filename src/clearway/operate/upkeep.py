"""What a worker does beside runs: audit checkpoints; hourly, deleting the engine's finished passes and retention.

`forget(scope)` removes what the rules of retention no longer keep; `look()` tells of runs that wait for code that no
worker has; `tell()`, each minute, of policies that are broken."""

import logging
import threading
import time
from collections.abc import Callable

from clearway.model.errors import ClearwayError
from clearway.model.identity import Scope
from clearway.operate.audit import AuditLog
from clearway.ports import Store

EVERY_S = 5.0
#: Turns between two looks at the policies.
TELL_EACH = 12
#: The engine's rows hold references only; they are kept a while for people who look.
KEEP_PASSES_S = 7 * 86400.0

_log = logging.getLogger("clearway.upkeep")


class Upkeep:
    """A daemon thread. A failure is logged by code and tried again at the next turn."""

    def __init__(
        self,
        audit: AuditLog,
        store: Store,
        prune: Callable[[float], int],
        forget: Callable[[Scope], object] = lambda _: None,
        look: Callable[[], object] = lambda: None,
        tell: Callable[[], object] = lambda: None,
    ) -> None:
        self._audit, self._store, self._prune, self._forget, self._look = audit, store, prune, forget, look
        self._tell = tell
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._turn, name="clearway-upkeep", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        thread, self._thread = self._thread, None
        self._stop.set()
        if thread is not None:
            thread.join(timeout=10.0)

    def _turn(self) -> None:
        turn = 0
        self._try(self._tell)
        self._try(self._look)
        while not self._stop.wait(EVERY_S):
            turn += 1
            self._try(self._look)
            if turn % TELL_EACH == 0:
                self._try(self._tell)
            try:
                for scope in self._store.scopes():
                    self._audit.checkpoint(scope)
                if turn % 720 == 0:
                    self._prune(time.time() - KEEP_PASSES_S)
                    for scope in self._store.scopes():
                        self._forget(scope)
            except ClearwayError as error:
                _log.warning("upkeep failed, will be tried again: %s", error.code)

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except ClearwayError as error:
            _log.warning("upkeep failed, will be tried again: %s", error.code)
