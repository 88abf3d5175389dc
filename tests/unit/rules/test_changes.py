"""Pure parts of comparing policies: the universe of texts, and what changed between two decisions."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.model.decision import ApprovalRule, Decision, Factor, Verdict
from clearway.rules.changes.kinds import Change, Direction, changes
from clearway.rules.changes.texts import WITH_COLON, Pattern, TooManyClasses, matches, sampled, universe

_LETTERS = "ab:"
MANY = {
    (None, *word, None)
    for word in ["alpha", "bravo", "charlie", "delta", "echo", "fox", "golf", "hotel", "india", "juliet"]
}
_PATTERNS = st.lists(st.sampled_from([*_LETTERS, None]), max_size=4).map(tuple)


def written(pattern: Pattern) -> str:
    return "".join(".*" if part is None else re.escape(part) for part in pattern)


@given(_PATTERNS, st.text(_LETTERS, max_size=6))
def test_a_text_matches_as_a_regular_expression_says(pattern: Pattern, text: str) -> None:
    assert matches(pattern, text) is (re.fullmatch(written(pattern), text, re.DOTALL) is not None)


@given(st.lists(_PATTERNS, min_size=1, max_size=3), st.sets(st.text(_LETTERS, max_size=2), max_size=3))
def test_every_class_of_texts_is_in_the_universe_as_often_as_asked(patterns: list[Pattern], literals: set[str]) -> None:
    different = 2
    found = universe(literals, patterns, different)
    assert literals <= set(found.texts)
    classes: dict[tuple[bool, ...], set[str]] = {}
    words = [""]
    for _ in range(5):
        words += [word + letter for word in words if len(word) == len(words[-1]) for letter in "abz:"]
    for word in {*words, *found.texts}:
        classes.setdefault(tuple(matches(pattern, word) for pattern in patterns), set()).add(word)
    for members in classes.values():
        others = members - literals
        assert len(others & set(found.texts)) >= min(different, len(others))


def test_without_patterns_the_other_texts_are_readable_and_new() -> None:
    found = universe({"USD", "other"}, (), 2)
    assert found.texts == ("USD", "other", "another", "third")
    assert found.literals == 2


def test_patterns_that_cut_the_texts_too_finely_are_refused() -> None:
    with pytest.raises(TooManyClasses):
        universe((), MANY, 5)


def test_of_too_many_classes_there_are_texts_that_match_one_pattern_two_and_all_but_one() -> None:
    found = sampled({"alpha"}, MANY, 2)
    assert not found.is_whole
    assert found.texts[0] == "alpha"
    seen = {frozenset(pattern for pattern in MANY if matches(pattern, text)) for text in found.texts}
    assert seen >= {frozenset[Pattern](), *(frozenset({one}) for one in MANY)}
    assert seen >= {frozenset({one, other}) for one in MANY for other in MANY}
    assert seen >= {frozenset(MANY), *(frozenset(MANY) - {one} for one in MANY)}


def test_a_text_with_a_colon_is_one_that_matches_the_pattern_for_it() -> None:
    assert matches(WITH_COLON, "a:b")
    assert not matches(WITH_COLON, "ab")


def decision(verdict: str, **rule: object) -> Decision:
    people = rule.pop("people", {"finance": 1})
    assert isinstance(people, dict)
    factors = tuple(Factor(group, n) for group, n in people.items())
    approval = ApprovalRule(factors, **rule) if verdict == "hold" else None  # type: ignore[arg-type]
    return Decision(Verdict(verdict), verdict, approval=approval)


HOLD = decision("hold")


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (decision("deny"), decision("allow"), {Change.DENY_TO_ALLOW}),
        (decision("deny"), HOLD, {Change.DENY_TO_HOLD}),
        (HOLD, decision("allow"), {Change.HOLD_TO_ALLOW}),
        (decision("allow"), HOLD, {Change.ALLOW_TO_HOLD}),
        (HOLD, HOLD, set()),
        (HOLD, decision("hold", people={"finance": 2}), {Change.STRICTER_APPROVAL}),
        (decision("hold", people={"finance": 2, "security": 1}), HOLD, {Change.WEAKER_APPROVAL}),
        (HOLD, decision("hold", decision_ttl_s=3600.0), {Change.WEAKER_APPROVAL}),
        (HOLD, decision("hold", execution_ttl_s=10.0), {Change.STRICTER_APPROVAL}),
        (HOLD, decision("hold", people={"security": 1}), {Change.WEAKER_APPROVAL, Change.STRICTER_APPROVAL}),
        (HOLD, decision("hold", escalate_to="leads"), {Change.OTHER_ESCALATION}),
    ],
)
def test_what_changed_between_two_decisions(old: Decision, new: Decision, found: set[Change]) -> None:
    assert changes(old, new) == found


def test_from_deny_to_hold_and_a_weaker_approval_let_more_through() -> None:
    widening = {change for change in Change if change.direction is Direction.WIDENING}
    assert widening == {Change.DENY_TO_ALLOW, Change.HOLD_TO_ALLOW, Change.DENY_TO_HOLD, Change.WEAKER_APPROVAL}
