"""How a canary's evidence went, in a bounded number of points, however long the canary runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

#: Where there are more, every second one is left out, and from there on only every second look is noted.
MOST_POINTS = 96


@dataclass(frozen=True, slots=True)
class Point:
    """After so many looks, at a time (seconds since 1970): the natural logarithm of each measure's e-value."""

    looks: int
    at: float
    log_e: tuple[float, ...]


@dataclass(slots=True)
class Course:
    """`looks`: how often the guard has looked. Each point's number of looks is a multiple of `stride`."""

    looks: int = 0
    stride: int = 1
    points: list[Point] = field(default_factory=list[Point])

    def note(self, at: float, log_e: Sequence[float]) -> None:
        """One look more."""
        self.looks += 1
        if self.looks % self.stride:
            return
        self.points.append(Point(self.looks, round(at, 1), tuple(round(one, 2) for one in log_e)))
        if len(self.points) > MOST_POINTS:
            self.stride *= 2
            self.points = [point for point in self.points if point.looks % self.stride == 0]

    @classmethod
    def read(cls, state: dict[str, Any]) -> "Course":
        """Of `as_json`."""
        points = [Point(looks, at, tuple(log_e)) for looks, at, *log_e in state["points"]]
        return cls(state["looks"], state["stride"], points)

    def as_json(self) -> dict[str, Any]:
        points = [[point.looks, point.at, *point.log_e] for point in self.points]
        return {"looks": self.looks, "stride": self.stride, "points": points}
