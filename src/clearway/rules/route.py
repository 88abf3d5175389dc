"""The skill chosen for a request, and the port that every router stands behind. Every route says why.

The routers: `rules.routing` (keywords and patterns, TF-IDF, several in a row), `adapters.router` (embeddings, a model).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from clearway.model.tool import SkillSpec


@dataclass(frozen=True, slots=True)
class Route:
    """`skill` is None where the router abstains; `why` says so in words, and repeats nothing of the text.

    `score`: P(the best skill is right), 0..1, as good as its router's calibration; `threshold` is on it. `margin`:
    between the shares of the first two `candidates`, (skill, share) best first. `version`: content address of what
    decided. `passed_by`: the routers that abstained before, each with why.
    """

    skill: str | None
    router: str
    score: float
    why: str
    runner_up: str | None = None
    margin: float = 0.0
    version: str = ""
    threshold: float = 0.0
    candidates: tuple[tuple[str, float], ...] = ()
    passed_by: tuple[str, ...] = ()

    @property
    def best(self) -> str | None:
        """What fits best, whether or not it was taken."""
        return self.candidates[0][0] if self.candidates else self.skill

    def as_json(self) -> dict[str, object]:
        return {
            "skill": self.skill,
            "router": self.router,
            "score": round(self.score, 4),
            "why": self.why,
            "runner_up": self.runner_up,
            "margin": round(self.margin, 4),
            "version": self.version,
            "threshold": round(self.threshold, 4),
            "candidates": [[skill, round(share, 4)] for skill, share in self.candidates],
            "passed_by": list(self.passed_by),
        }


class Router(Protocol):
    """Chooses a skill for a text, or abstains."""

    def route(self, text: str, skills: Mapping[str, SkillSpec]) -> Route: ...


@runtime_checkable
class Trainable(Protocol):
    """A router with something to load or train, which its first route would wait for."""

    def prepare(self, skills: Mapping[str, SkillSpec]) -> None: ...


def explicit(skill: str) -> Route:
    """The caller named the skill."""
    return Route(skill, "explicit", 1.0, "the caller named the skill")
