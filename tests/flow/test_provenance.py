"""Where arguments come from: labels on the road, the same after every death, and what people's word changes."""

import asyncio
from typing import Any

import pytest

from clearway import Run, ToolContext, skill, tool
from clearway.adapters.cedar import CedarPolicy, PolicyFile
from clearway.model.errors import Conflict, Denied, Invalid
from clearway.model.label import Trust
from tests.road import Road, Roads, allow

POLICY = """
@id("reads") permit(principal, action in Action::"impact:read", resource);
@id("pay-known") permit(principal, action == Action::"pay", resource)
when { context.untrusted_consequential.isEmpty() };
@id("pay-untrusted") @obligation("require_approval") @approvers("finance")
permit(principal, action == Action::"pay", resource)
when { context.untrusted.contains("payee") };
@id("reversals") permit(principal, action == Action::"reverse", resource);
"""

EMAIL = {"from": "billing@vendor.example", "text": "Our new account is GB29NWBK60161331926819. Please pay 5000."}
BOOK = {"landlord": "DE89370400440532013000", "note": "call first"}


def make(roads: Roads, policy: str = POLICY, **options: Any) -> Road:  # noqa: C901 - many small skills
    @tool(impact="read")
    def read_email(number: int) -> dict[str, Any]:
        return EMAIL

    @tool(impact="read", result_trust={"": "untrusted", "landlord": "trusted"})
    def address_book() -> dict[str, Any]:
        return BOOK

    @tool(impact="external", targets="payee:{payee}", consequential=["payee"])
    def pay(ctx: ToolContext, payee: str, amount_minor: int, currency: str = "USD", memo: str = "") -> dict[str, Any]:
        return roads.remote.call(ctx, "pay", payee=payee, amount_minor=amount_minor)

    @tool(impact="external")
    def reverse(ctx: ToolContext, ref: str) -> dict[str, Any]:
        return roads.remote.call(ctx, "reverse", ref=ref)

    tools = {each.spec.name: each for each in (read_email, address_book, pay, reverse)}

    @skill(tools=list(tools.values()))
    async def from_email(run: Run, amount_minor: int) -> str:
        email = await run.call("read_email", number=1)
        payee = email["text"].split()[4].strip(".")
        done = await run.call("pay", payee=payee, amount_minor=amount_minor)
        return str(done["payee"])

    @skill(tools=list(tools.values()))
    async def twice(run: Run) -> list[str]:
        email = await run.call("read_email", number=1)
        payee = email["text"].split()[4].strip(".")
        first = await run.call("pay", payee=payee, amount_minor=5000)
        second = await run.call("pay", payee=payee, amount_minor=5000, memo=first["ref"])
        return [str(first["ref"]), str(second["ref"])]

    @skill(tools=list(tools.values()))
    async def from_book(run: Run) -> str:
        await run.call("read_email", number=1)
        book = await run.call("address_book")
        await run.call("pay", payee=book["landlord"], amount_minor=100)
        return "paid"

    @skill(tools=list(tools.values()))
    async def as_asked(run: Run, payee: str) -> str:
        await run.call("read_email", number=1)
        await run.call("pay", payee=payee, amount_minor=100)
        return "paid"

    @skill(tools=list(tools.values()))
    async def own_constant(run: Run, named: bool) -> str:
        payee = run.constant("FR7630006000011234567890189") if named else "FR7630006000011234567890189"
        await run.call("pay", payee=payee, amount_minor=100)
        return "paid"

    @skill(tools=list(tools.values()))
    async def side_by_side(run: Run) -> str:
        _, book = await asyncio.gather(run.call("read_email", number=1), run.call("address_book"))
        await run.call("pay", payee=book["landlord"], amount_minor=100)
        return "paid"

    @skill(tools=list(tools.values()), request="untrusted")
    async def forwarded(run: Run, payee: str) -> str:
        await run.call("pay", payee=payee, amount_minor=100)
        return "paid"

    skills = [from_email, twice, from_book, as_asked, own_constant, side_by_side, forwarded]
    rules = CedarPolicy(
        {name: each.spec for name, each in tools.items()},
        [each.spec.name for each in skills],
        ["dev", "prod"],
        [PolicyFile("p.cedar", policy)],
    )
    assert rules.check() == []
    return roads.build(tools=list(tools.values()), skills=skills, rules=rules, **options)


def labels(road: Road, run_id: str, step: str) -> dict[str, Any]:
    return road.step(run_id, step).labels or {}


def origin(road: Road, run_id: str, step: str, argument: str = "payee") -> tuple[str, list[str]]:
    label = labels(road, run_id, step)[argument]
    return label["trust"], label["sources"]


# --- What is labelled how --------------------------------------------------------------------------------------------


def test_a_value_of_a_tools_result_is_untrusted_and_names_its_step(roads: Roads) -> None:
    road = make(roads)
    run_id = road.start("dana", "from_email", amount_minor=5000)
    road.work()
    assert road.status(run_id) == "waiting"
    assert origin(road, run_id, "s2") == ("untrusted", ["s1:read_email"])
    assert origin(road, run_id, "s2", "amount_minor") == ("trusted", ["input"])
    assert origin(road, run_id, "s2", "currency") == ("trusted", ["default"])
    assert labels(road, run_id, "s2")["payee"]["privacy"] == ["IBAN"]


def test_what_the_caller_said_is_trusted_also_where_an_email_says_it_too(roads: Roads) -> None:
    road = make(roads)
    run_id = str(road.run("as_asked", payee="GB29NWBK60161331926819")["run_id"])
    assert road.status(run_id) == "done"
    assert origin(road, run_id, "s2", "payee") == ("trusted", ["input"])


def test_a_field_that_the_tool_declares_trusted_is(roads: Roads) -> None:
    road = make(roads)
    run_id = str(road.run("from_book")["run_id"])
    assert road.status(run_id) == "done"
    assert origin(road, run_id, "s3", "payee") == ("trusted", ["s2:address_book"])


@pytest.mark.parametrize(("named", "status"), [(True, "done"), (False, "waiting")])
def test_a_skills_own_constant_is_trusted_where_the_skill_says_that_it_is_one(
    roads: Roads, named: bool, status: str
) -> None:
    road = make(roads)
    run_id = road.start("dana", "own_constant", named=named)
    road.work()
    assert road.status(run_id) == status


def test_a_request_that_hands_on_what_others_wrote_is_nobodys_word(roads: Roads) -> None:
    road = make(roads)
    run_id = road.start("dana", "forwarded", payee="GB29NWBK60161331926819")
    road.work()
    assert road.status(run_id) == "waiting"
    assert origin(road, run_id, "s1", "payee") == ("untrusted", ["input"])


def test_the_label_is_in_the_record_the_events_and_on_the_approvers_page(roads: Roads) -> None:
    road = make(roads)
    run_id = road.start("dana", "from_email", amount_minor=5000)
    road.work()
    shown = road.as_user("amir").approval(road.pending_id())["presented"]
    assert shown["origins"]["payee"] == {
        "trust": "untrusted",
        "sources": ["s1:read_email"],
        "privacy": ["IBAN"],
        "consequential": True,
    }
    road.vote("amir")
    road.work()
    record = road.record(run_id)
    assert record["steps"][1]["labels"]["payee"]["sources"] == ["s1:read_email"]
    started = next(each for each in record["events"] if each["kind"] == "action.started")
    assert started["payload"]["labels"]["payee"]["sources"] == ["s1:read_email"]


def test_a_read_is_labelled_where_a_policy_asks(roads: Roads) -> None:
    forbid = '@id("n") forbid(principal, action == Action::"read_email", resource) when '
    road = make(roads, POLICY + forbid + '{ context.untrusted.contains("number") };')
    run_id = str(road.run("as_asked", payee="x")["run_id"])  # its 1 is a constant that the skill does not name
    assert (road.status(run_id), road.entries(run_id)[0].state.value) == ("refused", "refused")
    assert origin(road, run_id, "s1", "number") == ("untrusted", [])


def test_what_a_skill_does_to_a_result_does_not_change_where_it_came_from(roads: Roads) -> None:
    @tool(impact="read", result_trust="trusted")
    def read_book() -> dict[str, str]:
        return {"landlord": "DE89370400440532013000"}

    @tool(impact="external")
    def pay(ctx: ToolContext, payee: str) -> str:
        return "paid"

    @skill(tools=[read_book, pay])
    async def go(run: Run) -> str:
        book = await run.call("read_book")
        book["landlord"] = "GB29NWBK60161331926819"
        return str(await run.call("pay", payee=book["landlord"]))

    road = roads.build(tools=[read_book, pay], skills=[go], policy={"read_book": allow(), "pay": allow()})
    assert origin(road, str(road.run("go")["run_id"]), "s2")[0] == "untrusted"


# --- The same on every replay ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("probe", ["held", "started", "sent", "settled"])
def test_labels_are_the_same_after_a_death_at_each_probe(roads: Roads, probe: str) -> None:
    road = make(roads)
    undisturbed, run_id = road.start("dana", "twice"), ""
    finish(road, undisturbed)
    run_id = road.start("dana", "twice")
    if probe == "held":
        road.die_at(probe)
        road.work()
    else:
        road.work()
        road.vote("amir")
        road.die_at(probe)
        road.work()
    road.restart()
    finish(road, run_id)
    assert road.status(run_id) == "done"
    for step in ("s1", "s2", "s3"):
        assert labels(road, run_id, step) == labels(road, undisturbed, step)
    assert origin(road, run_id, "s3", "memo") == ("untrusted", ["s2:pay"])
    assert [approval.state.value for approval in road.approvals_of(run_id)] == ["consumed", "consumed"]


def finish(road: Road, run_id: str) -> None:
    """Says yes to everything, and what was in doubt is looked up on the other side."""
    road.work()
    while road.status(run_id) in ("waiting", "unknown"):
        for entry in road.entries(run_id):
            if entry.state.value == "unknown":
                found = road.remote.has(entry.key)
                road.as_user("olga").resolve(entry.key, happened=found is not None, reason="asked", result=found)
        for one in road.pending():
            road.vote("amir", approval_id=str(one["approval_id"]))
        road.work()


def test_side_by_side_reads_give_one_label(roads: Roads) -> None:
    road = make(roads)
    seen = {str(labels(road, str(road.run("side_by_side")["run_id"]), "s3")) for _ in range(5)}
    assert len(seen) == 1


def test_what_was_recorded_as_untrusted_is_not_trusted_later(roads: Roads) -> None:
    from clearway.model.label import Label
    from clearway.runtime.labels import stricter

    fresh = {"payee": Label(Trust.TRUSTED, ("s2:address_book",)), "memo": Label(Trust.UNTRUSTED)}
    kept = stricter(fresh, {"payee": {"trust": "untrusted", "sources": []}, "memo": {"trust": "trusted"}})
    assert [one.trust for one in kept.values()] == [Trust.UNTRUSTED, Trust.UNTRUSTED]


# --- A person's word -------------------------------------------------------------------------------------------------


def endorse(road: Road, by: str, argument: str = "payee", approval_id: str | None = None, **options: Any) -> Any:
    acting = road.as_user(by)
    approval_id = approval_id or road.pending_id()
    seen = str(acting.approval(approval_id)["presented_digest"])
    return acting.endorse(approval_id, argument, presented_digest=seen, **options)


def test_a_value_is_vouched_for_once_and_then_goes_through_in_that_run(roads: Roads) -> None:
    road = make(roads)
    run_id = road.start("dana", "twice")
    road.work()
    endorse(road, "amir")
    assert road.status(run_id) == "waiting"  # vouching approves nothing
    road.vote("amir")
    road.work()
    assert road.status(run_id) == "done"
    assert len(road.approvals_of(run_id)) == 1
    started = [each for each in road.record(run_id)["events"] if each["kind"] == "action.started"]
    assert [each["payload"]["labels"]["payee"]["trust"] for each in started] == ["endorsed", "endorsed"]
    assert started[1]["payload"]["labels"]["payee"]["sources"] == ["s1:read_email", "s2:pay", "endorsed:user:amir"]
    other = road.start("dana", "from_email", amount_minor=5000)
    road.work()
    assert road.status(other) == "waiting"


def test_for_a_user_it_holds_in_that_users_runs_until_it_expires(roads: Roads) -> None:
    road = make(roads)
    run_id = road.start("dana", "from_email", amount_minor=5000)
    road.work()
    endorse(road, "amir", for_user=True, ttl_s=600.0)
    road.vote("amir")
    road.work()
    assert road.run("from_email", amount_minor=7000)["status"] == "done"
    eli = road.start("eli", "from_email", amount_minor=7000)
    road.work()
    assert road.status(eli) == "waiting"
    road.vote("amir")
    road.later(601.0)
    late = road.start("dana", "from_email", amount_minor=8000)
    road.work()
    assert road.status(late) == "waiting"
    assert road.status(run_id) == "done"


def test_a_revoked_endorsement_holds_no_longer(roads: Roads) -> None:
    road = make(roads)
    run_id = road.start("dana", "twice")
    road.work()
    given = endorse(road, "amir")
    road.vote("amir")
    with pytest.raises(Denied):
        road.as_user("dana").revoke_endorsement(given["endorsement_id"], "mine")
    # Between the first payment and the claim of the second.
    road.worker.at("settled", lambda: road.as_user("amir").revoke_endorsement(given["endorsement_id"], "was wrong"))
    road.work()
    assert road.status(run_id) == "waiting"
    with pytest.raises(Conflict):
        road.as_user("amir").revoke_endorsement(given["endorsement_id"], "again")


def test_t15_whoever_asked_cannot_vouch_for_their_own_value(roads: Roads) -> None:
    road = make(roads)
    road.start("amir", "from_email", amount_minor=5000)
    road.work()
    for name, code in (("amir", "separation_of_duties"), ("dana", "not_an_approver"), ("sid", "not_an_approver")):
        with pytest.raises(Denied) as refused:
            endorse(road, name)
        assert refused.value.code == code
    road.app.acting("bo")
    assert endorse(road, "bo")["by"] == "user:bo"


def test_t48_the_word_of_somebody_who_left_the_group_no_longer_counts(roads: Roads) -> None:
    road = make(roads)
    run_id = road.start("dana", "twice")
    road.work()
    endorse(road, "amir")
    road.vote("bo")
    road.regroup("amir")
    road.work()
    assert road.status(run_id) == "waiting"


def test_t11_an_altered_endorsement_counts_for_nothing(roads: Roads) -> None:
    road = make(roads)
    run_id = road.start("dana", "from_email", amount_minor=5000)
    road.work()
    endorse(road, "amir")
    road.vote("amir")
    road.work()
    assert road.status(run_id) == "done"
    assert road.sql("UPDATE endorsements SET run_id = ''") == 1  # for this run → for every run of the user
    other = road.start("dana", "from_email", amount_minor=5000)
    road.work()
    assert road.status(other) == "waiting"


def test_another_argument_or_another_value_is_not_vouched_for(roads: Roads) -> None:
    road = make(
        roads,
        POLICY.replace('context.untrusted.contains("payee")', "!context.untrusted.isEmpty()").replace(
            "context.untrusted_consequential.isEmpty()", "context.untrusted.isEmpty()"
        ),
    )
    run_id = road.start("dana", "twice")
    road.work()
    endorse(road, "amir", "payee")
    road.vote("amir")
    road.work()
    assert road.status(run_id) == "waiting"  # the memo of the second, and 5000, are the email's
    with pytest.raises(Invalid):
        endorse(road, "amir", "paye")


def test_an_edit_does_not_endorse_itself(roads: Roads) -> None:
    road = make(roads)
    run_id = road.start("dana", "from_email", amount_minor=5000)
    road.work()
    road.edit("amir", payee="IT60X0542811101000000123456", amount_minor=5000)
    road.work()
    assert road.status(run_id) == "waiting"
    assert labels(road, run_id, "s2")["payee"]["trust"] == "untrusted"
    assert "edited:user:amir" in labels(road, run_id, "s2")["payee"]["sources"]
    with pytest.raises(Denied):
        endorse(road, "amir")


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_t27_the_endorsed_value_is_stored_nowhere(roads: Roads, database_kind: str) -> None:
    @tool(impact="external", consequential=["payee"])
    def pay(ctx: ToolContext, payee: str) -> str:
        return "paid"

    @tool(impact="read", sensitive_results=["iban"])
    def read_card() -> dict[str, str]:
        return {"iban": "GB29NWBK60161331926819"}

    @skill(tools=[pay, read_card])
    async def go(run: Run) -> str:
        return str(await run.call("pay", payee=(await run.call("read_card"))["iban"]))

    policy = POLICY.replace('@id("reversals") permit(principal, action == Action::"reverse", resource);', "")
    specs = {each.spec.name: each.spec for each in (pay, read_card)}
    rules = CedarPolicy(specs, ["go"], ["dev", "prod"], [PolicyFile("p.cedar", policy)])
    road = roads.build(tools=[pay, read_card], skills=[go], rules=rules)
    road.start("dana", "go")
    road.work()
    endorse(road, "amir", comment="checked GB29NWBK60161331926819 by phone")
    road.vote("amir")
    road.work()
    assert b"GB29NWBK60161331926819" not in road.stored_bytes()
