"""Faults that a test or a demo arms in the billing service.

Armed as JSON, `{"fault": NAME, "match": {...}, "times": 1, "delay_s": 30, "retry_after_s": 1}`:

- `match` narrows it: `method` (POST unless given), `path` (exact, or a glob such as `/refunds/*/reverse`),
  `account`. An empty match is every POST. Lookups are hit with `{"method": "GET", "path": "/charges"}`.
- `times` counts the requests it hits (1 unless given); null means until the faults are cleared.

Armed faults live in memory: a restarted service has none.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

BEFORE_COMMIT = frozenset({"error_before_commit", "throttle", "unavailable", "reset_before_commit"})
AFTER_COMMIT = frozenset({"commit_then_hang", "error_after_commit", "slow", "reset_after_commit", "malformed"})
LONGEST_DELAY_S = 3600.0


@dataclass(frozen=True)
class Match:
    """Which requests a fault hits; None matches any value."""

    method: str = "POST"
    path: str | None = None
    account: str | None = None

    def covers(self, method: str, path: str, account: str | None) -> bool:
        return (
            method == self.method
            and (self.path is None or fnmatchcase(path, self.path))
            and (self.account is None or account == self.account)
        )


@dataclass(frozen=True)
class Fault:
    """One armed fault; `times` is how many more requests it hits, None without end."""

    fault: str
    match: Match = Match()
    times: int | None = 1
    delay_s: float = 30.0
    retry_after_s: int = 1

    @property
    def before_commit(self) -> bool:
        """True if the request has no effect at all; else its effect is committed first."""
        return self.fault in BEFORE_COMMIT


class FaultPlan:
    """The armed faults, oldest first; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[Fault] = []

    def arm(self, fault: Fault) -> None:
        with self._lock:
            self._armed.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()

    def armed(self) -> list[dict[str, Any]]:
        """The faults still to strike, in the shape in which they are armed."""
        with self._lock:
            return [asdict(fault) for fault in self._armed]

    def take(self, method: str, path: str, account: str | None) -> Fault | None:
        """Use up one strike of the oldest fault that covers this request, if there is one."""
        with self._lock:
            for index, fault in enumerate(self._armed):
                if not fault.match.covers(method, path, account):
                    continue
                if fault.times is not None:
                    if fault.times > 1:
                        self._armed[index] = replace(fault, times=fault.times - 1)
                    else:
                        del self._armed[index]
                return fault
        return None


def read_fault(body: Mapping[str, Any]) -> Fault:
    """Build a fault from its JSON object. Raises ValueError with a sentence for the caller."""
    _refuse_unknown(body, {"fault", "match", "times", "delay_s", "retry_after_s"})
    name = body.get("fault")
    if name not in BEFORE_COMMIT | AFTER_COMMIT:
        raise ValueError(f"fault must be one of {', '.join(sorted(BEFORE_COMMIT | AFTER_COMMIT))}")
    match = body.get("match", {})
    if not isinstance(match, Mapping) or not all(isinstance(value, str) for value in match.values()):
        raise ValueError("match must be an object of strings")
    _refuse_unknown(match, {"method", "path", "account"})
    times = body.get("times", 1)
    if times is not None and (type(times) is not int or times < 1):
        raise ValueError("times must be a whole number from 1, or null")
    delay_s = body.get("delay_s", 30.0)
    if type(delay_s) not in (int, float) or not 0 <= delay_s <= LONGEST_DELAY_S:
        raise ValueError(f"delay_s must be a number from 0 to {LONGEST_DELAY_S:.0f}")
    retry_after_s = body.get("retry_after_s", 1)
    if type(retry_after_s) is not int or retry_after_s < 0:
        raise ValueError("retry_after_s must be a whole number from 0")
    return Fault(name, Match(**match), times, float(delay_s), retry_after_s)


def _refuse_unknown(given: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise ValueError(f"unknown field {unknown[0]!r}; known: {', '.join(sorted(known))}")
