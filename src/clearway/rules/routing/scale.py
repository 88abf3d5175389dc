"""From a router's raw figures to a score that means something: P(correct), a threshold, and how near a tie is.

A router measures some figures of a text (`Figures`: the largest logit, the similarity to the nearest example, …).
A `Scale` standardises and adds them, and maps the sum to a probability (Platt, 1999). It is fitted on texts the
router was not trained on: by cross-validation, or on a labelled dataset (`clearway route calibrate`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Figures = Sequence[float]

#: Of what belongs to some skill, the share that a fitted threshold accepts.
RECALL = 0.95
#: A margin under which the first of two is right less often than this is a near tie.
SURE_OF_FIRST = 0.85
#: Of examples measured with their own skill left out, as if they were out of scope, one in so many counts: they are
#: nearer to the skills than what people ask beside them, and requests out of scope are fewer than the others.
STRANGERS = 5
_FEWEST_EXAMPLES = 50
_FEWEST_PER_SKILL = 3
_TIE_RANGE = (0.02, 0.5)


@dataclass(frozen=True, slots=True)
class Scale:
    """`threshold` is on the score, `tie` on the margin between the first two shares. `basis`: what it was fitted on, in
    words."""

    means: tuple[float, ...]
    deviations: tuple[float, ...]
    weights: tuple[float, ...]
    slope: float
    offset: float
    threshold: float
    tie: float
    basis: str

    def fused(self, figures: Figures) -> float:
        """The weighted sum of the standardised figures: grows with how surely the text belongs to some skill."""
        rows = zip(figures, self.means, self.deviations, self.weights, strict=True)
        return sum(weight * (figure - mean) / deviation for figure, mean, deviation, weight in rows)

    def score(self, figures: Figures) -> float:
        """P(the best skill is right), 0..1; as good as what the scale was fitted on."""
        return _sigmoid(self.slope * self.fused(figures) + self.offset)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def scale_of(values: Mapping[str, Any]) -> Scale:
    """The inverse of `as_json`. Errors: `KeyError`, `TypeError`, `ValueError`."""
    lists = {name: tuple(float(number) for number in values[name]) for name in ("means", "deviations", "weights")}
    numbers = {name: float(values[name]) for name in ("slope", "offset", "threshold", "tie")}
    if len({len(found) for found in lists.values()}) != 1 or not all(
        deviation > 0 for deviation in lists["deviations"]
    ):
        raise ValueError("not a scale")
    return Scale(lists["means"], lists["deviations"], lists["weights"], **numbers, basis=str(values["basis"]))


@dataclass(frozen=True, slots=True)
class Judged:
    """One text that the router was not trained on: its figures, the margin of the best skill, whether that is right.

    `in_scope` is False for a text that belongs to no skill."""

    figures: tuple[float, ...]
    margin: float
    correct: bool
    in_scope: bool = True


def enough_to_fit(held_out: int, skills: int) -> bool:
    """Whether so many held-out examples are enough for a scale of their own; a built-in one was measured elsewhere.

    Under 50 it would be a guess. Where a skill has but two examples, holding out one takes away so much that a
    threshold fitted on that lets everything through."""
    return held_out >= max(_FEWEST_EXAMPLES, _FEWEST_PER_SKILL * skills)


def fit_scale(
    judged: Sequence[Judged], weights: Sequence[float], basis: str, *, recall: float = RECALL, least: float = 0.0
) -> Scale:
    """The figures are standardised over what is in scope; the threshold accepts `recall` of that, and is `least` at
    least. `judged` needs one text in scope at least."""
    inside = [row for row in judged if row.in_scope]
    columns = list(zip(*(row.figures for row in inside), strict=True))
    means = tuple(sum(column) / len(column) for column in columns)
    deviations = tuple(_deviation(column, mean) for column, mean in zip(columns, means, strict=True))
    bare = Scale(means, deviations, tuple(weights), 1.0, 0.0, 0.0, 0.0, basis)
    fused = [bare.fused(row.figures) for row in judged]
    slope, offset = fit_logistic(fused, [row.correct for row in judged])
    accepted = sorted(value for value, row in zip(fused, judged, strict=True) if row.in_scope)
    lowest = accepted[min(len(accepted) - 1, math.floor((1 - recall) * len(accepted)))]
    return Scale(
        means,
        deviations,
        tuple(weights),
        slope,
        offset,
        threshold=max(least, round(_sigmoid(slope * lowest + offset) - 5e-7, 6)),
        tie=_near_tie(inside),
        basis=basis,
    )


def fit_logistic(values: Sequence[float], outcomes: Sequence[bool], *, rounds: int = 50) -> tuple[float, float]:
    """(slope, offset) of P(outcome | value), by Newton's method with Platt's targets and a weak pull of the slope
    towards 1, so that it is finite where the outcomes can be told apart, or are all alike."""
    positives = sum(outcomes)
    negatives = len(outcomes) - positives
    high, low = (positives + 1) / (positives + 2), 1 / (negatives + 2)
    targets = [high if outcome else low for outcome in outcomes]
    slope, offset, pull = 1.0, 0.0, 1.0
    for _ in range(rounds):
        chances = [_sigmoid(slope * value + offset) for value in values]
        errors = [target - chance for target, chance in zip(targets, chances, strict=True)]
        slacks = [chance * (1 - chance) for chance in chances]
        pulls_slope = sum(e * v for e, v in zip(errors, values, strict=True)) - pull * (slope - 1)
        pulls_offset = sum(errors)
        a = sum(s * v * v for s, v in zip(slacks, values, strict=True)) + pull
        b = sum(s * v for s, v in zip(slacks, values, strict=True))
        c = sum(slacks) + 1e-6
        determinant = a * c - b * b
        step = (c * pulls_slope - b * pulls_offset) / determinant, (a * pulls_offset - b * pulls_slope) / determinant
        longest = max(1.0, abs(step[0]), abs(step[1]))
        # INVARIANT: the slope stays over 0, so that the score orders texts as the fused figures do.
        slope, offset = max(0.01, slope + step[0] / longest), offset + step[1] / longest
        if max(map(abs, step)) < 1e-9:
            break
    return slope, offset


def _near_tie(inside: Sequence[Judged]) -> float:
    """The margin from which the first of two skills is right often enough."""
    slope, offset = fit_logistic([row.margin for row in inside], [row.correct for row in inside])
    margin = (math.log(SURE_OF_FIRST / (1 - SURE_OF_FIRST)) - offset) / slope
    return round(min(max(margin, _TIE_RANGE[0]), _TIE_RANGE[1]), 4)


def _deviation(column: Sequence[float], mean: float) -> float:
    return math.sqrt(sum((value - mean) ** 2 for value in column) / len(column)) or 1.0


def _sigmoid(value: float) -> float:
    if value >= 0:
        return 1 / (1 + math.exp(-min(value, 700.0)))
    growth = math.exp(max(value, -700.0))
    return growth / (1 + growth)
