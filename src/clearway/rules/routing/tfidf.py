"""The TF-IDF router: pure Python, for the base install. A text goes to the skill whose examples it is most like.

A skill is the sum of its examples' TF-IDF vectors (Rocchio), a text's fit the cosine of the two. What held-out
examples would score is known without training anew: each is taken out of its skill's sum.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from clearway.model.tool import Impact, SkillSpec
from clearway.rules.route import Route
from clearway.rules.routing.calibration import Calibration
from clearway.rules.routing.examples import Lesson, are_same, lessons_digest, lessons_of
from clearway.rules.routing.judge import Ranking, Teller, judge
from clearway.rules.routing.ngrams import inverse_frequencies, tfidf, word_grams
from clearway.rules.routing.scale import STRANGERS, Judged, Scale, enough_to_fit, fit_scale

ROUTER = "tfidf"
VERSION = 1
#: Held-out examples that a threshold is fitted on, at most.
_MOST_TO_FIT = 1_000
#: Where 95 % of what is in scope cannot be accepted without more wrong than right, the threshold is this.
_RATHER_RIGHT = 0.5
#: How sharply cosines turn into shares.
_SHARPNESS = 20.0
#: Weights in the score of the two figures: the cosine, and the share of the text's words that is known.
FIGURE_WEIGHTS = (1.0, 0.5)
#: For projects with few examples: P(correct) as fitted on CLINC150, 25 projects of 5 skills with 3 examples each, half
#: of the texts out of scope; taken is what is rather right than not.
BUILT_IN = Scale(
    means=(0.0, 0.0),
    deviations=(1.0, 1.0),
    weights=(1.0, 0.17),
    slope=19.1,
    offset=-7.8,
    threshold=0.5,
    tie=0.35,
    basis="built in: too few examples to calibrate on",
)

_Vector = Mapping[str, float]


class TfidfModel:
    """The skills as sums of vectors, in an index by n-gram."""

    def __init__(self, lessons: Sequence[Lesson], scale: Scale | None = None) -> None:
        self.skills = sorted({row.skill for row in lessons})
        self._count = len(lessons)
        self._inverse = inverse_frequencies(row.text for row in lessons)
        vectors = [tfidf(row.text, self._inverse) for row in lessons]
        sums: dict[str, dict[str, float]] = {skill: defaultdict(float) for skill in self.skills}
        for row, vector in zip(lessons, vectors, strict=True):
            for gram, weight in vector.items():
                sums[row.skill][gram] += row.weight * weight
        self._lengths = {skill: _length(found) for skill, found in sums.items()}
        self._index: dict[str, list[tuple[str, float]]] = defaultdict(list)
        for skill, found in sums.items():
            for gram, weight in found.items():
                self._index[gram].append((skill, weight))
        held_out = [(row, vector) for row, vector in zip(lessons, vectors, strict=True) if row.is_example]
        self.scale = scale or self._fitted(held_out)
        self.version = f"{VERSION}:{lessons_digest(list(lessons)).removeprefix('sha256:')[:12]}"

    def figures(self, text: str) -> tuple[list[tuple[str, float]], tuple[float, ...]]:
        """(shares, figures) of a text: the cosine with the best skill, and how much of its words some example has."""
        shares, best = self._shares(self._cosines(tfidf(text, self._inverse)))
        return shares, (best, self._known(text, 0))

    def _fitted(self, held_out: Sequence[tuple[Lesson, _Vector]]) -> Scale:
        """Each example is measured a second time with its own skill left out: then it belongs to none, as a text that
        is out of scope."""
        examples = Counter(row.skill for row, _ in held_out)
        # Without its only example, nothing of a skill could be learned.
        held_out = [(row, vector) for row, vector in held_out if examples[row.skill] > 1]
        if not enough_to_fit(len(held_out), len(self.skills)):
            return BUILT_IN
        step = -(-len(held_out) // _MOST_TO_FIT)
        judged, strangers = list[Judged](), list[Judged]()
        for row, vector in held_out[::step]:
            cosines = self._cosines(vector, without=row.skill)
            shares, best = self._shares(cosines)
            margin = shares[0][1] - shares[1][1] if len(shares) > 1 else shares[0][1]
            judged.append(Judged((best, self._known(row.text, 1)), margin, shares[0][0] == row.skill))
            strange = max((cosine for skill, cosine in cosines.items() if skill != row.skill), default=0.0)
            strangers.append(Judged((strange, self._known(row.text, 0, row.skill)), 0.0, False, in_scope=False))
        basis = f"leave-one-out on {len(judged)} examples"
        return fit_scale([*judged, *strangers[::STRANGERS]], FIGURE_WEIGHTS, basis, least=_RATHER_RIGHT)

    def _known(self, text: str, own: int, without: str | None = None) -> float:
        """The share of its words and pairs, rare ones counting more, that occur in more than `own` lessons; those of
        the skill `without` do not count."""
        grams = word_grams(text)
        rarest = math.log(1 + self._count) + 1
        least = math.log((1 + self._count) / (1 + own)) + 1 if own else math.inf
        total = known = 0.0
        for gram in grams:
            weight = self._inverse.get(gram, math.inf)
            total += min(weight, rarest)
            if weight < least and (without is None or any(skill != without for skill, _ in self._index.get(gram, ()))):
                known += weight
        return known / total if total else 0.0

    def _cosines(self, vector: _Vector, without: str | None = None) -> dict[str, float]:
        """By skill; `without`: the skill whose sum the vector is taken out of first."""
        found = dict.fromkeys(self.skills, 0.0)
        for gram, weight in vector.items():
            for skill, other in self._index.get(gram, ()):
                found[skill] += weight * other
        own = _length(vector)
        for skill, product in found.items():
            length = self._lengths[skill]
            if skill == without:
                product, length = (
                    product - own * own,
                    math.sqrt(max(length * length - 2 * product + own * own, 0.0)),
                )
            found[skill] = product / (own * length) if own and length > 1e-9 else 0.0
        return found

    def _shares(self, cosines: Mapping[str, float]) -> tuple[list[tuple[str, float]], float]:
        best = max(cosines.values(), default=0.0)
        grown = {skill: math.exp(_SHARPNESS * (cosine - best)) for skill, cosine in cosines.items()}
        total = sum(grown.values()) or 1.0
        shares = sorted(((skill, share / total) for skill, share in grown.items()), key=lambda row: (-row[1], row[0]))
        return shares, best


class TfidfRouter:
    """`calibration` goes before the scale made of the examples. `note`: said in every route."""

    def __init__(self, impacts: Mapping[str, Impact], calibration: Calibration | None = None, note: str = "") -> None:
        self._impacts = impacts
        self._calibration = calibration
        self._note = note
        self._model: tuple[tuple[SkillSpec, ...], TfidfModel] | None = None

    def route(self, text: str, skills: Mapping[str, SkillSpec]) -> Route:
        model = self.model(skills)
        shares, figures = model.figures(text)
        stale = self._calibration.note_for(model.version) if self._calibration else ""
        teller = Teller(ROUTER, model.version, "; ".join(filter(None, (self._note, stale))))
        if not figures[0]:
            return teller.abstention("the text has nothing in common with any example")
        return judge(Ranking(shares, model.scale.score(figures)), model.scale, self._impacts, teller)

    def model(self, skills: Mapping[str, SkillSpec]) -> TfidfModel:
        """Learned from the skills' examples once; anew where they are others."""
        known = self._model
        if known is None or not are_same(known[0], skills):
            scale = self._calibration.scale if self._calibration else None
            known = tuple(skills.values()), TfidfModel(lessons_of(skills), scale)
            self._model = known
        return known[1]


def _length(vector: _Vector) -> float:
    return math.sqrt(sum(weight * weight for weight in vector.values()))
