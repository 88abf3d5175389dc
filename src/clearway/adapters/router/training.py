"""Trains the embedded router from lessons: deterministic, a minute for 15,000 texts, a blink for a few dozen.

What held-out examples score is measured by cross-validation, and the scale (threshold, P(correct), near ties) is
fitted on that; so the threshold stands on data from the first day.
"""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from clearway.adapters.router.classifier import directions, embedding, measured
from clearway.adapters.router.embedded import FIGURE_WEIGHTS
from clearway.rules.routing.examples import Lesson, folds_of
from clearway.rules.routing.ngrams import inverse_frequencies, tfidf
from clearway.rules.routing.scale import STRANGERS, Judged, Scale, enough_to_fit, fit_scale

#: For projects with few examples: the similarity to the nearest one decides alone. P(correct) as fitted on CLINC150,
#: 25 projects of 5 skills with 3 examples each, half of the texts out of scope; taken is what is rather right than not.
#: In 60 projects of 2 to 5 skills of one domain, two of three were right where the first two were nearer than `tie`.
BUILT_IN = Scale(
    means=(0.0, 0.0, 0.0),
    deviations=(1.0, 1.0, 1.0),
    weights=(0.0, 1.0, 0.0),
    slope=16.4,
    offset=-6.5,
    threshold=0.5,
    tie=0.35,
    basis="built in: too few examples to calibrate on",
)
_FOLDS = 5
#: Above this many examples one fold of them is held out, not each in turn.
_MOST_TO_CROSS = 3_000
#: Examples a skill that the nearest is looked for among.
_NEAR_PER_SKILL = 40
_SVM_WEIGHTS = (0.0, 0.5, 1.0, 2.0)
_FEW_SVM_WEIGHT = 0.5
_LR_C, _LR_ROUNDS = 20.0, 300
_SVM_C = 1.0


@dataclass(frozen=True, slots=True)
class _Fit:
    """What was learned from some lessons. `weights`: (layers × width, skills); `svm`: (n-grams, skills). `near_of`: the
    places of the skills whose examples are `near`."""

    means: Any
    weights: Any
    offsets: Any
    near: Any
    near_of: Any
    inverse: dict[str, float]
    svm: Any
    svm_offsets: Any


def train(lessons: Sequence[Lesson], encoded: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(meta, arrays) for `artefact.pack`. `encoded`: the lessons' vectors, (lessons, layers, width).

    The same lessons give the same bytes on the same machine and library versions: one thread, fixed seeds.
    """
    from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

    with threadpool_limits(1), warnings.catch_warnings():
        # scikit-learn warns of many skills with one example each, and of rounds that end before the last digit.
        warnings.simplefilter("ignore", UserWarning)
        skills = sorted({row.skill for row in lessons})
        scale, svm_weight = _validated(lessons, encoded, skills)
        fit = _fit(lessons, encoded, skills)
    meta = {
        "skills": skills,
        "grams": json.dumps(list(fit.inverse), ensure_ascii=False, separators=(",", ":")),
        "svm_weight": svm_weight,
        "scale": scale.as_json(),
        "lessons": len(lessons),
    }
    arrays = {
        "means": fit.means.astype(np.float32),
        "weights": fit.weights.astype(np.float32),
        "offsets": fit.offsets.astype(np.float32),
        "near": fit.near.astype(np.float16),
        "inverse": np.fromiter(fit.inverse.values(), np.float32, len(fit.inverse)),
        "svm": fit.svm.astype(np.float16),
        "svm_offsets": fit.svm_offsets.astype(np.float32),
    }
    return meta, arrays


def _validated(lessons: Sequence[Lesson], encoded: Any, skills: Sequence[str]) -> tuple[Scale, float]:
    """(scale, weight of the SVM) by cross-validation; built-in ones where there are too few examples.

    Each held-out example is measured a second time with its own skill left out: then it belongs to none, as a text that
    is out of scope. Without such texts P(correct) would only tell how often examples are confused."""
    folds = np.asarray(folds_of(list(lessons), _FOLDS))
    count = int((folds >= 0).sum())
    if not enough_to_fit(count, len(skills)) or len(skills) < 2:
        return BUILT_IN, _FEW_SVM_WEIGHT
    turns = range(_FOLDS if count <= _MOST_TO_CROSS else 1)
    parts = [_held_out(lessons, encoded, skills, folds == turn) for turn in turns if (folds == turn).any()]
    held = _Held(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    found = [measured(held.logits, held.margins, held.nearest, weight) for weight in _SVM_WEIGHTS]
    right = [shares.argmax(axis=1) == held.answers for shares, _ in found]
    best = int(np.argmax([rows.mean() for rows in right]))
    shares, figures = found[best]
    first = np.sort(shares, axis=1)[:, -2:]
    judged = [
        Judged(tuple(row), float(high - low), bool(is_right))
        for row, (low, high), is_right in zip(figures.tolist(), first.tolist(), right[best].tolist(), strict=True)
    ]
    basis = f"cross-validated on {len(judged)} examples"
    strange = _strange(held, _SVM_WEIGHTS[best])[::STRANGERS].tolist()
    judged += [Judged(tuple(row), 0.0, False, in_scope=False) for row in strange]
    return fit_scale(judged, FIGURE_WEIGHTS, basis), _SVM_WEIGHTS[best]


class _Held(NamedTuple):
    """Held-out examples by what the others teach. `logits`, `margins`: by skill. `nearest`: similarity to the nearest
    example, `nearest_other` to the nearest of another skill. `answers`: place of the right skill."""

    logits: Any
    margins: Any
    nearest: Any
    nearest_other: Any
    answers: Any


def _held_out(lessons: Sequence[Lesson], encoded: Any, skills: Sequence[str], held: Any) -> _Held:
    kept = [row for row, out in zip(lessons, held, strict=True) if not out]
    out = [row for row, is_out in zip(lessons, held, strict=True) if is_out]
    fit = _fit(kept, encoded[~held], skills)
    answers = np.asarray([skills.index(row.skill) for row in out])
    near = directions(encoded[held]) @ fit.near.T
    return _Held(
        logits=embedding(encoded[held], fit.means) @ fit.weights + fit.offsets,
        margins=_sparse([row.text for row in out], fit.inverse) @ fit.svm + fit.svm_offsets,
        nearest=near.max(axis=1),
        nearest_other=np.where(fit.near_of[None] == answers[:, None], -1.0, near).max(axis=1),
        answers=answers,
    )


def _strange(held: _Held, svm_weight: float) -> Any:
    """The figures of the held-out examples where their own skill is not among those to choose from."""
    others = np.ones_like(held.logits, dtype=bool)
    others[np.arange(len(held.answers)), held.answers] = False
    shape = len(held.answers), -1
    return measured(
        held.logits[others].reshape(shape), held.margins[others].reshape(shape), held.nearest_other, svm_weight
    )[1]


def _fit(lessons: Sequence[Lesson], encoded: Any, skills: Sequence[str]) -> _Fit:
    place = {skill: number for number, skill in enumerate(skills)}
    answers = np.asarray([place[row.skill] for row in lessons])
    shown = np.asarray([row.is_example for row in lessons])
    shown = shown if shown.any() else ~shown
    emphasis = np.asarray([row.weight for row in lessons])
    means = encoded[shown].mean(axis=0)
    weights, offsets = _logistic(embedding(encoded, means), answers, emphasis, len(skills))
    inverse = inverse_frequencies(row.text for row in lessons)
    svm, svm_offsets = _svm(_sparse([row.text for row in lessons], inverse), answers, emphasis, len(skills))
    spread = _spread(answers, shown, len(skills))
    near = directions(encoded)[spread]
    return _Fit(means, weights, offsets, near, answers[spread], inverse, svm, svm_offsets)


def _logistic(vectors: Any, answers: Any, emphasis: Any, count: int) -> tuple[Any, Any]:
    if count < 2:
        return np.zeros((vectors.shape[1], count)), np.zeros(count)
    from sklearn.linear_model import LogisticRegression  # pyright: ignore[reportMissingTypeStubs]

    model: Any = LogisticRegression(C=_LR_C, max_iter=_LR_ROUNDS)
    model.fit(vectors, answers, emphasis)
    return _each(model.coef_.T / (2 if count == 2 else 1), model.intercept_ / (2 if count == 2 else 1), count)


def _svm(vectors: Any, answers: Any, emphasis: Any, count: int) -> tuple[Any, Any]:
    if count < 2:
        return np.zeros((vectors.shape[1], count)), np.zeros(count)
    from sklearn.svm import LinearSVC  # pyright: ignore[reportMissingTypeStubs]

    model: Any = LinearSVC(C=_SVM_C, random_state=0)
    model.fit(vectors, answers, emphasis)
    return _each(model.coef_.T, model.intercept_, count)


def _each(weights: Any, offsets: Any, count: int) -> tuple[Any, Any]:
    """One column a skill; of two skills scikit-learn keeps the second's only."""
    if count > 2:
        return weights, offsets
    return np.hstack([-weights, weights]), np.concatenate([-offsets, offsets])


def _sparse(texts: Sequence[str], inverse: dict[str, float]) -> Any:
    from scipy.sparse import csr_matrix  # pyright: ignore[reportMissingTypeStubs]

    place = {gram: number for number, gram in enumerate(inverse)}
    rows = [tfidf(text, inverse) for text in texts]
    starts = np.cumsum([0, *map(len, rows)])
    columns = np.fromiter((place[gram] for row in rows for gram in row), np.int32, starts[-1])
    values = np.fromiter((value for row in rows for value in row.values()), np.float64, starts[-1])
    matrix: Any = csr_matrix((values, columns, starts), shape=(len(rows), len(inverse)))
    matrix.sort_indices()
    return matrix


def _spread(answers: Any, shown: Any, count: int) -> Any:
    """Places of the examples that the nearest is looked for among: of each skill evenly, at most so many."""
    kept: list[Any] = []
    for skill in range(count):
        own = np.flatnonzero((answers == skill) & shown)
        own = own if len(own) else np.flatnonzero(answers == skill)
        kept.append(own[np.unique(np.linspace(0, len(own) - 1, min(len(own), _NEAR_PER_SKILL)).round().astype(int))])
    return np.concatenate(kept)
