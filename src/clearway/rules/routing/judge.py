"""The judgement every router ends with: take the best skill, or abstain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clearway.model.tool import Impact, SkillSpec, ToolSpec
from clearway.rules.route import Route
from clearway.rules.routing.scale import Scale

#: How many candidates a route names.
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Ranking:
    """`shares`: (skill, share of the belief, 0..1), best first. `score`: P(the best is right)."""

    shares: Sequence[tuple[str, float]]
    score: float


@dataclass(frozen=True, slots=True)
class Teller:
    """Who tells: a router's name, its version (a content address), and what is to be said of it in every route."""

    router: str
    version: str
    note: str = ""

    def abstention(self, why: str, score: float = 0.0) -> Route:
        return Route(None, self.router, score, self.noted(why), version=self.version)

    def noted(self, why: str) -> str:
        return f"{why} ({self.note})" if self.note else why


def impacts_of(skills: Mapping[str, SkillSpec], tools: Mapping[str, ToolSpec]) -> dict[str, Impact]:
    """A skill's impact is the highest of its tools': `read` where it has none."""
    return {
        name: max((tools[tool].impact for tool in skill.tools if tool in tools), key=_rank, default=Impact.READ)
        for name, skill in skills.items()
    }


def judge(ranking: Ranking, scale: Scale, impacts: Mapping[str, Impact], teller: Teller) -> Route:
    """The best skill; or none where the score is under the threshold, or where a tie forbids it.

    INVARIANT: a skill that is nearly tied with one of less impact is never taken.
    """
    shares = ranking.shares
    if not shares:
        return teller.abstention("there is no skill to choose from")
    share = shares[0][1]
    second, second_share = shares[1] if len(shares) > 1 else (None, 0.0)
    chosen, why = _choose(ranking, scale, impacts)
    return Route(
        chosen,
        teller.router,
        ranking.score,
        teller.noted(why),
        second,
        share - second_share,
        version=teller.version,
        threshold=scale.threshold,
        candidates=tuple(shares[:SHOWN]),
    )


def _choose(ranking: Ranking, scale: Scale, impacts: Mapping[str, Impact]) -> tuple[str | None, str]:
    best, share = ranking.shares[0]
    score, least = f"{ranking.score:.2f}", f"{scale.threshold:.2f}, {scale.basis}"
    if ranking.score < scale.threshold:
        return None, f"nothing fits well enough: {best} scores {score}, under the threshold of {least}"
    for rival, rival_share in ranking.shares[1:]:
        margin = share - rival_share
        less = _impact(rival, impacts).rank < _impact(best, impacts).rank
        if margin == 0 or (less and margin < scale.tie):
            return None, (
                f"{best} ({_impact(best, impacts)}) and {rival} ({_impact(rival, impacts)}) fit nearly alike: "
                f"{margin:.2f} apart"
            )
    return best, f"scores {score}, over the threshold of {least}"


def _impact(skill: str, impacts: Mapping[str, Impact]) -> Impact:
    """Of a skill that is not known, the highest."""
    return impacts.get(skill, Impact.EXTERNAL)


def _rank(impact: Impact) -> int:
    return impact.rank
