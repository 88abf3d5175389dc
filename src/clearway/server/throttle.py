"""Token buckets at the door: how often one caller may ask, and how often one address may fail to sign in.

A caller's bucket stands in the store, beside those of tools, skills and tenants, and holds for all processes on it:
each takes a block of requests from it in one transaction and counts them down by itself. What one address may fail is
counted in each process alone: nobody is known yet, and what a stranger sends writes nothing.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from clearway.model.errors import Limited, Unavailable
from clearway.model.identity import Scope
from clearway.model.tool import RateLimit
from clearway.ports import Tx

_T = TypeVar("_T")

#: Failed attempts of one address to say who it is (threat 47).
FAILURES = RateLimit(20, 60.0)
#: Callers that are remembered; those that were quiet for longest are forgotten, and begin with a full bucket.
MOST_REMEMBERED = 10_000
#: How long a request waits for its caller's block. A store that is locked, by a backup say, holds up no reader.
PATIENCE_S = 0.25
#: How long a process counts by itself before it asks a store again that took no writes.
ALONE_S = 1.0
#: A block is this part of a caller's limit: so much a process can hold back unused, and one request in so many writes.
BLOCKS = 20


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
        return _refusal((1.0 - level) / self._per_s)


class _Asked:
    """A question to the store, put in a thread of its own. `answer`: (requests taken, seconds to wait where it is
    none); None where the store took no write."""

    def __init__(self, ask: Callable[[], tuple[int, float]]) -> None:
        self.answer: tuple[int, float] | None = None
        self.error: Exception | None = None
        self.is_new = True
        self._ask, self._done = ask, threading.Event()
        threading.Thread(target=self._put, name="clearway-throttle", daemon=True).start()

    def is_answered(self) -> bool:
        """Waits for it, once."""
        patience, self.is_new = PATIENCE_S if self.is_new else 0.0, False
        return self._done.wait(patience)

    def _put(self) -> None:
        try:
            self.answer = self._ask()
        except Unavailable:
            pass
        except Exception as error:  # the request's, which asks for the answer
            self.error = error
        finally:
            self._done.set()


@dataclass(slots=True)
class _Held:
    """What a process holds of one caller's bucket. `closed_until`: the store has nothing before, on our clock;
    `alone_until`: it is not asked before."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    requests: int = 0
    closed_until: float = 0.0
    alone_until: float = float("-inf")
    asked: _Asked | None = None


class Writes(Protocol):
    """What of a store is asked for here."""

    def write(self, scope: Scope, work: Callable[[Tx], _T]) -> _T: ...


class SharedBuckets:
    """A caller's requests over all processes on one store.

    INVARIANT: processes together admit no more than the limit in any of its periods, but for what they took before and
    held: a block each. Where the store takes no writes, or not soon, each counts by itself.
    """

    def __init__(self, rate: RateLimit, store: Writes, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._store, self._monotonic = rate, store, monotonic
        self._block = max(1, rate.count // BLOCKS)
        self._alone = Buckets(rate, monotonic=monotonic)
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[Scope, str], _Held] = OrderedDict()

    def take(self, scope: Scope, name: str) -> None:
        """`name`: of a principal in `scope`. Errors: `Limited` (`too_many_requests`), with the seconds until then."""
        held = self._of(scope, name)
        with held.lock:  # others of the same caller wait, and then use what is taken here
            if held.requests == 0:
                self._refill(held, scope, name)
            if held.requests > 0:
                held.requests -= 1
                return
            wait = held.closed_until - self._monotonic()
        raise _refusal(wait)

    def _refill(self, held: _Held, scope: Scope, name: str) -> None:
        if self._monotonic() < held.closed_until:
            return
        answer = self._answer(held, scope, name) if self._monotonic() >= held.alone_until else None
        if answer is None:
            self._alone.take(f"{scope.tenant}/{scope.environment}/{name}")
            answer = 1, 0.0
        held.requests, wait = answer
        held.closed_until = self._monotonic() + wait

    def _answer(self, held: _Held, scope: Scope, name: str) -> tuple[int, float] | None:
        asked = held.asked
        if asked is None:
            asked = held.asked = _Asked(lambda: self._store.write(scope, lambda tx: self._from_store(tx, name)))
        if not asked.is_answered():
            return None
        held.asked = None
        if asked.error is not None:
            raise asked.error
        if asked.answer is None:
            held.alone_until = self._monotonic() + ALONE_S
        return asked.answer

    def _from_store(self, tx: Tx, name: str) -> tuple[int, float]:
        """(requests taken, seconds to wait where it is none)."""
        wait: float | None = 0.0
        for wanted in (self._block, 1):
            wait = tx.limits.take(
                f"http:{name}",
                float(wanted),
                capacity=float(self._rate.count),
                refill_per_s=self._rate.count / self._rate.per_s,
                now=tx.now,
            )
            if wait is None:
                return wanted, 0.0
        return 0, wait

    def _of(self, scope: Scope, name: str) -> _Held:
        with self._lock:
            held = self._held.setdefault((scope, name), _Held())
            self._held.move_to_end((scope, name))
            while len(self._held) > MOST_REMEMBERED:
                self._held.popitem(last=False)
            return held


def _refusal(wait_s: float) -> Limited:
    return Limited(
        "There were too many requests.",
        code="too_many_requests",
        remedy=f"Try again in {max(1, round(wait_s))} s.",
        retry_after_s=wait_s,
    )
