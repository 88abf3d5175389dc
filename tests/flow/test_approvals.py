"""Held actions and the people who decide on them, through the public surface."""

from typing import Any

import pytest

from clearway import Conflict, Denied, Invalid, NotFound
from clearway.model.approval import ApprovalState
from clearway.model.ledger import LedgerState
from tests.flow.desk import read_tool, refund_skill, refund_tool
from tests.road import Answer, Road, Roads, allow, deny, hold, user


def a_road(roads: Roads, refund: Answer, **options: Any) -> Road:
    return roads.build(
        tools=[refund_tool(roads.remote, **options.pop("tool", {}))],
        skills=[refund_skill()],
        policy={"refund": refund},
        **options,
    )


def held(road: Road, **arguments: Any) -> str:
    """A run that waits for its one approval."""
    run_id = road.start("dana", "desk", **{"account": "9182", "amount_minor": 500, **arguments})
    road.work()
    assert road.status(run_id) == "waiting"
    assert not road.remote.effects
    return run_id


def by_amount(limit: int) -> Answer:
    return lambda action: allow() if action.arguments["amount_minor"] <= limit else hold()


def test_an_allowed_effect_happens_once_and_is_recorded_before_and_after(roads: Roads) -> None:
    road = a_road(roads, allow())
    record = road.run("desk", account="9182", amount_minor=500)
    assert record["status"] == "done"
    assert record["result"]["ref"] == "re_1"
    assert road.remote.done("refund") == [{"account": "9182", "amount_minor": 500}]
    assert [e["kind"] for e in record["events"]] == [
        "run.requested",
        "run.started",
        "action.started",
        "action.succeeded",
        "run.finished",
    ]
    assert road.app.reading().audit_verify()["status"] == "intact"


def test_a_denied_effect_is_not_sent_and_says_which_policy_denied_it(roads: Roads) -> None:
    road = a_road(roads, deny())
    record = road.run("desk", account="9182", amount_minor=500)
    assert (record["status"], record["failure"]["code"]) == ("refused", "forbidden")
    assert record["steps"][0]["policies"] == ["test-deny"]
    assert not road.remote.calls


def test_a_held_effect_waits_and_happens_once_approved(roads: Roads) -> None:
    road = a_road(roads, hold())
    run_id = held(road)
    assert road.vote("amir")["state"] == "approved"
    road.work()
    assert road.status(run_id) == "done"
    assert len(road.remote.effects) == 1
    assert road.approvals_of(run_id)[0].state is ApprovalState.CONSUMED


def test_a_rejection_ends_it_for_good(roads: Roads) -> None:
    road = a_road(roads, hold(("finance", 2)))
    run_id = held(road)
    road.vote("amir")
    approval_id = road.pending_id()
    assert road.vote("bo", "reject")["state"] == "rejected"
    with pytest.raises(Conflict, match="rejected already"):
        road.vote("cleo", approval_id=approval_id)
    road.work()
    assert (road.status(run_id), road.record(run_id)["failure"]["code"]) == ("refused", "rejected")
    with pytest.raises(Conflict):
        road.vote("cleo", approval_id=approval_id)
    road.as_user("olga").retry(run_id, "try again")
    road.work()
    assert (road.status(run_id), road.record(run_id)["failure"]["code"]) == ("refused", "rejected")
    assert not road.remote.calls


def test_a_rejection_needs_a_reason(roads: Roads) -> None:
    road = a_road(roads, hold())
    held(road)
    with pytest.raises(Invalid, match="reason"):
        road.vote("amir", "reject", comment=" ")


def test_what_people_rejected_is_refused_when_the_run_proposes_it_again(roads: Roads) -> None:
    from tests.flow.desk import errand_skill

    road = roads.build(tools=[refund_tool(roads.remote)], skills=[errand_skill("refund")], policy={"refund": hold()})
    same = ["refund", {"account": "9182", "amount_minor": 500}]
    run_id = road.start("dana", "errand", plan=[same, same])
    road.work()
    road.vote("amir", "reject")
    road.work()
    assert road.record(run_id)["result"] == ["rejected", "rejected_before"]
    assert not road.pending()


def test_nobody_decides_in_time_and_the_action_is_refused(roads: Roads) -> None:
    road = a_road(roads, hold(decision_ttl_s=60.0))
    run_id = held(road)
    approval_id = road.pending_id()
    road.later(61.0)
    assert (road.status(run_id), road.record(run_id)["failure"]["code"]) == ("refused", "approval_expired")
    with pytest.raises(Conflict, match="expired"):
        road.vote("amir", approval_id=approval_id)


def test_a_vote_that_comes_too_late_expires_the_approval_even_before_its_timer(roads: Roads) -> None:
    road = a_road(roads, hold(decision_ttl_s=60.0))
    run_id = held(road)
    approval_id = road.pending_id()
    road.time.advance(60.0)
    with pytest.raises(Conflict, match="expired"):
        road.vote("amir", approval_id=approval_id)
    road.time.advance(-50.0)
    with pytest.raises(Conflict, match="expired"):
        road.vote("amir", approval_id=approval_id)
    road.work()
    assert road.status(run_id) == "refused"


def test_an_approval_that_is_not_carried_out_in_time_is_asked_anew(roads: Roads) -> None:
    road = a_road(roads, hold(execution_ttl_s=300.0))
    run_id = held(road)
    road.vote("amir")
    road.time.advance(301.0)
    road.work()
    first, second = road.approvals_of(run_id)
    assert (first.state, second.state) == (ApprovalState.EXPIRED, ApprovalState.PENDING)
    assert second.replaces == first.approval_id
    assert not road.remote.calls
    road.vote("bo")
    road.work()
    assert road.status(run_id) == "done"


def test_at_half_the_time_a_further_group_is_told_and_the_quorum_stays(roads: Roads) -> None:
    road = a_road(roads, hold(decision_ttl_s=60.0, escalate_to="security"))
    run_id = held(road)
    road.later(31.0)
    (approval,) = road.approvals_of(run_id)
    assert approval.escalated_at is not None
    assert road.kinds(run_id).count("approval.escalated") == 1
    with pytest.raises(Denied, match="does not count"):
        road.vote("sid")
    assert road.status(run_id) == "waiting"


def test_two_groups_and_two_of_one_are_all_needed(roads: Roads) -> None:
    road = a_road(roads, hold(("finance", 2), ("security", 1)))
    run_id = held(road)
    for voter, state in (("amir", "pending"), ("sid", "pending"), ("bo", "approved")):
        road.work()
        assert not road.remote.effects
        assert road.vote(voter)["state"] == state
    road.work()
    assert road.status(run_id) == "done"


def test_one_person_counts_for_one_factor(roads: Roads) -> None:
    road = a_road(roads, hold(("finance", 1), ("security", 1)))
    held(road)
    assert road.vote("cleo")["state"] == "pending"
    with pytest.raises(Conflict, match="one vote a person"):
        road.vote("cleo")


def test_a_person_in_no_asked_group_and_a_service_cannot_vote(roads: Roads) -> None:
    road = a_road(roads, hold())
    held(road)
    for voter in ("sid", "eli", "olga", "service:nightly"):
        with pytest.raises(Denied):
            road.vote(voter)
    assert not road.votes(road.pending_id())


def test_breaking_the_glass_needs_the_role_and_a_reason_and_is_up_for_review(roads: Roads) -> None:
    road = a_road(roads, hold(("finance", 2)))
    run_id = held(road)
    with pytest.raises(Denied):
        road.vote("amir", break_glass=True, comment="fire")
    with pytest.raises(Denied, match="reason"):
        road.vote("gus", break_glass=True)
    assert road.vote("gus", break_glass=True, comment="the data centre burns")["state"] == "approved"
    road.work()
    assert road.status(run_id) == "done"
    assert "approval.break_glass" in road.kinds(run_id)


def test_whoever_broke_the_glass_and_lost_the_role_since_covers_nothing(roads: Roads) -> None:
    road = a_road(roads, hold())
    run_id = held(road)
    road.vote("gus", break_glass=True, comment="fire")
    road.regroup("gus", roles=("support",))
    road.work()
    assert road.status(run_id) == "waiting"
    assert not road.remote.calls


def test_separation_of_duties_excludes_the_requester_whatever_their_groups(roads: Roads) -> None:
    road = a_road(roads, hold())
    road.regroup("dana", "finance", roles=("support", "break_glass"))
    held(road)
    with pytest.raises(Denied, match="Separation of duties"):
        road.vote("dana")
    with pytest.raises(Denied, match="Separation of duties"):
        road.vote("dana", break_glass=True, comment="fire")


def test_environment_dev_may_let_people_approve_their_own_where_the_project_says_so(roads: Roads) -> None:
    road = a_road(roads, hold(), lenient=True)
    road.regroup("dana", "finance")
    run_id = held(road)
    road.vote("dana")
    road.work()
    assert road.status(run_id) == "done"


def test_an_edit_to_a_higher_amount_is_decided_whole_and_its_editor_may_not_approve_it(roads: Roads) -> None:
    road = a_road(roads, by_amount(100))
    run_id = held(road)
    road.edit("amir", account="9182", amount_minor=900)
    road.work()
    first, second = road.approvals_of(run_id)
    assert first.state is ApprovalState.INVALIDATED
    assert second.presented["summary"] == "Refund $9.00 to account 9182"
    assert second.requester == "user:amir"
    with pytest.raises(Denied, match="Separation of duties"):
        road.vote("amir")
    with pytest.raises(Denied, match="Separation of duties"):
        road.vote("dana")
    road.vote("bo")
    road.work()
    assert road.status(run_id) == "done"
    assert road.remote.done("refund") == [{"account": "9182", "amount_minor": 900}]


def test_whoever_edited_first_may_not_approve_after_a_second_edit(roads: Roads) -> None:
    road = a_road(roads, hold())
    held(road)
    road.edit("amir", account="9182", amount_minor=900)
    road.work()
    road.edit("bo", account="9182", amount_minor=900)
    road.work()
    for editor in ("amir", "bo"):
        with pytest.raises(Denied, match="Separation of duties"):
            road.vote(editor)
    assert road.vote("cleo")["state"] == "approved"


def test_an_edit_to_a_lower_amount_that_policy_allows_runs_without_asking_again(roads: Roads) -> None:
    road = a_road(roads, by_amount(100))
    run_id = held(road)
    road.edit("amir", account="9182", amount_minor=90)
    road.work()
    assert road.status(run_id) == "done"
    assert road.remote.done("refund") == [{"account": "9182", "amount_minor": 90}]


def test_an_edit_to_what_policy_denies_is_denied(roads: Roads) -> None:
    road = a_road(roads, lambda action: deny() if action.arguments["amount_minor"] > 800 else hold())
    run_id = held(road)
    road.edit("amir", account="9182", amount_minor=900)
    road.work()
    assert (road.status(run_id), road.record(run_id)["failure"]["code"]) == ("refused", "forbidden")
    assert not road.remote.calls


@pytest.mark.parametrize(
    "arguments",
    [
        {"account": "9182", "amount_minor": "900"},
        {"account": "9182"},
        {"account": "9182", "amount_minor": 1, "extra": 1},
    ],
)
def test_an_edit_to_invalid_arguments_changes_nothing(roads: Roads, arguments: dict[str, Any]) -> None:
    road = a_road(roads, hold())
    held(road)
    approval_id = road.pending_id()
    with pytest.raises(Invalid):
        road.edit("amir", **arguments)
    assert road.pending_id() == approval_id
    assert road.vote("bo")["state"] == "approved"


def test_only_somebody_who_may_decide_may_edit(roads: Roads) -> None:
    road = a_road(roads, hold())
    held(road)
    for who in ("dana", "sid", "olga", "service:nightly"):
        with pytest.raises(Denied):
            road.edit(who, account="9182", amount_minor=1)


def test_an_edit_raises_the_impact_that_is_recorded(roads: Roads) -> None:
    from clearway import Impact

    def raises(arguments: Any) -> Impact | None:
        return Impact.EXTERNAL if arguments["amount_minor"] > 800 else None

    road = a_road(roads, hold(), tool={"impact": "internal_write", "raises": raises})
    run_id = held(road)
    assert road.step(run_id).impact == "internal_write"
    road.edit("amir", account="9182", amount_minor=900)
    road.work()
    road.vote("bo")
    road.work()
    assert road.step(run_id).impact == "external"


def test_an_edited_step_that_was_rejected_is_replayed_as_it_was_recorded(roads: Roads) -> None:
    from tests.flow.desk import errand_skill

    road = roads.build(tools=[refund_tool(roads.remote)], skills=[errand_skill("refund")], policy={"refund": hold()})
    plan = [["refund", {"account": "1", "amount_minor": 1}], ["refund", {"account": "2", "amount_minor": 2}]]
    run_id = road.start("dana", "errand", plan=plan)
    road.work()
    road.edit("amir", account="1", amount_minor=3)
    road.work()
    road.vote("bo", "reject")
    road.work()
    road.vote("bo")
    road.work()
    assert road.record(run_id)["result"] == ["rejected", "done"]


def test_an_approver_who_lost_the_group_before_execution_no_longer_counts(roads: Roads) -> None:
    road = a_road(roads, hold())
    run_id = held(road)
    road.vote("amir")
    road.regroup("amir")
    road.work()
    first, second = road.approvals_of(run_id)
    assert (first.state, second.state) == (ApprovalState.INVALIDATED, ApprovalState.PENDING)
    assert "no longer has the role" in first.note
    assert not road.remote.calls
    road.vote("bo")
    road.work()
    assert road.status(run_id) == "done"


def test_an_approver_who_left_no_longer_counts(roads: Roads) -> None:
    road = a_road(roads, hold())
    run_id = held(road)
    road.vote("amir")
    road.dismiss("amir")
    road.work()
    assert road.status(run_id) == "waiting"
    assert not road.remote.calls


def test_policy_that_was_tightened_to_deny_while_the_run_waited_denies(roads: Roads) -> None:
    road = a_road(roads, hold())
    run_id = held(road)
    road.vote("amir")
    road.rules.set("refund", deny())
    road.work()
    assert (road.status(run_id), road.record(run_id)["failure"]["code"]) == ("refused", "forbidden")
    assert road.approvals_of(run_id)[0].state is ApprovalState.INVALIDATED


def test_an_invalidated_approval_never_revives(roads: Roads) -> None:
    road = a_road(roads, hold())
    run_id = held(road)
    road.vote("amir")
    road.rules.set("refund", deny())
    road.work()
    road.rules.set("refund", hold())
    road.as_user("olga").retry(run_id, "policy was mended")
    road.work()
    assert road.status(run_id) == "waiting"
    assert not road.remote.calls
    assert [a.state for a in road.approvals_of(run_id)] == [ApprovalState.INVALIDATED, ApprovalState.PENDING]


def test_policy_that_asks_for_more_people_now_asks_anew(roads: Roads) -> None:
    road = a_road(roads, hold())
    run_id = held(road)
    road.vote("amir")
    road.rules.set("refund", hold(("finance", 2)))
    road.work()
    assert [a.state for a in road.approvals_of(run_id)] == [ApprovalState.INVALIDATED, ApprovalState.PENDING]
    road.vote("amir")
    road.vote("bo")
    road.work()
    assert road.status(run_id) == "done"


def test_policy_that_was_loosened_lets_what_was_approved_run_and_what_waits_wait(roads: Roads) -> None:
    road = a_road(roads, hold(("finance", 2)))
    run_id = held(road)
    road.rules.set("refund", allow())
    road.work()
    assert road.status(run_id) == "waiting"
    road.vote("amir")
    road.vote("bo")
    road.work()
    assert road.status(run_id) == "done"


def test_a_changed_tool_asks_anew(roads: Roads) -> None:
    road = a_road(roads, hold())
    run_id = held(road)
    road.vote("amir")
    later = roads.build(
        tools=[refund_tool(roads.remote, description="Refunds twice, at times.")],
        skills=[refund_skill()],
        policy={"refund": hold()},
    )
    later.work()
    assert [a.state for a in later.approvals_of(run_id)] == [ApprovalState.INVALIDATED, ApprovalState.PENDING]
    assert not roads.remote.calls


def test_the_vote_echoes_what_was_shown(roads: Roads) -> None:
    road = a_road(roads, hold())
    held(road)
    with pytest.raises(Conflict, match="What you were shown"):
        road.as_user("amir").approve(road.pending_id(), presented_digest="sha256:" + "0" * 64)


def test_approvals_of_another_tenant_are_not_there(roads: Roads) -> None:
    road = a_road(roads, hold())
    run_id = held(road)
    approval_id = road.pending_id()
    rolf = road.as_user("rolf")
    for attempt in (
        lambda: rolf.approve(approval_id, presented_digest="x"),
        lambda: rolf.approval(approval_id),
        lambda: rolf.reject(approval_id, presented_digest="x", comment="no"),
        lambda: rolf.run(run_id),
        lambda: rolf.edit(approval_id, {}, comment=""),
    ):
        with pytest.raises(NotFound):
            attempt()


def test_cancelling_a_run_that_waits_takes_back_its_approvals(roads: Roads) -> None:
    road = a_road(roads, hold())
    run_id = held(road)
    approval_id = road.pending_id()
    road.as_user("dana").cancel(run_id, "no longer needed")
    with pytest.raises(Conflict, match="cancelled already"):
        road.vote("amir", approval_id=approval_id)
    road.work()
    assert road.status(run_id) == "cancelled"
    assert road.step(run_id).state is LedgerState.REFUSED
    assert not road.remote.calls


def test_a_cancellation_beats_an_approval_that_was_given_before_it(roads: Roads) -> None:
    road = a_road(roads, hold())
    run_id = held(road)
    road.vote("amir")
    road.as_user("dana").cancel(run_id, "stop")
    road.work()
    assert road.status(run_id) == "cancelled"
    assert not road.remote.calls


def test_a_run_that_fails_takes_back_what_still_waits(roads: Roads) -> None:
    import asyncio

    from clearway import Run, skill

    @skill(tools=["refund", "read_account"])
    async def both(run: Run) -> None:
        await asyncio.gather(run.call("refund", account="1", amount_minor=1), run.call("read_account", account="1"))

    road = roads.build(
        tools=[refund_tool(roads.remote), read_tool(roads.remote)],
        skills=[both],
        policy={"refund": hold(), "read_account": deny()},
    )
    run_id = road.start("dana", "both")
    road.work()
    assert road.status(run_id) == "waiting"
    approval_id = road.pending_id()
    road.vote("amir", "reject")
    road.work()
    assert road.status(run_id) == "refused"
    with pytest.raises(Conflict):
        road.vote("bo", approval_id=approval_id)


def test_a_preview_that_is_no_json_is_left_out_and_hinders_nothing(roads: Roads) -> None:
    road = a_road(roads, hold(), tool={"preview": lambda arguments: object()})
    run_id = held(road)
    assert road.approvals_of(run_id)[0].presented["preview"] is None
    road.vote("amir")
    road.work()
    assert road.status(run_id) == "done"


def test_people_see_a_preview_made_from_a_copy_of_the_arguments(roads: Roads) -> None:
    def preview(arguments: Any) -> dict[str, Any]:
        before = arguments["amount_minor"]
        arguments["amount_minor"] = 999_999
        return {"before": 0, "after": before}

    road = a_road(roads, hold(), tool={"preview": preview})
    run_id = held(road)
    assert road.approvals_of(run_id)[0].presented["preview"] == {"before": 0, "after": 500}
    road.vote("amir")
    road.work()
    assert road.remote.done("refund") == [{"account": "9182", "amount_minor": 500}]


def test_people_with_a_second_login_have_one_vote(roads: Roads) -> None:
    from tests.road import PEOPLE

    people = (*PEOPLE, user("amir2", "finance", person="amir"))
    road = a_road(roads, hold(("finance", 2)), people=people)
    run_id = held(road)
    road.vote("amir2")
    with pytest.raises(Conflict, match="one vote a person"):
        road.vote("amir")
    road.vote("bo")
    road.work()
    assert road.status(run_id) == "done"
