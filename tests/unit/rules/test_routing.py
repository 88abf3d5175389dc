"""Routing without a model: keywords and patterns, TF-IDF, the judgement, scales, datasets, figures."""

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.model.errors import ConfigError, Invalid
from clearway.model.tool import Impact, SkillSpec
from clearway.rules.route import Route
from clearway.rules.routing import calibration
from clearway.rules.routing.calibration import Calibration, calibrations_json, read_calibrations
from clearway.rules.routing.dataset import Labelled, parse_dataset
from clearway.rules.routing.evaluation import auroc, evaluate, false_accepts_at, matrix, rate, trade_offs
from clearway.rules.routing.examples import folds_of, lessons_of
from clearway.rules.routing.judge import Ranking, Teller, judge
from clearway.rules.routing.keywords import KeywordRouter
from clearway.rules.routing.ngrams import inverse_frequencies, tfidf
from clearway.rules.routing.scale import Judged, Scale, fit_logistic, fit_scale, scale_of
from clearway.rules.routing.stack import Stack
from clearway.rules.routing.tfidf import BUILT_IN, TfidfRouter

SCALE = Scale((0.0,), (1.0,), (1.0,), 1.0, 0.0, threshold=0.5, tie=0.2, basis="a test")
TELLER = Teller("test", "1:abc")
IMPACTS = {"pay": Impact.EXTERNAL, "note": Impact.INTERNAL_WRITE, "look": Impact.READ}


async def _nothing(run: object) -> None: ...


def skill(name: str, *examples: str, keywords: tuple[str, ...] = (), description: str = "") -> SkillSpec:
    def validate(given: Mapping[str, Any], text: str = "") -> dict[str, Any]:
        return dict(given)

    return SkillSpec(name, description, _nothing, frozenset(), validate, examples=examples, keywords=keywords)


def named(*skills: SkillSpec) -> dict[str, SkillSpec]:
    return {one.name: one for one in skills}


DESK = named(
    skill("refund_desk", "Refund 20 dollars to account 9182", "Please give me my money back", keywords=("refund",)),
    skill(
        "account_status", "What is the status of account 9182?", "Show me my balance", keywords=("status", "balance")
    ),
)


def test_a_keyword_decides_and_the_route_names_it_and_its_address() -> None:
    found = KeywordRouter().route("I want a REFUND, now!", DESK)
    assert (found.skill, found.score, found.router) == ("refund_desk", 1.0, "rules")
    assert "'refund'" in found.why
    assert found.version.startswith("1:")


def test_a_keyword_inside_another_word_is_none() -> None:
    assert KeywordRouter().route("nonrefundable rebalanced", DESK).skill is None


def test_keywords_of_two_skills_in_one_text_are_no_decision() -> None:
    found = KeywordRouter().route("refund my balance", DESK)
    assert found.skill is None
    assert {name for name, _ in found.candidates} == {"refund_desk", "account_status"}


def test_a_pattern_of_the_project_decides_and_case_does_not_count() -> None:
    router = KeywordRouter(patterns={"refund_desk": [r"\bcs-[0-9]+\b"]})
    assert router.route("what about CS-1042", DESK).skill == "refund_desk"
    assert router.route("x", DESK).version != KeywordRouter().route("x", DESK).version


@pytest.mark.parametrize("pattern", ["(", "a*", r"(a)\1", "(?=x)"])
def test_a_pattern_that_re2_does_not_take_is_a_config_error(pattern: str) -> None:
    with pytest.raises(ConfigError):
        KeywordRouter(patterns={"refund_desk": [pattern]})


def test_tfidf_takes_what_is_like_its_examples_and_abstains_from_the_rest() -> None:
    router = TfidfRouter({})
    assert router.route("please give me the money back", DESK).skill == "refund_desk"
    for text in ("Book a flight to Lisbon", "", "🦊"):
        found = router.route(text, DESK)
        assert found.skill is None
        assert found.why


def test_tfidf_without_skills_abstains() -> None:
    assert TfidfRouter({}).route("refund", {}).skill is None


def test_tfidf_learns_anew_where_the_skills_are_others() -> None:
    router = TfidfRouter({})
    before = router.route("Show me my balance", DESK)
    after = router.route("Show me my balance", named(skill("other", "Show me my balance"), DESK["refund_desk"]))
    assert (before.skill, after.skill) == ("account_status", "other")
    assert before.version != after.version


def test_fifty_examples_are_enough_for_a_threshold_of_their_own() -> None:
    texts = {"pay": "pay invoice number", "look": "show the weather in"}
    many = named(*(skill(name, *(f"{text} {word}" for word in _words(30))) for name, text in texts.items()))
    assert TfidfRouter({}).model(DESK).scale is BUILT_IN
    scale = TfidfRouter({}).model(many).scale
    assert scale.basis == "leave-one-out on 60 examples"
    assert TfidfRouter({}).route("pay invoice number zebra", many).skill == "pay"


@given(st.text(max_size=200))
def test_no_text_breaks_the_routers(text: str) -> None:
    stack = Stack([KeywordRouter(), TfidfRouter({})])
    found = stack.route(text, DESK)
    assert 0 <= found.score <= 1
    assert json.loads(json.dumps(found.as_json()))["why"]


@given(st.text(max_size=60))
def test_a_tfidf_vector_has_length_one_for_words_and_one_for_characters(text: str) -> None:
    vector = tfidf(text, inverse_frequencies([text, "other"]))
    for mark in ("w:", "c:"):
        length = math.sqrt(sum(weight**2 for gram, weight in vector.items() if gram.startswith(mark)))
        assert length == pytest.approx(1) or not any(gram.startswith(mark) for gram in vector)


# --- the judgement -------------------------------------------------------------------------------------------------


def judged(shares: list[tuple[str, float]], score: float = 0.9) -> Route:
    return judge(Ranking(shares, score), SCALE, IMPACTS, TELLER)


def test_below_the_threshold_nothing_is_taken_and_the_best_is_still_named() -> None:
    found = judged([("look", 0.9), ("pay", 0.1)], score=0.49)
    assert (found.skill, found.best, found.threshold) == (None, "look", 0.5)
    assert "0.49" in found.why


def test_a_near_tie_never_takes_the_skill_of_higher_impact() -> None:
    found = judged([("pay", 0.55), ("look", 0.45)])
    assert found.skill is None
    assert "pay (external) and look (read) fit nearly alike" in found.why


def test_a_near_tie_may_take_the_skill_of_lower_impact() -> None:
    assert judged([("look", 0.55), ("pay", 0.45)]).skill == "look"


def test_the_third_candidate_counts_in_a_tie_too() -> None:
    assert judged([("pay", 0.40), ("pay2", 0.33), ("look", 0.27)]).skill is None


def test_an_exact_tie_is_never_taken() -> None:
    assert judged([("look", 0.5), ("look2", 0.5)]).skill is None


@given(st.lists(st.floats(0, 1), min_size=2, max_size=3), st.permutations(["pay", "note", "look"]))
def test_whatever_the_shares_no_nearly_tied_skill_of_less_impact_is_passed_over(
    values: list[float], names: list[str]
) -> None:
    shares = sorted(zip(names, values, strict=False), key=lambda row: -row[1])
    found = judged(shares)
    if found.skill is not None:
        share = dict(shares)[found.skill]
        rivals = [name for name, value in shares if name != found.skill and share - value < SCALE.tie]
        assert all(IMPACTS[name].rank >= IMPACTS[found.skill].rank for name in rivals)


# --- scales --------------------------------------------------------------------------------------------------------


def test_a_fitted_threshold_accepts_the_asked_share_of_what_is_in_scope() -> None:
    rows = [Judged((n / 100,), 0.5, n > 20) for n in range(100)]
    scale = fit_scale(rows, (1.0,), "test")
    assert sum(scale.score(row.figures) >= scale.threshold for row in rows) == 95


def test_p_correct_follows_the_outcomes() -> None:
    rows = [Judged((value,), 0.5, place % 10 < share) for value, share in ((0.0, 3), (1.0, 9)) for place in range(200)]
    scale = fit_scale(rows, (1.0,), "test")
    assert scale.score((0.0,)) == pytest.approx(0.3, abs=0.03)
    assert scale.score((1.0,)) == pytest.approx(0.9, abs=0.03)


def test_a_scale_is_read_back_as_it_was_written() -> None:
    assert scale_of(json.loads(json.dumps(SCALE.as_json()))) == SCALE
    with pytest.raises(ValueError, match="not a scale"):
        scale_of({**SCALE.as_json(), "means": [1, 2]})


@given(st.lists(st.tuples(st.floats(-50, 50), st.booleans()), min_size=1, max_size=40))
def test_the_fit_is_finite_and_grows_with_the_value_whatever_the_outcomes(rows: list[tuple[float, bool]]) -> None:
    slope, offset = fit_logistic([value for value, _ in rows], [right for _, right in rows])
    assert math.isfinite(slope)
    assert math.isfinite(offset)
    assert slope > 0


def test_calibrations_are_read_back_and_tell_of_another_version() -> None:
    kept = {"tfidf": Calibration(SCALE, "1:abc")}
    assert read_calibrations(json.dumps(calibrations_json(kept))) == kept
    assert kept["tfidf"].note_for("1:abc") == ""
    assert "calibrate again" in kept["tfidf"].note_for("1:def")
    for text in ("", "[]", "{}", '{"format": "clearway/calibration/v1", "routers": {"x": {}}}'):
        with pytest.raises(ConfigError):
            read_calibrations(text)


def test_a_precision_that_no_threshold_has_is_refused() -> None:
    rows = [Judged((float(n),), 0.5, False) for n in range(10)]
    with pytest.raises(Invalid):
        calibration.calibrate(rows, (1.0,), "test", recall=0.95, precision=0.9)
    mixed = [Judged((float(n),), 0.5, n >= 5) for n in range(10)]
    scale = calibration.calibrate(mixed, (1.0,), "test", recall=0.95, precision=1.0)
    assert [scale.score(row.figures) >= scale.threshold for row in mixed] == [False] * 5 + [True] * 5


# --- stack, datasets, figures --------------------------------------------------------------------------------------


def test_a_stack_falls_through_and_names_whom_it_passed_by() -> None:
    found = Stack([KeywordRouter(), TfidfRouter({})]).route("give me my money back please", DESK)
    assert (found.skill, found.router) == ("refund_desk", "tfidf")
    assert found.passed_by == ("rules: no keyword and no pattern occurs in it",)


def test_each_malformed_line_of_a_dataset_is_named_with_its_number() -> None:
    lines = ['{"text": "a", "skill": "pay"}', "{", '{"text": "", "skill": null}', '{"text": "a"}', "[1]", ""]
    lines += ['{"text": "a", "skill": "pya"}', '{"text": "a", "skil": "pay"}', '{"text": "a", "skill": 3}']
    with pytest.raises(ConfigError) as caught:
        parse_dataset("\n".join(lines), "set.jsonl", ["pay"])
    places = [line.split(":")[1] for line in str(caught.value).splitlines()]
    assert places == ["2", "3", "4", "5", "7", "8", "9"]
    assert "pay" in str(caught.value)
    with pytest.raises(ConfigError, match="empty"):
        parse_dataset("\n\n", "set.jsonl")


def test_figures_of_a_small_set_are_as_counted_by_hand() -> None:
    def went(skill: str | None, best: str, score: float) -> Route:
        return Route(skill, "r", score, "", candidates=((best, 1.0),))

    rows = [
        (Labelled("1", "a"), went("a", "a", 0.9)),
        (Labelled("2", "a"), went("b", "b", 0.8)),
        (Labelled("3", "b"), went(None, "b", 0.3)),
        (Labelled("4", None), went("a", "a", 0.85)),
        (Labelled("5", None), went(None, "b", 0.1)),
    ]
    found = evaluate(rows)
    assert (found.accuracy.right, found.accuracy.of) == (2, 3)
    assert (found.taken.right, found.taken.of) == (2, 3)
    assert (found.right_where_taken.right, found.right_where_taken.of) == (1, 3)
    assert (found.false_accepts.right, found.false_accepts.of) == (1, 2)
    assert (found.precision["a"].right, found.precision["a"].of) == (1, 2)
    assert found.recall["b"].value == 0
    assert found.confusion == [("a", "b", 1), ("b", None, 1), (None, "a", 1)]
    assert matrix(rows) == (["a", "b", None], [[1, 1, 0], [0, 0, 1], [1, 0, 1]])
    assert found.auroc is not None
    assert found.auroc.value == pytest.approx(4 / 6)
    taken = trade_offs(rows, [0.5])[0]
    assert (taken.taken, taken.precision, taken.false_accepts) == (2 / 3, 1 / 3, 0.5)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=15), st.lists(st.integers(0, 5), min_size=1, max_size=15))
def test_auroc_is_the_share_of_pairs_in_the_right_order(inside: list[int], outside: list[int]) -> None:
    pairs = [(a > b) + (a == b) / 2 for a in inside for b in outside]
    assert auroc(inside, outside) == pytest.approx(sum(pairs) / len(pairs))
    assert 0 <= false_accepts_at(inside, outside) <= 1


def test_wilsons_interval_is_the_textbooks() -> None:
    found = rate([True] * 8 + [False] * 2)
    assert found.interval == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert rate([]).value is None


def test_folds_spread_the_examples_of_each_skill_and_hold_out_no_name_and_no_only_example() -> None:
    lessons = lessons_of(
        named(skill("pay", *_words(7)), skill("look", *_words(3), description="Looks up."), skill("x", "y"))
    )
    folds = folds_of(lessons, 5)

    def held(name: str) -> list[int]:
        return sorted(fold for fold, row in zip(folds, lessons, strict=True) if row.skill == name and row.is_example)

    assert (held("look"), held("pay"), held("x")) == ([0, 1, 2], [0, 1, 1, 2, 2, 3, 4], [-1])
    assert {fold for fold, row in zip(folds, lessons, strict=True) if not row.is_example} == {-1}


def test_skills_of_few_examples_fill_every_fold() -> None:
    lessons = lessons_of(named(*(skill(f"s{n}", *_words(2)) for n in range(10))))
    folds = [fold for fold in folds_of(lessons, 5) if fold >= 0]
    assert {folds.count(fold) for fold in range(5)} == {4}


def _words(count: int) -> list[str]:
    return [f"{chr(97 + n % 26)}{'xyzuv'[n // 26]}ra" for n in range(count)]
