"""The table of policy tests: checked against the project, with lines."""

from collections.abc import Callable
from pathlib import Path

import pytest

from clearway.model.decision import Verdict
from clearway.model.errors import ConfigError
from clearway.project.load import load_project
from clearway.project.policy_cases import load_policy_cases

from .conftest import FILES

Write = Callable[..., Path]
TABLE = FILES["policies/tests.yaml"]


def test_a_case_is_read_with_its_canonical_arguments(project: Write) -> None:
    text = TABLE + (
        "- name: refunding\n"
        "  principal: {user: dana, role: support, environment: prod, tenant: globex, agent: desk}\n"
        '  tool: refund\n  arguments: {account: "1", amount_minor: 5}\n  expect: hold\n  policies: [large]\n'
    )
    first, second = load_policy_cases(load_project(project({"policies/tests.yaml": text}), environ={}))
    assert (first.user, first.role, first.tenant, first.environment, first.agent) == (
        "dana",
        None,
        "acme",
        "dev",
        "desk",
    )
    assert (first.expect, first.policies, first.line) == (Verdict.ALLOW, None, 1)
    assert second.arguments == {"account": "1", "amount_minor": 5, "currency": "USD"}
    assert (second.tenant, second.role, second.policies, second.line) == ("globex", "support", ("large",), 6)


def test_without_the_file_there_are_no_cases(project: Write) -> None:
    folder = project()
    (folder / "policies/tests.yaml").unlink()
    assert load_policy_cases(load_project(folder, environ={})) == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("user: dana", "user: dnaa", 2, 'Did you mean "dana"?'),
        ("environment: dev", "environment: dve", 2, 'Did you mean "dev"?'),
        ("agent: desk", "agent: dsek", 2, 'Did you mean "desk"?'),
        ("user: dana", "user: dana, role: admin", 2, "role of dana"),
        ("user: dana", "user: dana, tenant: acem", 2, 'Did you mean "acme"?'),
        ("user: dana, ", "", 2, "user is missing"),
        ("user: dana", "usr: dana", 2, 'Did you mean "user"?'),
        ("read_account", "raed_account", 3, 'Did you mean "read_account"?'),
        ('{account: "9182"}', "{account: 9182}", 4, "argument account should be a string"),
        ('{account: "9182"}', "{}", 4, "argument account is missing"),
        ("expect: allow", "expect: alow", 5, 'Did you mean "allow"?'),
        ("  expect: allow\n", "", 1, "expect is missing"),
        ("expect: allow", "expect: allow\n  policies: large", 6, "should be a list of texts"),
        ("expect: allow", "expects: allow", 5, 'Did you mean "expect"?'),
        ("- name: reading", "- reading\n- name: reading", 1, "not a mapping"),
        ("- name: reading", "- name: reading\n  name: x", 2, "twice"),
        (TABLE, TABLE + TABLE, 6, "two cases have this name"),
        (TABLE, "cases: []\n", 1, "not a list of cases"),
    ],
)
def test_t40_a_wrong_case_names_its_line(project: Write, old: str, new: str, line: int, message: str) -> None:
    folder = project({"policies/tests.yaml": TABLE.replace(old, new)})
    with pytest.raises(ConfigError) as caught:
        load_policy_cases(load_project(folder, environ={}))
    found = str(caught.value).splitlines()
    assert any(text.startswith(f"policies/tests.yaml:{line}: ") and message in text for text in found), found


ASSUMED = """- name: assumed
  principal: {user: dana, environment: dev, agent: desk}
  tool: refund
  arguments: {account: "1", amount_minor: 5}
  untrusted: [account]
  endorsed: [amount_minor]
  sources: {account: [read_account]}
  history: {done_on_target: [read_account], begun: [refund], count: {user_day: 3}, sum: {amount_minor: {run: 7}}}
  expect: hold
"""


def test_a_case_says_what_it_assumes_of_labels_and_history(project: Write) -> None:
    (case,) = load_policy_cases(load_project(project({"policies/tests.yaml": ASSUMED}), environ={}))
    assumed = case.assumed
    assert (assumed.untrusted, assumed.endorsed) == (frozenset({"account"}), frozenset({"amount_minor"}))
    assert dict(assumed.sources) == {"account": ("read_account",)}
    history = assumed.history
    assert history.done == history.done_on_target == frozenset({"read_account"})
    assert history.begun == frozenset({"read_account", "refund"})  # what was done was begun
    assert (history.counts, history.sums, history.known) == ({"user_day": 3}, {"amount_minor": {"run": 7}}, None)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("untrusted: [account]", "untrusted: [acount]", 5, 'Did you mean "account"?'),
        ("endorsed: [amount_minor]", "endorsed: account", 6, "should be a list of texts"),
        ("sources: {account:", "sources: {acount:", 7, 'Did you mean "account"?'),
        ("done_on_target: [read_account]", "done_on_target: [raed_account]", 8, 'Did you mean "read_account"?'),
        ("user_day: 3", "user_dya: 3", 8, 'Did you mean "user_day"?'),
        ("user_day: 3", "user_day: many", 8, "should be a whole number"),
        ("sum: {amount_minor:", "sum: {amount:", 8, "names the argument amount, which does not exist"),
        ("history: {done_on_target", "history: {done_on", 8, "there is no key done_on"),
    ],
)
def test_t40_a_wrong_assumption_names_its_line(project: Write, old: str, new: str, line: int, message: str) -> None:
    assert old in ASSUMED
    folder = project({"policies/tests.yaml": ASSUMED.replace(old, new)})
    with pytest.raises(ConfigError) as caught:
        load_policy_cases(load_project(folder, environ={}))
    found = str(caught.value).splitlines()
    assert any(text.startswith(f"policies/tests.yaml:{line}: ") and message in text for text in found), found
