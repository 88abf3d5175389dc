"""Token buckets of this process: how often one caller may ask, and how often one address may fail to sign in.

The limits of tools, skills and tenants are elsewhere and shared between processes; these only protect the door.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from clearway.model.errors import Limited
from clearway.model.tool import RateLimit

#: Failed attempts of one address to say who it is (threat 47).
FAILURES = RateLimit(20, 60.0)
#: Callers that are remembered; those that were quiet for longest are forgotten, and begin with a full bucket.
MOST_REMEMBERED = 10_000


class Buckets:
    """One bucket a name, refilled continuously. Bounded memory."""

    def __init__(self, rate: RateLimit, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._capacity, self._per_s = float(rate.count), rate.count / rate.per_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> None:
        """Errors: `Limited` (`too_many_requests`), with the seconds until it could succeed."""
        with self._lock:
            level, now = self._level(name)
            if level >= 1.0:
                self._set(name, level - 1.0, now)
                return
        raise self._refusal(level)

    def check(self, name: str) -> None:
        """As `take`, but takes nothing."""
        with self._lock:
            level, _ = self._level(name)
        if level < 1.0:
            raise self._refusal(level)

    def spend(self, name: str) -> None:
        """Takes one where there is one; never fails."""
        with self._lock:
            level, now = self._level(name)
            self._set(name, max(0.0, level - 1.0), now)

    def _level(self, name: str) -> tuple[float, float]:
        now = self._monotonic()
        level, at = self._levels.get(name, (self._capacity, now))
        return min(self._capacity, level + (now - at) * self._per_s), now

    def _set(self, name: str, level: float, now: float) -> None:
        self._levels[name] = (level, now)
        self._levels.move_to_end(name)
        while len(self._levels) > MOST_REMEMBERED:
            self._levels.popitem(last=False)

    def _refusal(self, level: float) -> Limited:
        wait = (1.0 - level) / self._per_s
        return Limited(
            "There were too many requests.",
            code="too_many_requests",
            remedy=f"Try again in {max(1, round(wait))} s.",
            retry_after_s=wait,
        )
