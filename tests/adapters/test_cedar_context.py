"""What policies see of labels and history, and which names in them are refused."""

from typing import Any

import pytest

from clearway.adapters.cedar import CedarPolicy, PolicyFile
from clearway.model.action import Action
from clearway.model.decision import Verdict
from clearway.model.errors import ConfigError
from clearway.model.history import History
from clearway.model.identity import Principal, Scope
from clearway.model.label import Label, Trust
from clearway.model.tool import Impact, ToolSpec

SCOPE = Scope("acme", "prod")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "payee": {"type": "string"},
        "amount_minor": {"type": "integer"},
        "rate": {"type": "number"},
        "lines": {
            "type": "array",
            "items": {"type": "object", "properties": {"account": {"type": "string"}}, "required": ["account"]},
        },
        "free": {"type": "object"},
    },
    "required": ["payee"],
}


def spec(name: str, consequential: frozenset[str] = frozenset()) -> ToolSpec:
    return ToolSpec(
        name,
        "",
        Impact.EXTERNAL,
        print,
        dict,
        SCHEMA,
        "sha256:0",
        lambda _: [],
        consequential=consequential,
    )


TOOLS = {"pay": spec("pay", frozenset({"payee"})), "read_email": spec("read_email")}


def action(**parts: Any) -> Action:
    usual: dict[str, Any] = {
        "scope": SCOPE,
        "run_id": "run",
        "step_id": "1",
        "agent": Principal("agent", "desk", SCOPE),
        "user": Principal("user", "dana", SCOPE),
        "tool": "pay",
        "tool_digest": "sha256:0",
        "impact": Impact.EXTERNAL,
        "arguments": {"payee": "x", "amount_minor": 5},
        "shown": {},
        "targets": (),
        "shown_targets": (),
        "key": "key",
        "fingerprint": "",
        "digest": "",
        "consequential": TOOLS["pay"].consequential,
    }
    return Action(**(usual | parts))


def policy(text: str) -> CedarPolicy:
    return CedarPolicy(TOOLS, ["desk"], ["prod"], [PolicyFile("policies/p.cedar", text)])


def holds(condition: str, **parts: Any) -> bool:
    made = policy(f'@id("p") permit(principal, action == Action::"pay", resource) when {{ {condition} }};')
    assert made.check() == []
    return made.decide(action(**parts)).verdict is Verdict.ALLOW


def problem(condition: str) -> ConfigError:
    text = f'@id("p")\npermit(principal, action == Action::"pay", resource)\nwhen {{\n  {condition}\n}};'
    (found,) = policy(text).check()
    assert found.file == "policies/p.cedar"
    return found


EMAIL = Label(Trust.UNTRUSTED, ("s1:read_email",), frozenset({"rival"}), frozenset({"IBAN"}))
SAID = Label(Trust.TRUSTED, ("request", "input:payee"))
VOUCHED = Label(Trust.ENDORSED, ("s1:read_email", "endorsed:user:amir"))


@pytest.mark.parametrize(
    ("condition", "label", "expected"),
    [
        ('context.untrusted.contains("payee")', EMAIL, True),
        ('context.untrusted.contains("payee")', SAID, False),
        ('context.untrusted.contains("payee")', VOUCHED, False),
        ('context.untrusted_consequential.contains("payee")', EMAIL, True),
        ("context.untrusted_consequential.isEmpty()", SAID, True),
        ('context.endorsed.contains("payee")', VOUCHED, True),
        ('context.endorsed.contains("payee")', EMAIL, False),
        ('context.sources.contains("payee:read_email")', EMAIL, True),
        ('context.sources.contains("payee:request") && context.sources.contains("payee:input")', SAID, True),
        ('context.private.contains("IBAN") && context.other_tenants.contains("rival")', EMAIL, True),
        ("context.private.isEmpty() && context.other_tenants.isEmpty()", SAID, True),
    ],
)
def test_labels_are_sets_that_policies_ask(condition: str, label: Label, expected: bool) -> None:
    assert holds(condition, labels={"payee": label, "amount_minor": SAID}) is expected


def test_an_argument_without_a_label_is_untrusted() -> None:
    assert holds('context.untrusted == ["amount_minor", "payee"]')
    assert not holds("context.untrusted_consequential.isEmpty()", labels={"amount_minor": SAID})


def test_the_agent_and_the_user_see_the_same_labels_and_history() -> None:
    text = "".join(
        f'@id("{kind}") permit(principal is {kind}, action, resource) '
        'when { context.untrusted.contains("payee") && context.count.user_day == 3 };'
        for kind in ("Agent", "User")
    )
    decision = policy(text).decide(action(history=History(counts={"user_day": 3})))
    assert (decision.verdict, decision.policies) == (Verdict.ALLOW, ("Agent", "User"))


@pytest.mark.parametrize(
    ("condition", "history", "expected"),
    [
        ('context.done.contains("read_email")', History(frozenset({"read_email"})), True),
        ('context.begun.contains("read_email")', History(begun=frozenset({"read_email"})), True),
        ('context.done.contains("read_email")', History(begun=frozenset({"read_email"})), False),
        ('context.done_on_target.contains("read_email")', History(frozenset({"read_email"})), False),
        ("context.count.user_day < 3", History(counts={"user_day": 3}), False),
        ("context.count.user_day < 3", History(), True),
        (
            "context.sum.amount_minor.run + context.arguments.amount_minor <= 10",
            History(sums={"amount_minor": {"run": 5}}),
            False,
        ),
    ],
)
def test_history_is_sets_and_counters_that_policies_ask(condition: str, history: History, expected: bool) -> None:
    extra = "context.arguments has amount_minor && " if "arguments" in condition else ""
    if "arguments" in condition:
        assert holds(extra + condition, history=history)
        assert not holds(extra + condition, history=History(sums={"amount_minor": {"run": 6}}))
    else:
        assert holds(condition, history=history) is expected


def test_what_was_not_looked_up_errs_and_denies() -> None:
    made = policy('@id("p") forbid(principal, action, resource) when { context.count.user_day > 3 };')
    decision = made.decide(action(history=History(known=frozenset())))
    assert decision.code == "policy_error"


@pytest.mark.parametrize(
    ("condition", "read"),
    [
        ("true", set[str]()),
        ("context.count.user_day < 3", {"count.user_day"}),
        ('context.done.contains("pay") || context.count.run == 0', {"done", "count.run"}),
        ("context.sum.amount_minor.tenant_week < 3", {"sum.amount_minor.tenant_week"}),
        ("context.sum.amount_minor has run", {"sum.amount_minor.run"}),
    ],
)
def test_what_a_policy_reads_of_the_history_is_told(condition: str, read: set[str]) -> None:
    made = policy(f'@id("p") permit(principal, action == Action::"pay", resource) when {{ {condition} }};')
    assert made.history_read("pay") == read
    assert made.history_read("read_email") == set()


def test_who_takes_a_whole_record_reads_all_of_it() -> None:
    made = policy(
        '@id("p") permit(principal, action == Action::"pay", resource) when { context.count == context.count };'
    )
    assert {"count.run", "count.user_day", "count.tenant_week"} < made.history_read("pay")
    made = policy('@id("p") permit(principal, action == Action::"pay", resource) when { context == context };')
    assert {"done", "count.run", "sum.amount_minor.run"} < made.history_read("pay")


@pytest.mark.parametrize(
    ("condition", "message", "remedy"),
    [
        ('context.untrusted.contains("paye")', 'unknown argument "paye" in context.untrusted', "Did you mean payee?"),
        (
            'context.endorsed.containsAny(["payee", "amount"])',
            'unknown argument "amount"',
            "Did you mean amount_minor?",
        ),
        ('context.untrusted.contains("lines[].acount")', 'unknown argument "lines[].acount"', "lines[].account"),
        ('context.untrusted_consequential.contains("rate")', 'unknown consequential argument "rate"', ""),
        ('context.sources.contains("payee:read_emial")', 'unknown source "read_emial"', "Did you mean read_email?"),
        ('context.sources.contains("paye:request")', 'unknown argument "paye"', "Did you mean payee?"),
        (
            'context.done.contains("read_emial")',
            'unknown tool "read_emial" in context.done',
            "Did you mean read_email?",
        ),
        ('context.begun.containsAll(["pay", "exprt"])', 'unknown tool "exprt"', ""),
    ],
)
def test_a_name_that_stands_for_nothing_is_refused_with_its_line(condition: str, message: str, remedy: str) -> None:
    found = problem(condition)
    assert (found.line, message in found.message, remedy in found.remedy) == (4, True, True), found


@pytest.mark.parametrize(
    "condition",
    [
        'context.untrusted.contains("lines")',
        'context.untrusted.contains("lines[].account")',
        'context.untrusted.contains("free.whatever[].inside")',
        'context.untrusted.contains("payee#addresses")',
    ],
)
def test_paths_below_an_argument_are_names_too(condition: str) -> None:
    assert not holds(condition, labels={"payee": SAID, "amount_minor": SAID})


@pytest.mark.parametrize("condition", ["context.count.user_dya < 3", "context.sum.payee.run < 3", "context.untrustd"])
def test_a_counter_that_there_is_not_is_refused(condition: str) -> None:
    assert "attribute" in problem(condition).message


def test_a_number_that_no_decimal_holds_denies_where_a_policy_reads_it_and_only_there() -> None:
    precise = {"payee": "x", "rate": 0.123456}
    assert holds("true", arguments=precise)
    reading = policy(
        '@id("p") permit(principal, action == Action::"pay", resource);'
        '@id("f") forbid(principal, action == Action::"pay", resource) '
        'when { context.arguments has rate && context.arguments.rate.greaterThan(decimal("0.1")) };'
    )
    assert reading.decide(action(arguments=precise)).code == "schema_mismatch"
    assert reading.decide(action(arguments={"payee": "x", "rate": 0.05})).verdict is Verdict.ALLOW
    assert reading.decide(action(arguments={"payee": "x", "rate": 0.5})).code == "forbidden"
