"""Comparisons that take seconds, carried out beside the requests, and kept for whoever asks again."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from clearway.model.errors import ClearwayError, Unavailable

Json = dict[str, Any]

AT_ONCE = 2
MOST_UNDER_WAY = 8
MOST_KEPT = 64
FAILED_FOR_S = 10.0


@dataclass(slots=True)
class Work:
    """One comparison. `found` once it is done, or `failed`: why it could not be done. Times: monotonic seconds."""

    begun: float
    ended: float | None = None
    found: Json | None = None
    failed: str = ""

    @property
    def is_over(self) -> bool:
        return self.ended is not None


@dataclass
class Comparisons:
    """One a server process. `clock`: monotonic seconds."""

    clock: Callable[[], float] = time.monotonic
    _kept: "OrderedDict[tuple[str, ...], tuple[Work, float]]" = field(
        default_factory=lambda: OrderedDict[tuple[str, ...], tuple[Work, float]]()
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _places: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(AT_ONCE))

    def of(self, key: tuple[str, ...], compare: Callable[[], Json], keep_s: Callable[[Json], float]) -> Work:
        """The comparison that is known by `key`: begun now, under way, or kept: for as long as
        `keep_s` of what was found says.

        A failure is kept for a few seconds only. Errors: `Unavailable` (`busy`) where too many are under way."""
        with self._lock:
            work, until = self._kept.get(key, (None, 0.0))
            if work is not None and (not work.is_over or self.clock() < until):
                self._kept.move_to_end(key)
                return work
            if sum(not each.is_over for each, _ in self._kept.values()) >= MOST_UNDER_WAY:
                raise Unavailable("Other releases are being compared.", code="busy", remedy="Look again soon.")
            work = Work(self.clock())
            self._kept[key] = work, 0.0
            self._forget()
        # A daemon: a server that ends waits for no comparison.
        threading.Thread(target=self._carry_out, args=(key, work, compare, keep_s), daemon=True).start()
        return work

    def _carry_out(
        self, key: tuple[str, ...], work: Work, compare: Callable[[], Json], keep_s: Callable[[Json], float]
    ) -> None:
        with self._places:
            try:
                work.found = compare()
            except ClearwayError as error:
                work.failed = str(error)
            except Exception as error:  # whatever it is, whoever waits is told
                work.failed = f"The comparison failed with {type(error).__name__}."
        kept = FAILED_FOR_S if work.found is None else keep_s(work.found)
        with self._lock:
            work.ended = self.clock()
            self._kept[key] = work, work.ended + kept

    def _forget(self) -> None:
        """The oldest that are over. Called with the lock."""
        over = [key for key, (work, _) in self._kept.items() if work.is_over]
        for key in over[: max(0, len(self._kept) - MOST_KEPT)]:
            del self._kept[key]
