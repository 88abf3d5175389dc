"""Evidence that grows request by request: e-processes, which may be looked at after every request.

An e-process is worth at most 1 on average while the null hypothesis holds, so that by Ville's inequality it ever
reaches 1/a with a probability of at most a, however often and whenever one looks (Ramdas, Grünwald, Vovk, Shafer:
Game-theoretic statistics and safe anytime-valid inference, 2023). Peeking at an ordinary test has no such bound.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

#: The alternatives that are mixed, as shares of the way from the tolerated rate to certainty.
_GRID = (0.02, 0.05, 0.1, 0.2, 0.3, 0.45, 0.65, 0.9)
_LEAST, _MOST = 1e-9, 1 - 1e-9


@dataclass(slots=True)
class Rate:
    """Evidence against "this happens in at most `tolerated` of the cases".

    A mixture of likelihood ratios over higher rates: each is a supermartingale where the true rate is `tolerated` or
    less, hence so is their mean.
    """

    tolerated: float
    n: int = 0
    hits: int = 0

    def note(self, hit: bool) -> None:
        self.n += 1
        self.hits += hit

    @property
    def log_e(self) -> float:
        """The natural logarithm of the e-value."""
        p0 = min(max(self.tolerated, _LEAST), _MOST)
        logs: list[float] = []
        for share in _GRID:
            p = p0 + share * (1 - p0) * (1 - 1e-6)
            logs.append(self.hits * math.log(p / p0) + (self.n - self.hits) * math.log((1 - p) / (1 - p0)))
        return _log_mean(logs)

    def as_json(self) -> dict[str, Any]:
        return {"n": self.n, "hits": self.hits, "tolerated": self.tolerated, "log_e": round(self.log_e, 4)}


@dataclass(slots=True)
class Contest:
    """Evidence against "it happens on the canary no more often than on the control", for events of unknown rate.

    Blocks of one outcome each; the bet on a block is fixed by the blocks before it (Turner, Ly, Grünwald: Generic E-
    variables for exact sequential k-sample tests, 2021). With means m ± d, a block's expectation is
    (1 + d*u)(1 - d*v), with u and v growing in the true rates of canary and control; it is at most 1 wherever the
    canary's rate is not the higher one. `waiting`: outcomes of the control that no block has taken yet.
    """

    log_e: float = 0.0
    blocks: int = 0
    hits: list[int] = field(default_factory=lambda: [0, 0])
    waiting: list[int] = field(default_factory=list[int])

    #: Of the control's outcomes only the latest few wait: it has most of the traffic.
    MOST_WAITING = 32

    def control(self, hit: bool) -> None:
        self.waiting = [*self.waiting, int(hit)][-self.MOST_WAITING :]

    def canary(self, hit: bool) -> None:
        """Takes a block, where an outcome of the control waits; without one nothing can be compared yet."""
        if not self.waiting:
            return
        other, self.waiting = self.waiting[0], self.waiting[1:]
        canary, control = self._bet()
        mean = (canary + control) / 2
        self.log_e += _log(canary, mean, hit=hit) + _log(control, mean, hit=bool(other))
        self.blocks += 1
        self.hits = [self.hits[0] + int(hit), self.hits[1] + other]

    def _bet(self) -> tuple[float, float]:
        """(rate of the canary, of the control) that the next block is bet on: what was seen, shrunk towards each
        other; no bet at all while the canary's is not the higher."""
        canary, control = ((hits + 0.5) / (self.blocks + 1.0) for hits in self.hits)
        if self.blocks == 0 or canary <= control:
            canary, control = max(canary, control) + 0.05, min(canary, control)
        return min(max(canary, 0.02), 0.98), min(max(control, 0.01), 0.97)

    def as_json(self) -> dict[str, Any]:
        return {
            "blocks": self.blocks,
            "canary": self.hits[0],
            "control": self.hits[1],
            "log_e": round(self.log_e, 4),
            "waiting": self.waiting,
        }


@dataclass(slots=True)
class Duel:
    """Evidence against "of a canary's and a control's figure, the canary's is the larger one hardly more often than
    every second time": for durations and costs, whose distribution nobody knows."""

    rate: Rate = field(default_factory=lambda: Rate(0.55))
    waiting: list[float] = field(default_factory=list[float])

    def control(self, figure: float) -> None:
        self.waiting = [*self.waiting, figure][-Contest.MOST_WAITING :]

    def canary(self, figure: float) -> None:
        if self.waiting:
            other, self.waiting = self.waiting[0], self.waiting[1:]
            self.rate.note(figure > other)

    @property
    def log_e(self) -> float:
        return self.rate.log_e if self.rate.n else 0.0

    def as_json(self) -> dict[str, Any]:
        return {**self.rate.as_json(), "waiting": self.waiting}


def _log(rate: float, mean: float, *, hit: bool) -> float:
    return math.log(rate / mean) if hit else math.log((1 - rate) / (1 - mean))


def _log_mean(logs: Sequence[float]) -> float:
    top = max(logs)
    return top + math.log(sum(math.exp(each - top) for each in logs) / len(logs))
