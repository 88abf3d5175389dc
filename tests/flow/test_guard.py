"""`clearway.guard`: the road for single functions."""

from pathlib import Path
from typing import Any

import pytest

import clearway
from clearway import guard

POLICY = '@id("small") permit(principal, action, resource) when { context.arguments.amount_minor <= 5000 };'


@clearway.tool(impact="external", summary="Refund {amount_minor} cents to account {account}")
def refund(account: str, amount_minor: int) -> dict[str, Any]:
    return {"refunded": amount_minor}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_process_may_guard_again_and_again_under_one_name(here: Path) -> None:
    for round in range(2):
        with guard([refund], POLICY) as guarded:
            outcome = guarded.call(refund, account="9182", amount_minor=2000, key="order-7041")
            assert outcome == clearway.Done({"refunded": 2000}, replayed=round > 0)
            assert clearway.guard is guard


def test_what_no_policy_permits_is_refused(here: Path) -> None:
    with guard([refund], POLICY) as guarded:
        outcome = guarded.call(refund, account="9182", amount_minor=240000)
    assert isinstance(outcome, clearway.Refused)
    assert outcome.code == "no_permit"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([], POLICY), "no tool"),
        (([print], POLICY), "@clearway.tool"),
        (([refund], "permit("), "policy:1"),
        (([refund], POLICY, {"store": "mysql://x"}), "store should begin"),
        (([refund], POLICY, {"store": None}), "store should begin"),
        (([refund], POLICY, {"groups": {"finance": "amir"}}), "instead of a list"),
    ],
)
def test_a_guard_that_cannot_be_made_says_why(here: Path, arguments: Any, says: str) -> None:
    tools, policy, *options = arguments
    with pytest.raises(clearway.ConfigError, match=says):
        guard(tools, policy, **(options[0] if options else {}))


def test_t01_the_arguments_of_a_guarded_call_are_nobodys_word(tmp_path: Path) -> None:
    @clearway.tool(impact="external", consequential=["payee"])
    def pay(payee: str) -> str:
        return "paid"

    policy = (
        '@id("p") permit(principal, action == Action::"pay", resource) '
        "when { context.untrusted_consequential.isEmpty() };"
    )
    with clearway.guard([pay], policy, store=f"sqlite:///{tmp_path / 'guard.db'}") as guarded:
        assert isinstance(guarded.call(pay, payee="GB29NWBK60161331926819"), clearway.Refused)
