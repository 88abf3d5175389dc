"""Whoever manages keys and people decides on nothing (threats.md, roles), by whatever door they come."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clearway import Denied
from clearway.app import Acting
from clearway.model.approval import ApprovalState
from clearway.project.principals import Delegation
from tests.flow.desk import refund_skill, refund_tool
from tests.road import PEOPLE, Answer, Road, Roads, hold, user

#: `ada` is in every approver group and may break the glass, and is an admin; `lea` too, without being one.
EVERYTHING = ("support", "operator", "approver", "break_glass")
ADA = user("ada", "finance", "security", roles=(*EVERYTHING, "admin"))
LEA = user("lea", "finance", "security", roles=EVERYTHING)

WAYS: dict[str, Callable[[Road], Any]] = {
    "approve": lambda road: road.vote("ada"),
    "reject": lambda road: road.vote("ada", "reject"),
    "break the glass": lambda road: road.vote("ada", break_glass=True, comment="the house is on fire"),
    "edit": lambda road: road.edit("ada", account="9182", amount_minor=1),
    "vouch": lambda road: _endorse(road, "ada"),
}


def _endorse(road: Road, by: str) -> Any:
    acting, approval_id = road.as_user(by), road.pending_id()
    seen = str(acting.approval(approval_id)["presented_digest"])
    return acting.endorse(approval_id, "account", presented_digest=seen)


def held(roads: Roads, refund: Answer | None = None, **options: Any) -> tuple[Road, str]:
    road = roads.build(
        tools=[refund_tool(roads.remote)],
        skills=[refund_skill()],
        policy={"refund": refund or hold()},
        people=(*PEOPLE, ADA, LEA),
        **options,
    )
    run_id = road.start("dana", "desk", account="9182", amount_minor=500)
    road.work()
    assert road.status(run_id) == "waiting"
    return road, run_id


@pytest.mark.parametrize("way", WAYS)
def test_an_admin_decides_nothing_whatever_else_they_are(roads: Roads, way: str) -> None:
    road, run_id = held(roads)
    with pytest.raises(Denied) as caught:
        WAYS[way](road)
    assert caught.value.code == "admin_approves"
    assert road.approvals_of(run_id)[0].state is ApprovalState.PENDING
    assert not road.votes(road.pending_id())
    road.vote("lea")  # it was the role that kept them out, and nothing else
    road.work()
    assert road.status(run_id) == "done"


def test_an_admin_who_acts_in_another_of_their_roles_is_an_admin_still(roads: Roads) -> None:
    road, run_id = held(roads)
    ada = Acting(road.app, replace(road.as_user("ada").caller, roles=frozenset({"approver"})))
    (waiting,) = road.pending()
    with pytest.raises(Denied) as caught:
        ada.approve(waiting["approval_id"], presented_digest=road.approvals_of(run_id)[0].presented_digest)
    assert caught.value.code == "admin_approves"


def test_t48_what_somebody_approved_before_they_became_an_admin_does_not_run(roads: Roads) -> None:
    road, run_id = held(roads)
    road.vote("lea")
    road.regroup("lea", "finance", "security", roles=("approver", "admin"))
    road.work()
    assert road.status(run_id) == "waiting"
    assert not road.remote.calls
    (voided, asked_anew) = road.approvals_of(run_id)
    assert (voided.state, asked_anew.state) == (ApprovalState.INVALIDATED, ApprovalState.PENDING)
    assert voided.note == "an approver no longer has the role"


def test_t48_a_broken_glass_does_not_hold_once_whoever_broke_it_is_an_admin(roads: Roads) -> None:
    road, run_id = held(roads)
    road.vote("lea", break_glass=True, comment="the house is on fire")
    road.regroup("lea", roles=("break_glass", "admin"))
    road.work()
    assert road.status(run_id) == "waiting"
    assert not road.remote.calls


def test_a_membership_that_an_admin_lends_counts_for_nothing(roads: Roads) -> None:
    today = datetime.now(UTC).date()
    lent = [
        Delegation(giver, "eli", group, today - timedelta(days=1), today + timedelta(days=1))
        for giver, group in (("ada", "finance"), ("lea", "security"))
    ]
    road, _ = held(roads, delegations=lent)
    with pytest.raises(Denied) as caught:
        road.vote("eli")
    assert caught.value.code == "not_an_approver"


def test_t48_a_grant_ends_with_the_role_of_whoever_agreed_to_it(roads: Roads) -> None:
    road, run_id = held(roads)
    bounds = {
        "account": {"equals": "9182"},
        "amount_minor": {"max": 1000},
        "currency": {"any": True},
        "note": {"any": True},
    }
    asked = road.as_user("olga").ask_grant(
        "refund", targets=["account:9182"], bounds=bounds, max_uses=9, ttl_s=600.0, reason="a busy day"
    )
    for approver in ("amir", "sid"):
        road.vote(approver, approval_id=asked["approval_id"])
    covered = road.start("dana", "desk", account="9182", amount_minor=500)
    road.work()
    assert road.status(covered) == "done"
    road.regroup("sid")
    uncovered = road.start("dana", "desk", account="9182", amount_minor=500)
    road.work()
    assert road.status(uncovered) == "waiting"
    road.regroup("sid", "security")
    again = road.start("dana", "desk", account="9182", amount_minor=500)
    road.work()
    assert road.status(again) == "done"
    assert road.status(run_id) == "waiting"  # it was asked about before there was a grant
