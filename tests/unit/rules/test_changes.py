"""Pure parts of comparing policies: what texts can be, and what changed between two decisions."""

import re
from collections.abc import Collection
from itertools import islice, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.model.decision import ApprovalRule, Decision, Factor, Verdict
from clearway.rules.changes.kinds import Change, Direction, changes
from clearway.rules.changes.patterns import WITH_COLON, Pattern, are_disjoint, filled, includes, matches
from clearway.rules.changes.witnesses import Contradiction, contradicting_pairs, names, text_or_contradiction

_LETTERS = "ab:"
MANY = {
    (None, *word, None)
    for word in ["alpha", "bravo", "charlie", "delta", "echo", "fox", "golf", "hotel", "india", "juliet"]
}
_PATTERNS = st.lists(st.sampled_from([*_LETTERS, None]), max_size=4).map(tuple)
_SHORT = st.lists(st.sampled_from(["a", "b", None]), max_size=3).map(tuple)


def written(pattern: Pattern) -> str:
    return "".join(".*" if part is None else re.escape(part) for part in pattern)


@given(_PATTERNS, st.text(_LETTERS, max_size=6))
def test_a_text_matches_as_a_regular_expression_says(pattern: Pattern, text: str) -> None:
    assert matches(pattern, text) is (re.fullmatch(written(pattern), text, re.DOTALL) is not None)


def words(letters: str, longest: int) -> list[str]:
    return ["".join(word) for length in range(longest + 1) for word in product(letters, repeat=length)]


SOME_WORDS = words("abz", 5)


@given(_PATTERNS, _PATTERNS)
def test_of_two_patterns_it_is_known_whether_one_says_more_and_when_they_contradict_each_other(
    one: Pattern, other: Pattern
) -> None:
    both = [word for word in words("abz:", 4) if matches(one, word) and matches(other, word)]
    if includes(one, other):
        assert all(matches(one, word) for word in words("abz:", 4) if matches(other, word))
    else:
        assert not matches(one, filled(other, "zz"))
    if are_disjoint(one, other):
        assert both == []


@given(
    st.lists(_SHORT, max_size=3),
    st.lists(_SHORT, max_size=3),
    st.sets(st.sampled_from(words("ab", 2)), max_size=3),
    st.sets(st.sampled_from(words("ab", 2)), max_size=2),
)
def test_a_text_is_found_wherever_there_is_one_and_a_contradiction_is_one(
    matching: list[Pattern], others: list[Pattern], literals: set[str], taken: set[str]
) -> None:
    found = text_or_contradiction(matching, others, literals, taken - literals)

    def fits(word: str, yes: Collection[Pattern], no: Collection[Pattern]) -> bool:
        return all(matches(one, word) for one in yes) and not any(matches(one, word) for one in no)

    if isinstance(found, str):
        assert fits(found, matching, others)
        assert found not in literals | taken
    else:
        assert found.matching <= set(matching)
        assert found.others <= set(others)
        fitting = {word for word in SOME_WORDS if fits(word, found.matching, found.others)}
        assert fitting <= literals | found.taken
        assert found.taken <= fitting & taken


@given(st.sets(_SHORT, min_size=1, max_size=5))
def test_a_contradiction_of_two_patterns_is_one(patterns: set[Pattern]) -> None:
    for pair in contradicting_pairs(patterns, patterns):
        assert not any(
            all(matches(one, word) for one in pair.matching) and not any(matches(one, word) for one in pair.others)
            for word in SOME_WORDS
        )


def test_of_many_patterns_anywhere_a_text_is_found_that_matches_half_of_them() -> None:
    ordered = sorted(MANY, key=str)
    found = text_or_contradiction(ordered[::2], ordered[1::2], (), ())
    assert isinstance(found, str)
    assert [matches(pattern, found) for pattern in ordered] == [True, False] * 5


def test_a_contradiction_names_the_few_patterns_that_make_it() -> None:
    first, last, between = ("a", None), (None, "a"), ("a", None, "a")
    found = text_or_contradiction([first, last, *MANY], [between, ("b", None)], {"a"}, ())
    assert isinstance(found, Contradiction)
    assert (found.matching, found.others, found.taken) == ({first, last}, {between}, frozenset())
    assert text_or_contradiction([first, last], [between], (), ()) == "a"
    assert text_or_contradiction([first, last], [between], (), {"a"}) == Contradiction(
        frozenset({first, last}), frozenset({between}), frozenset({"a"})
    )


def test_other_texts_are_readable_and_new() -> None:
    assert list(islice(names({"USD", "other"}), 2)) == ["another", "third"]


def test_a_text_with_a_colon_is_one_that_matches_the_pattern_for_it() -> None:
    assert matches(WITH_COLON, "a:b")
    assert not matches(WITH_COLON, "ab")


def decision(verdict: str, **rule: Any) -> Decision:
    people = rule.pop("people", {"finance": 1})
    assert isinstance(people, dict)
    factors = tuple(Factor(group, n) for group, n in people.items())
    approval = ApprovalRule(factors, **rule) if verdict == "hold" else None
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
