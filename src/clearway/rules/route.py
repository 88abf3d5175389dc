"""Routing by rule: an explicit skill, or keywords and example utterances. Every route says why.

Other routers stand behind the same shape (`Router`); this one needs no model and never guesses: below its threshold,
or where two skills tie, it abstains.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from clearway.model.tool import SkillSpec

THRESHOLD = 0.35
MARGIN = 0.05
ROUTER = "utterances/1"
_WORD = re.compile(r"[^\W_]+")
#: Words that say nothing about what is wanted.
_STOP = frozenset(
    "a an and at by do for from i in is it me my of on or please that the this to with you your".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Route:
    """`skill` is None where the router abstains; `why` says so in words. Scores are within 0..1."""

    skill: str | None
    router: str
    score: float
    why: str
    runner_up: str | None = None
    margin: float = 0.0

    def as_json(self) -> dict[str, object]:
        return {
            "skill": self.skill,
            "router": self.router,
            "score": round(self.score, 4),
            "why": self.why,
            "runner_up": self.runner_up,
            "margin": round(self.margin, 4),
        }


class Router(Protocol):
    """Chooses a skill for a text, or abstains."""

    def route(self, text: str, skills: Mapping[str, SkillSpec]) -> Route: ...


class UtteranceRouter:
    """Scores each skill by its keywords and by word overlap with its examples; numbers count as alike."""

    def route(self, text: str, skills: Mapping[str, SkillSpec]) -> Route:
        wanted = _words(text)
        ranked = sorted(((_score(wanted, skill), name) for name, skill in skills.items()), key=lambda r: (-r[0], r[1]))
        if not ranked:
            return Route(None, ROUTER, 0.0, "the project declares no skill")
        score, best = ranked[0]
        second_score, second = ranked[1] if len(ranked) > 1 else (0.0, None)
        margin = score - second_score
        if score < THRESHOLD:
            return Route(None, ROUTER, score, f"nothing fits well enough (best: {best})", second, margin)
        if second is not None and margin < MARGIN:
            return Route(None, ROUTER, score, f"{best} and {second} fit alike", second, margin)
        return Route(best, ROUTER, score, "closest to its keywords and examples", second, margin)


def explicit(skill: str) -> Route:
    """The caller named the skill."""
    return Route(skill, "explicit", 1.0, "the caller named the skill")


def _score(wanted: frozenset[str], skill: SkillSpec) -> float:
    keywords = [_words(keyword) for keyword in skill.keywords]
    hit = 0.6 if any(keyword and keyword <= wanted for keyword in keywords) else 0.0
    overlap = max((_overlap(wanted, _words(example)) for example in _examples(skill)), default=0.0)
    return max(overlap, min(1.0, hit + 0.4 * overlap))


def _examples(skill: SkillSpec) -> Sequence[str]:
    return (*skill.examples, skill.name.replace("_", " "), skill.description)


def _overlap(left: frozenset[str], right: frozenset[str]) -> float:
    if not left or not right:
        return 0.0
    common = len(left & right)
    return 2 * common / (len(left) + len(right))


def _words(text: str) -> frozenset[str]:
    words = _WORD.findall(text.lower())
    return frozenset("#" if word.isdigit() else word for word in words if word not in _STOP)
