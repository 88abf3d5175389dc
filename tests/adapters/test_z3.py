"""The symbolic comparison of policies: what it finds, what it proves, and that it claims nothing else."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from clearway.adapters.cedar import PolicyFile
from clearway.adapters.z3 import solving
from clearway.adapters.z3.expressions import Translator
from clearway.adapters.z3.plausible import KnownWorld
from clearway.model.decision import Verdict
from clearway.model.errors import ConfigError
from clearway.model.identity import Principal, Scope
from clearway.model.tool import Impact, SkillSpec, ToolSpec
from clearway.operate import policy_diff
from clearway.operate.policy_diff import Finding, PolicyDiff, compare, may_pass, problems_of
from clearway.operate.policy_report import report
from clearway.project.targets import targets_of
from clearway.rules.changes.kinds import Change

LINE = {"type": "object", "properties": {"sku": {"type": "string"}, "count": {"type": "integer"}}, "required": ["sku"]}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "account": {"type": "string"},
        "amount": {"type": "integer", "maximum": 10**9},
        "currency": {"enum": ["USD", "EUR"]},
        "fee": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        "rate": {"type": "number"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "counts": {"type": "array", "items": {"type": "integer"}},
        "matrix": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
        "line": LINE,
        "lines": {"type": "array", "items": LINE},
    },
    "required": ["account", "amount", "currency", "rate", "tags", "counts", "matrix", "line", "lines"],
}


async def work() -> None: ...


def tool(name: str, impact: Impact = Impact.EXTERNAL, **more: Any) -> ToolSpec:
    return ToolSpec(name, "", impact, print, dict, SCHEMA, "sha256:0", lambda _: [], **more)


TOOLS = {"pay": tool("pay", consequential=frozenset({"account"})), "look": tool("look", Impact.READ)}
SKILL = SkillSpec("desk", "", work, frozenset({"pay"}), lambda raw, text="": dict(raw))
DANA = Principal("user", "dana", Scope("acme", "prod"), frozenset({"support"}))
WORLD = KnownWorld(TOOLS, {"desk": SKILL}, ("dev", "prod"), ("acme",), (DANA,))
ALL = '@id("all") permit (principal, action, resource);'


def diff(old: str, new: str, **options: Any) -> PolicyDiff:
    return compare(
        [PolicyFile("old.cedar", old)], [PolicyFile("new.cedar", new)], options.pop("world", WORLD), **options
    )


def forbid(condition: str) -> str:
    """`$` stands for `context.arguments`."""
    condition = condition.replace("$", "context.arguments")
    return f'@id("no") forbid (principal, action == Action::"pay", resource) when {{ {condition} }};'


def permit(condition: str = "true", duty: str = "") -> str:
    condition = condition.replace("$", "context.arguments")
    return f'@id("yes") {duty} permit (principal, action == Action::"pay", resource) when {{ {condition} }};'


def only(found: list[Finding]) -> Finding:
    (finding,) = found
    return finding


def answers(compared: PolicyDiff) -> dict[str, str]:
    return {one.tool: one.answer for one in compared.tools}


ASK = '@obligation("require_approval") @approvers("finance:2, security:1")'


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (permit("$.amount <= 100"), permit("$.amount <= 200"), Change.DENY_TO_ALLOW),
        (forbid('context.environment == "prod"') + ALL, ALL, Change.DENY_TO_ALLOW),
        (permit(duty=ASK), permit(), Change.HOLD_TO_ALLOW),
        (permit("$.amount < 9"), permit(duty=ASK), Change.DENY_TO_HOLD),
        (permit(duty=ASK), permit(duty=ASK.replace(":2", ":1")), Change.WEAKER_APPROVAL),
        (permit(duty=ASK), permit(duty=ASK.replace(", security:1", "")), Change.WEAKER_APPROVAL),
        (permit(duty=ASK), permit(duty=ASK + '@decision_ttl("2h")'), Change.WEAKER_APPROVAL),
        (permit(duty=ASK), permit(duty=ASK + '@execution_ttl("6m")'), Change.WEAKER_APPROVAL),
    ],
)
def test_each_way_of_letting_more_through_is_found_and_its_converse_is_a_narrowing(
    old: str, new: str, change: Change
) -> None:
    compared = diff(old, new)
    assert change in {finding.change for finding in compared.widenings}
    assert not may_pass(compared)
    back = diff(new, old)
    assert back.narrowings
    assert not back.widenings or change is Change.DENY_TO_HOLD
    for finding in [*compared.widenings, *back.narrowings]:
        assert finding.old != finding.new


def test_a_counterexample_is_a_call_that_the_project_would_make() -> None:
    finding = only(diff(permit("$.amount <= 100"), permit("$.amount <= 101")).widenings)
    action = finding.action
    assert (action.user, action.agent.id, action.agent.roles) == (DANA, "desk", frozenset())
    assert (action.scope, action.impact, finding.remarks) == (DANA.scope, Impact.EXTERNAL, ())
    assert action.arguments["amount"] == 101
    assert action.arguments["currency"] in ("USD", "EUR")
    assert [target.tenant for target in action.targets] == [""]
    assert (finding.old.verdict, finding.old.code) == (Verdict.DENY, "no_permit")
    assert (finding.new.verdict, finding.new.policies) == (Verdict.ALLOW, ("yes",))


def test_what_shows_only_beyond_the_project_is_found_and_said_to_be_so() -> None:
    old = '@id("one") permit (principal == Agent::"desk", action, resource);'
    old += '@id("u") permit (principal is User, action, resource);'
    new = old.replace('principal == Agent::"desk"', "principal is Agent")
    finding = next(f for f in diff(old, new).widenings if f.action.tool == "pay")
    assert finding.action.agent.id != "desk"
    assert "no skill of the project is called so" in finding.remarks


def test_findings_are_split_by_the_impacts_that_calls_can_have() -> None:
    raising = WORLD.tools | {"look": tool("look", Impact.READ, raises=lambda _: None)}
    compared = diff("", ALL, world=replace(WORLD, tools=raising))
    assert {(f.action.tool, f.action.impact) for f in compared.widenings} == {
        ("pay", Impact.EXTERNAL),
        ("look", Impact.READ),
        ("look", Impact.INTERNAL_WRITE),
        ("look", Impact.EXTERNAL),
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("$.amount <= 100", "!($.amount > 100)"),
        ("$.amount < 101", "$.amount <= 100"),
        ('["a", "b"].contains($.account)', '$.account == "a" || "b" == $.account'),
        ('$.account like "a*"', '$.account like "a*" || $.account == "ab"'),
        ('$.account like "a*" && $.account like "*a" && !($.account like "a*a")', '$.account == "a"'),
        ('$.tags.containsAny(["a", "b"])', '$.tags.contains("b") || $.tags.contains("a")'),
        ("$.tags.isEmpty()", "!($.tags.containsAny($.tags))"),
        ("[1, 2].containsAll($.counts)", "[2, 1, 1].containsAll($.counts)"),
        ("$ has fee && $.fee > 3", "if $ has fee then 4 <= $.fee else false"),
        ('$.rate.lessThan(decimal("0.5"))', '$.rate.lessThanOrEqual(decimal("0.4999"))'),
        ("$.lines.contains($.line)", "[$.line].containsAny($.lines)"),
        ('principal in Role::"a" || principal in Role::"b"', 'principal in [Role::"b", Role::"a"]'),
        ("principal.tenant == resource.tenant", "principal in resource.tenant"),
        ('resource == Target::"account:1:2"', 'resource.kind == "account" && resource.id == "1:2"'),
        ('resource.kind like "*:*"', "$.amount < 0 && $.amount > 0"),
        ('context.impact != "external"', '["internal_write", "read"].contains(context.impact)'),
        ('context.done.contains("look")', '!(!context.done.contains("look"))'),
        (
            'context.untrusted_consequential.contains("account")',
            'context.untrusted_consequential.contains("account") && context.untrusted.contains("account")',
        ),
        (
            'context.untrusted_consequential.contains("account") && context.endorsed.contains("account")',
            "$.amount < 0 && $.amount > 0",
        ),
        ('datetime("2024-01-02").toDate() < datetime("2024-01-01").offset(duration("1d1ms"))', "true"),
        ('ip("10.1.2.3").isInRange(ip("10.0.0.0/8")) && !ip("::2").isLoopback()', "true"),
        ("$.amount * 2 < 9", "$.amount + $.amount < 9"),  # both err alike
    ],
)
def test_what_is_the_same_is_proved_to_be(one: str, other: str) -> None:
    assert set(answers(diff(permit(one), permit(other))).values()) == {"equivalent"}
    assert may_pass(diff(ALL + forbid(one), ALL + forbid(other)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("$.amount + 1 > 0", "$.amount >= 0"),  # overflow is an error, hence a deny
        ('$.account like "a*"', '$.account like "a*" || $.account like "*zz"'),
        ('$.tags.containsAll(["a", "b"])', '$.tags.contains("a")'),
        ("$.counts.contains($.amount)", "!$.counts.isEmpty()"),
        ('$.tags == ["a"]', '$.tags.contains("a")'),
        ('$.rate.lessThan(decimal("0.5"))', '$.rate.lessThan(decimal("0.5001"))'),
        ("$.lines.isEmpty()", "!$.lines.contains($.line)"),
        ("$.line has count && $.amount * $.line.count < 100", "$.line has count"),
        ("context.count.user_day < 3", "context.count.user_day < 4"),
        ("context.sum.amount.user_day + $.amount <= 100", "context.sum.amount.user_day <= 100"),
        ('context.done.contains("look")', 'context.begun.contains("look")'),
        (
            '!context.untrusted.contains("account")',
            '!context.untrusted.contains("account") || context.endorsed.isEmpty()',
        ),
        ('!context.untrusted_consequential.contains("account")', "true"),
        ('!context.sources.contains("account:look")', "true"),
        ("context.private.isEmpty() && context.other_tenants.isEmpty()", "context.private.isEmpty()"),
        (
            'principal in Role::"support" || principal is Agent',
            'principal in Role::"support" || principal in Group::"x" || principal is Agent',
        ),
        ("resource.tenant == principal.tenant", "true"),
        ("context.reason_given", "true"),
    ],
)
def test_a_widening_of_each_kind_of_expression_is_found(old: str, new: str) -> None:
    compared = diff(permit(old), permit(new))
    assert {finding.change for finding in compared.widenings} == {Change.DENY_TO_ALLOW}
    assert all(one.proved for one in compared.tools)
    assert {finding.action.tool for finding in compared.widenings} == {"pay"}


def test_a_forbid_that_can_err_denies_where_it_errs() -> None:
    erring = forbid("$.amount * 3 < 0 && false")
    finding = only(diff(ALL + erring, ALL).widenings)
    assert finding.old.code == "policy_error"
    assert set(answers(diff(ALL, ALL + erring.replace(" * 3", ""))).values()) == {"equivalent"}


def test_both_parties_need_their_permit() -> None:
    users = '@id("users") permit (principal is User, action, resource);'
    assert set(answers(diff("", users)).values()) == {"equivalent"}
    agents = '@id("agents") permit (principal is Agent, action, resource);'
    assert set(answers(diff(users, users + agents)).values()) == {"wider"}


def test_duties_of_all_permits_that_apply_are_united() -> None:
    other = ASK.replace("finance:2, security:1", "finance:1")
    second = permit(duty=other).replace('"yes"', '"also"')
    assert set(answers(diff(permit(duty=ASK), permit(duty=ASK) + second)).values()) == {"equivalent"}
    assert set(answers(diff(permit(duty=ASK), permit() + permit(duty=ASK).replace("yes", "still"))).values()) == {
        "equivalent"
    }


def test_a_permit_with_a_faulty_duty_denies_what_it_determines() -> None:
    faulty = permit('principal in Role::"support"', '@obligation("notify")')
    assert "wider" in answers(diff(ALL + faulty, ALL)).values()
    groups = {"finance": 1}
    asked_of_two = permit(duty='@obligation("require_approval") @approvers("finance:2")')
    assert answers(diff(asked_of_two, asked_of_two.replace(":2", ":1"), groups=groups))["pay"] == "wider"


def test_a_change_of_what_policies_read_shows_in_numbers_that_no_decimal_holds() -> None:
    reading = permit('$.rate.lessThan(decimal("1.0")) || true')
    finding = only(diff(reading, permit()).widenings)
    assert finding.old.code == "schema_mismatch"
    assert finding.action.arguments["rate"] == 0.12345


def test_renaming_reordering_and_other_files_change_nothing() -> None:
    old = permit("$.amount < 5") + forbid("context.reason_given")
    new = forbid("context.reason_given").replace('"no"', '"never"') + permit("$.amount < 5")
    assert set(answers(diff(old, new)).values()) == {"equivalent"}


def test_another_escalation_is_told_and_is_no_widening() -> None:
    compared = diff(permit(duty=ASK + '@escalate_to("a")'), permit(duty=ASK + '@escalate_to("b")'))
    assert only(compared.others).change is Change.OTHER_ESCALATION
    assert may_pass(compared)


# --- What is not proved ---

UNSUPPORTED = "$.matrix.contains([1])"


def test_an_operator_that_is_not_translated_is_named_and_nothing_is_passed_over() -> None:
    compared = diff(permit("$.amount < 5"), permit(f"$.amount < 5 && {UNSUPPORTED}"))
    (pay,) = [one for one in compared.tools if one.tool == "pay"]
    assert pay.outside
    assert {(part.policy, part.file, part.line) for part in pay.outside} == {("yes", "new.cedar", 1)}
    assert all("sets" in part.what for part in pay.outside)
    assert pay.answer in ("not proven", "narrower")


def test_what_is_not_translated_but_stands_on_both_sides_does_not_hide_a_widening_or_a_proof() -> None:
    same = f"{UNSUPPORTED} && $.amount"
    assert set(answers(diff(permit(f"{same} < 5"), permit(f"{same} <= 4"))).values()) == {"equivalent"}
    wider = diff(permit(f"!{UNSUPPORTED} && $.amount < 5"), permit("$.amount < 5"))
    (pay,) = [one for one in wider.tools if one.tool == "pay"]
    assert pay.outside
    assert pay.answer in ("wider", "not proven")
    assert not may_pass(wider)


def test_without_time_nothing_is_proved_and_nothing_passes() -> None:
    compared = diff(permit("$.amount < 5"), permit("$.amount < 4"), timeout_s=0.0)
    assert answers(compared) == {"pay": "not proven", "look": "equivalent"}
    assert not may_pass(compared)
    assert may_pass(compared, accepted={"pay"})


def test_a_request_that_the_decision_does_not_confirm_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_diff, "changes", lambda old, new: frozenset())
    compared = diff("", permit())
    (pay,) = [one for one in compared.tools if one.tool == "pay"]
    assert (pay.answer, pay.findings, pay.refuted) == ("not proven", (), (Change.DENY_TO_ALLOW,))
    assert any("translator" in reason for reason in pay.reasons)
    assert not may_pass(compared)


def test_a_defect_of_the_translation_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, *given: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(Translator, "condition", fail)
    compared = diff(permit("$.amount < 5"), permit("$.amount < 6"))
    assert answers(compared) == {"pay": "not proven", "look": "equivalent"}
    assert [one.reasons for one in compared.not_proven] == [("the comparison failed with KeyError",)]


def test_a_tool_with_several_targets_is_shown_with_its_own() -> None:
    several = replace(
        TOOLS["pay"], targets=targets_of(["account:{account}", "bank:{currency}"], ["account", "currency"], "pay")
    )
    compared = diff("", ALL, world=replace(WORLD, tools={"pay": several}))
    (found,) = report(compared, "old", "new")["widenings"]
    assert [target["kind"] for target in found["request"]["targets"]] == ["account", "bank"]


def test_a_set_with_a_problem_denies_everything() -> None:
    broken = permit("$.amuont < 5")
    compared = diff(ALL, broken)
    assert problems_of(compared.new)
    assert set(answers(compared).values()) == {"narrower"}
    assert set(answers(diff(broken, ALL)).values()) == {"wider"}
    assert set(answers(diff(broken, "@id(")).values()) == {"equivalent"}


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "z3", None)
    solving.z3.cache_clear()
    with pytest.raises(ConfigError, match=r"clearway\[changes\]"):
        diff("", ALL)
    monkeypatch.undo()
    solving.z3.cache_clear()


def test_an_attribute_of_the_context_that_nobody_can_set_is_never_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    from clearway.adapters.cedar import context

    known = context.attributes

    def more(arguments: Any) -> Mapping[str, Any]:
        return {**known(arguments), "weather": {"type": "String"}}

    monkeypatch.setattr(context, "attributes", more)
    rain = permit('context.weather == "rain"')
    assert set(answers(diff(rain, permit('"rain" == context.weather'))).values()) == {"equivalent"}
    assert answers(diff(rain, permit('context.weather like "r*"')))["pay"] in ("wider", "not proven")
