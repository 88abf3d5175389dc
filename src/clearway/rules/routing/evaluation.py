"""How good routes are, on labelled texts: figures with 95 % intervals, in pure Python.

Accuracy counts what fits best, whether or not it was taken; the figures "at the threshold" count what was taken.
"""

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from clearway.rules.route import Route
from clearway.rules.routing.dataset import Labelled

Interval = tuple[float, float]

_Z = 1.959964
_RESAMPLES = 200
#: Above this, a row of scores is thinned for the intervals' resampling.
_MOST_RESAMPLED = 4_000
RECALL = 0.95


@dataclass(frozen=True, slots=True)
class Rate:
    """`right` of `of`, with its Wilson interval. `value` is None of nothing."""

    value: float | None
    right: int
    of: int
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Area:
    """A figure of the scores, with its bootstrap interval (fixed seed)."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`confusion`: (labelled, routed to, how often), wrong ones only, most frequent first; None is out of scope, or
    abstained. `auroc`, `fpr_at_95`: None where the dataset has nothing out of scope, or nothing in scope."""

    texts: int
    in_scope: int
    out_of_scope: int
    accuracy: Rate
    taken: Rate
    right_where_taken: Rate
    false_accepts: Rate
    precision: dict[str, Rate]
    recall: dict[str, Rate]
    confusion: list[tuple[str | None, str | None, int]]
    auroc: Area | None
    fpr_at_95: Area | None
    routers: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def evaluate(rows: Sequence[tuple[Labelled, Route]]) -> Evaluation:
    """Each labelled text with its route."""
    inside = [(label, route) for label, route in rows if label.skill is not None]
    outside = [route for label, route in rows if label.skill is None]
    taken = [(label, route) for label, route in rows if route.skill is not None]
    scores = [route.score for _, route in inside], [route.score for route in outside]
    has_both = bool(inside and outside)
    labels = labels_of(rows)
    wrong = Counter((label.skill, route.skill) for label, route in rows if label.skill != route.skill)
    return Evaluation(
        texts=len(rows),
        in_scope=len(inside),
        out_of_scope=len(outside),
        accuracy=rate([route.best == label.skill for label, route in inside]),
        taken=rate([route.skill is not None for _, route in inside]),
        right_where_taken=rate([route.skill == label.skill for label, route in taken]),
        false_accepts=rate([route.skill is not None for route in outside]),
        precision={s: rate([label.skill == s for label, route in taken if route.skill == s]) for s in labels},
        recall={s: rate([route.skill == s for label, route in inside if label.skill == s]) for s in labels},
        confusion=[(*pair, n) for pair, n in sorted(wrong.items(), key=lambda item: (-item[1], str(item[0])))],
        auroc=_area(auroc, *scores) if has_both else None,
        fpr_at_95=_area(false_accepts_at, *scores) if has_both else None,
        routers=dict(Counter(route.router for _, route in rows)),
    )


def labels_of(rows: Sequence[tuple[Labelled, Route]]) -> list[str]:
    """The skills that a text belongs to, or was routed to."""
    return sorted({skill for label, route in rows for skill in (label.skill, route.skill) if skill is not None})


def matrix(rows: Sequence[tuple[Labelled, Route]]) -> tuple[list[str | None], list[list[int]]]:
    """(labels, counts): by label, how often each was routed to. None, the last one, is out of scope, or no skill."""
    labels: list[str | None] = [*labels_of(rows), None]
    counted = Counter((label.skill, route.skill) for label, route in rows)
    return labels, [[counted[said, went] for went in labels] for said in labels]


def rate(outcomes: Sequence[bool]) -> Rate:
    """With Wilson's 95 % score interval (Wilson, 1927)."""
    right, of = sum(outcomes), len(outcomes)
    if not of:
        return Rate(None, 0, 0, None)
    share = right / of
    spread = _Z * math.sqrt(share * (1 - share) / of + _Z * _Z / (4 * of * of))
    middle, scale = share + _Z * _Z / (2 * of), 1 + _Z * _Z / of
    return Rate(share, right, of, (max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)))


def auroc(inside: Sequence[float], outside: Sequence[float]) -> float:
    """The chance that a text in scope scores above one out of scope; ties count half (Mann and Whitney, 1947)."""
    ranked = sorted([(score, 1) for score in inside] + [(score, 0) for score in outside])
    total, place = 0.0, 0
    while place < len(ranked):
        end = place
        while end < len(ranked) and ranked[end][0] == ranked[place][0]:
            end += 1
        total += (place + end + 1) / 2 * sum(kind for _, kind in ranked[place:end])
        place = end
    count = len(inside)
    return (total - count * (count + 1) / 2) / (count * len(outside))


def false_accepts_at(inside: Sequence[float], outside: Sequence[float], recall: float = RECALL) -> float:
    """The share of what is out of scope that is accepted where `recall` of what is in scope is."""
    least = sorted(inside)[math.floor((1 - recall) * len(inside))]
    return sum(score >= least for score in outside) / len(outside)


@dataclass(frozen=True, slots=True)
class TradeOff:
    """At one threshold: of what is in scope, the share taken; of what is taken, the share that is right (what is out
    of scope is never right); of what is out of scope, the share taken."""

    threshold: float
    taken: float
    precision: float
    false_accepts: float


def trade_offs(rows: Sequence[tuple[Labelled, Route]], thresholds: Sequence[float]) -> list[TradeOff]:
    """What each threshold would give, if it alone decided."""
    inside = sum(label.skill is not None for label, _ in rows)
    found: list[TradeOff] = []
    for threshold in thresholds:
        taken = [(label, route) for label, route in rows if route.score >= threshold and route.best is not None]
        kept = sum(label.skill is not None for label, _ in taken)
        right = sum(label.skill == route.best for label, route in taken)
        found.append(
            TradeOff(
                threshold,
                kept / inside if inside else 0.0,
                right / len(taken) if taken else 1.0,
                (len(taken) - kept) / (len(rows) - inside) if len(rows) > inside else 0.0,
            )
        )
    return found


def _area(figure: Any, inside: Sequence[float], outside: Sequence[float]) -> Area:
    """The interval: 200 resamples of both, the middle 95 %."""
    chance = random.Random(7)  # noqa: S311 - resampling, no secret
    some, others = (scores[:: -(-len(scores) // _MOST_RESAMPLED)] for scores in (inside, outside))
    drawn = sorted(
        figure(chance.choices(some, k=len(some)), chance.choices(others, k=len(others))) for _ in range(_RESAMPLES)
    )
    return Area(figure(inside, outside), (drawn[int(0.025 * _RESAMPLES)], drawn[int(0.975 * _RESAMPLES) - 1]))
