"""A canary's guard: compares it with the control request by request, and says when it has to go.

The bound on false alarms holds for all measures together and for as long as the canary runs, whenever one looks.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from clearway.rules.releases.course import Course
from clearway.rules.releases.evidence import Contest, Duel, Rate

#: The chance that a harmless canary is ever rolled back, all measures together.
FALSE_ALARM = 1e-5
#: The share of requests that may be routed otherwise, where nothing was declared.
ROUTE_SHIFT = 0.02


class Advice(StrEnum):
    """`promote`: the canary was looked at long enough, and no measure speaks against it."""

    WATCH = "watch"
    ROLL_BACK = "roll_back"
    PROMOTE = "promote"


@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed when the canary began. `route_shift`: the share of requests that may be routed otherwise, as the
    change is meant to. `promote_after`: requests without an alarm; None: a person promotes. `acts`: whether the guard
    rolls back and promotes by itself, or only says so."""

    route_shift: float = ROUTE_SHIFT
    promote_after: int | None = None
    acts: bool = True

    def as_json(self) -> dict[str, Any]:
        return {"route_shift": self.route_shift, "promote_after": self.promote_after, "acts": self.acts}


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that ended, as the guard looks at it. `denied`: a step of it was refused by policy; `held`: people were
    asked. `cost_usd`: None where it is not known."""

    failed: bool
    denied: bool
    held: bool
    duration_s: float
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """What one measure has seen. `compared`: requests, pairs of outcomes, or pairs of figures. `canary`: in how many of
    them the canary's did it, or was the larger one; `control`: likewise the control's, where it is counted.
    `tolerated`: the share that raises nothing, where one is agreed. `log_e`: the natural logarithm of the e-value."""

    name: str
    compared: int
    canary: int
    control: int | None
    tolerated: float | None
    log_e: float


@dataclass(slots=True)
class Guard:
    """The evidence so far. As JSON it lives in the pointer's row and is updated with the requests."""

    terms: Terms
    routes: Rate = field(default_factory=lambda: Rate(0.02))
    failures: Contest = field(default_factory=Contest)
    denials: Contest = field(default_factory=Contest)
    approvals: Contest = field(default_factory=Contest)
    durations: Duel = field(default_factory=Duel)
    costs: Duel = field(default_factory=Duel)
    course: Course = field(default_factory=Course)

    @classmethod
    def begin(cls, terms: Terms) -> "Guard":
        return cls(terms, Rate(terms.route_shift))

    @classmethod
    def read(cls, state: dict[str, Any]) -> "Guard":
        """Of `as_json`."""
        found = cls.begin(Terms(**state["terms"]))
        found.routes.n, found.routes.hits = state["routes"]["n"], state["routes"]["hits"]
        for name in ("failures", "denials", "approvals"):
            kept = state[name]
            hits = [kept["canary"], kept["control"]]
            setattr(found, name, Contest(kept["log_e"], kept["blocks"], hits, list(kept["waiting"])))
        for name in ("durations", "costs"):
            kept = state[name]
            setattr(found, name, Duel(Rate(kept["tolerated"], kept["n"], kept["hits"]), list(kept["waiting"])))
        # A canary that was begun by earlier code has none yet.
        if "course" in state:
            found.course = Course.read(state["course"])
        return found

    def as_json(self) -> dict[str, Any]:
        parts = {name: part.as_json() for name, part in self._parts()}
        return {"terms": self.terms.as_json(), **parts, "course": self.course.as_json()}

    def note_route(self, *, differs: bool) -> None:
        """Of each request, whichever release carries it out: both have routed it."""
        self.routes.note(differs)

    def note_end(self, run: Ended, *, canary: bool) -> None:
        for contest, hit in ((self.failures, run.failed), (self.denials, run.denied), (self.approvals, run.held)):
            (contest.canary if canary else contest.control)(hit)
        figures = [(self.durations, run.duration_s)]
        if run.cost_usd is not None:
            figures.append((self.costs, run.cost_usd))
        for duel, figure in figures:
            (duel.canary if canary else duel.control)(figure)

    def note_look(self, at: float) -> None:
        """Writes down how the evidence stands now. `at`: seconds since 1970."""
        self.course.note(at, [each.log_e for each in self.measures()])

    @property
    def enough(self) -> float:
        """The log of the e-value at which any one measure ends the canary: Bonferroni over the measures, each by
        Ville's inequality."""
        return math.log(len(self._parts()) / FALSE_ALARM)

    def measures(self) -> list[Measure]:
        """Each measure's evidence so far."""
        return [_measure(name, part) for name, part in self._parts()]

    def advice(self) -> tuple[Advice, str]:
        """(what to do, which measure says so)."""
        name, most = max(((each.name, each.log_e) for each in self.measures()), key=lambda pair: pair[1])
        if most >= self.enough:
            return Advice.ROLL_BACK, name
        after = self.terms.promote_after
        if after is not None and self.routes.n >= after:
            return Advice.PROMOTE, f"{self.routes.n} requests without an alarm"
        return Advice.WATCH, ""

    def _parts(self) -> list[tuple[str, Any]]:
        names = ("routes", "failures", "denials", "approvals", "durations", "costs")
        return [(name, getattr(self, name)) for name in names]


def _measure(name: str, part: Rate | Contest | Duel) -> Measure:
    if isinstance(part, Contest):
        return Measure(name, part.blocks, part.hits[0], part.hits[1], None, part.log_e)
    rate = part if isinstance(part, Rate) else part.rate
    return Measure(name, rate.n, rate.hits, None, rate.tolerated, part.log_e if rate.n else 0.0)
