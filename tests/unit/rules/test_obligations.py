"""The grammar of annotations: what is understood, and that all else is an error."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.model.decision import ApprovalRule, Factor
from clearway.model.errors import ConfigError
from clearway.rules.obligations import describe, parse, unite

APPROVAL = {"obligation": "require_approval"}


def test_a_policy_without_an_obligation_asks_for_nothing() -> None:
    assert parse({"id": "a", "owner": "finance", "description": "small refunds"}) is None


@pytest.mark.parametrize(
    ("annotations", "factors"),
    [
        ({"approvers": "finance"}, (Factor("finance", 1),)),
        ({"approvers": "finance:2, security:1"}, (Factor("finance", 2), Factor("security", 1))),
        ({"approvers": " security , finance : 3 "}, (Factor("finance", 3), Factor("security", 1))),
        ({"approvers": "finance", "quorum": "2"}, (Factor("finance", 2),)),
    ],
)
def test_approvers_are_groups_and_numbers_of_people(annotations: dict[str, str], factors: tuple[Factor, ...]) -> None:
    assert parse(APPROVAL | annotations) == ApprovalRule(factors)


def test_clocks_and_escalation_are_read() -> None:
    rule = parse(
        APPROVAL | {"approvers": "finance", "decision_ttl": "4h", "execution_ttl": "45s", "escalate_to": "directors"}
    )
    assert rule == ApprovalRule((Factor("finance", 1),), 14_400.0, 45.0, "directors")


@pytest.mark.parametrize(
    ("annotations", "at_fault"),
    [
        ({"obligation": "notify"}, "@obligation"),
        ({"obligation": ""}, "@obligation"),
        ({"obligation": "require_approval, notify", "approvers": "finance"}, "@obligation"),
        ({"obligation": "Require_Approval", "approvers": "finance"}, "@obligation"),
        ({"approvers": "finance"}, "@approvers stands without"),
        ({"decision_ttl": "5m"}, "@decision_ttl stands without"),
        (APPROVAL, "does not say who approves"),
        (APPROVAL | {"approvers": ""}, "@approvers"),
        (APPROVAL | {"approvers": "finance:0"}, "@approvers"),
        (APPROVAL | {"approvers": "finance:"}, "@approvers"),
        (APPROVAL | {"approvers": "finance:100"}, "@approvers"),
        (APPROVAL | {"approvers": "finance:²"}, "@approvers"),
        (APPROVAL | {"approvers": "finance,,security"}, "@approvers"),
        (APPROVAL | {"approvers": "finance security"}, "@approvers"),
        (APPROVAL | {"approvers": "finance, finance:2"}, "finance twice"),
        (APPROVAL | {"approvers": "finance, security", "quorum": "2"}, "@quorum"),
        (APPROVAL | {"approvers": "finance:2", "quorum": "2"}, "@quorum"),
        (APPROVAL | {"approvers": "finance", "quorum": "two"}, "@quorum"),
        (APPROVAL | {"approvers": "finance", "quorum": "0"}, "@quorum"),
        (APPROVAL | {"approvers": "finance", "decision_ttl": "30"}, "@decision_ttl"),
        (APPROVAL | {"approvers": "finance", "decision_ttl": "0m"}, "@decision_ttl"),
        (APPROVAL | {"approvers": "finance", "execution_ttl": "5 m"}, "@execution_ttl"),
        (APPROVAL | {"approvers": "finance", "execution_ttl": "5m\n"}, "@execution_ttl"),
        (APPROVAL | {"approvers": "finance", "escalate_to": ""}, "@escalate_to"),
    ],
)
def test_what_is_not_understood_is_an_error_that_says_what_to_write(annotations: dict[str, str], at_fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(annotations)
    assert at_fault in caught.value.message
    assert caught.value.remedy


def test_a_misspelt_annotation_is_corrected() -> None:
    with pytest.raises(ConfigError, match=r"@aprovers is not a known annotation\. Did you mean @approvers\?"):
        parse(APPROVAL | {"aprovers": "finance"})


def test_united_rules_are_the_strictest_of_each() -> None:
    one = ApprovalRule((Factor("finance", 1), Factor("security", 2)), 3600.0, 60.0, "board")
    other = ApprovalRule((Factor("finance", 3),), 600.0, 300.0, "directors")
    assert unite([one, other]) == ApprovalRule((Factor("finance", 3), Factor("security", 2)), 600.0, 60.0, "directors")


factors = st.lists(
    st.builds(Factor, st.sampled_from(["finance", "security", "legal"]), st.integers(1, 99)),
    min_size=1,
    unique_by=lambda factor: factor.group,
).map(lambda found: tuple(sorted(found)))
rules = st.builds(
    ApprovalRule,
    factors,
    st.floats(1, 1e6),
    st.floats(1, 1e6),
    st.none() | st.sampled_from(["board", "directors"]),
)


@given(st.lists(rules, min_size=1))
def test_uniting_is_never_laxer_and_knows_no_order(several: list[ApprovalRule]) -> None:
    united = unite(several)
    people = {factor.group: factor.n for factor in united.factors}
    for rule in several:
        assert all(people[factor.group] >= factor.n for factor in rule.factors)
        assert united.decision_ttl_s <= rule.decision_ttl_s
        assert united.execution_ttl_s <= rule.execution_ttl_s
    assert unite(several[::-1]) == united
    assert unite([united]) == united


@given(st.dictionaries(st.sampled_from(["obligation", "approvers", "quorum", "decision_ttl", "x"]), st.text()))
def test_no_annotations_do_more_than_raise_a_config_error(annotations: dict[str, str]) -> None:
    with contextlib.suppress(ConfigError):
        parse(annotations)


def test_a_rule_is_described_for_people() -> None:
    rule = ApprovalRule((Factor("finance", 2), Factor("legal", 1), Factor("security", 1)))
    assert describe(rule) == "finance (2), legal and security"
