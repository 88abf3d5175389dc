"""Fields that keep their form where they are shown: handed back, resolved, opened by right, erased, found again."""

from typing import Annotated, Any

import pytest
from pydantic import Field

from clearway import ConfigError, Run, skill, tool
from clearway.model.errors import Erased, NotFound
from clearway.rules.find.checks import luhn
from tests.flow.desk import AnyTool, errand_skill
from tests.flow.test_privacy_vault import CARD, RIGHTS, STAFF, opened
from tests.road import Json, Road, Roads, allow, hold

DASHED = CARD.replace(" ", "-")
Card = Annotated[str, Field(pattern=r"^\d{4}-\d{4}-\d{4}-\d{4}$")]


def tools(remote: Any) -> list[AnyTool]:
    @tool(impact="read", subject="customer_id", sensitive_results=["card_number"], format_keeping=["card_number"])
    async def customer(customer_id: str) -> Json:
        return {"card_number": DASHED, "name": "Jane Quillfeather"}

    @tool(impact="external", format_keeping=["card_number", "account"])
    async def charge(card_number: Card, account: int = 0) -> Json:
        remote.calls.append(("charge", (card_number, account)))
        return {"charged": card_number}

    @tool(impact="external", sensitive=["pan"])
    async def refund(pan: str) -> Json:
        remote.calls.append(("refund", pan))
        return {}

    return [customer, charge, refund]


def build(roads: Roads, *skills: Any) -> Road:
    return roads.build(
        tools=tools(roads.remote),
        skills=[errand_skill("customer", "charge", "refund"), *skills],
        policy={"customer": allow(), "charge": allow(), "refund": allow()},
        people=STAFF,
        privacy=RIGHTS,
    )


def run(road: Road, *calls: list[Any], by: str = "dana") -> tuple[str, list[str]]:
    run_id = road.start(by, "errand", plan=list(calls))
    road.work()
    return run_id, road.as_user(by).result(run_id)


def shown_card(road: Road) -> str:
    run_id, _ = run(road, ["customer", {"customer_id": "cus_1"}])
    shown: Json = road.step(run_id).shown_result or {}
    return str(shown["card_number"])


def test_what_is_shown_has_the_form_fails_its_checksum_and_is_the_same_wherever_it_is_met(roads: Roads) -> None:
    road = build(roads)
    shown = shown_card(road)
    assert len(shown) == len(DASHED)
    assert shown != DASHED
    assert not luhn(shown.replace("-", ""))
    run_id, endings = run(road, ["charge", {"card_number": DASHED, "account": 12345678901}])
    assert endings == ["done"]
    arguments = road.step(run_id).shown_arguments or {}
    assert arguments["card_number"] == shown
    assert isinstance(arguments["account"], int)
    assert (road.step(run_id).shown_result or {})["charged"] != DASHED
    assert road.remote.calls[-1] == ("charge", (DASHED, 12345678901))
    assert DASHED.encode() not in road.stored_bytes()
    assert b"12345678901" not in road.stored_bytes()


def test_a_model_that_hands_one_back_reaches_the_tool_with_the_real_value_in_the_same_writing(roads: Roads) -> None:
    seen: Json = {}

    @skill(tools=["customer", "charge", "refund"])
    async def as_a_model_would(run: Run) -> None:
        """It has seen stand-ins only, and hands them back; also to a tool that keeps no form."""
        await run.call("customer", customer_id="cus_1")
        await run.call("charge", card_number=seen["card"])
        await run.call("refund", pan=seen["card"])

    road = build(roads, as_a_model_would)
    seen["card"] = shown_card(road)
    run_id = road.start("dana", "as_a_model_would")
    road.work()
    assert road.status(run_id) == "done"
    assert road.remote.calls[-2:] == [("charge", (DASHED, 0)), ("refund", DASHED)]
    assert not opened(road), "the run's own need nobody's right"


def test_one_of_another_run_is_opened_by_right_alone_and_recorded(roads: Roads) -> None:
    road = build(roads)
    shown = shown_card(road)
    assert run(road, ["charge", {"card_number": shown}])[1] == ["token_denied"]
    assert run(road, ["charge", {"card_number": shown}], by="petra")[1] == ["done"]
    assert road.remote.calls == [("charge", (DASHED, 0))]
    (event,) = opened(road)
    assert (event["token"], event["type"], event["for"]) == (shown, "CARD", "charge")


def test_one_that_stands_for_nothing_here_refuses_the_call(roads: Roads) -> None:
    road = build(roads)
    own = shown_card(road)
    made = road.app.vaults.redaction.masker(road.app.scope("rival", "dev"))
    from clearway.rules.shapes import Shapes

    theirs = made.mask({"card_number": DASHED}, ["card_number"], Shapes(frozenset(["card_number"])))["card_number"]
    assert theirs != own
    # Another tenant's is a number as any other: tokenized, and no value of ours is behind it.
    _, endings = run(road, ["charge", {"card_number": theirs}], by="petra")
    assert endings == ["done"]
    assert road.remote.calls == [("charge", (theirs, 0))]
    masker = road.app.vaults.redaction.masker(road.app.scope("acme", "dev"))
    unmet = masker.mask({"card_number": "4929-6812-3459-8818"}, ["card_number"], Shapes(frozenset(["card_number"])))[
        "card_number"
    ]
    assert run(road, ["charge", {"card_number": unmet}], by="petra")[1] == ["token_unknown"]


def test_an_approval_shows_it_and_what_runs_is_what_was_approved(roads: Roads) -> None:
    road = build(roads)
    road.rules.set("charge", hold())
    run_id = road.start("dana", "errand", plan=[["charge", {"card_number": DASHED}]])
    road.work()
    (approval,) = road.as_user("amir").approvals()["items"]
    page = road.as_user("amir").approval(approval["approval_id"])
    assert DASHED not in str(page)
    assert "<CARD" not in str(page["presented"]["arguments"]["card_number"])
    road.vote("amir")
    road.work()
    assert road.status(run_id) == "done"
    assert road.remote.calls == [("charge", (DASHED, 0))]


def test_it_is_revealed_by_right_and_gone_with_an_erasure(roads: Roads) -> None:
    road = build(roads)
    shown = shown_card(road)
    petra = road.as_user("petra")
    assert petra.reveal(shown, "a call")["value"] == DASHED.replace("-", "")
    assert petra.erase("cus_1", "asked")["erased"]
    with pytest.raises((Erased, NotFound)):
        petra.reveal(shown, "again")
    assert run(road, ["charge", {"card_number": shown}], by="petra")[1] == ["erased"]


def test_a_rotation_of_the_token_key_leaves_the_old_ones_known(roads: Roads) -> None:
    road = build(roads)
    shown = shown_card(road)
    road.as_user("sysop").rotate_keys("token")
    assert shown_card(road) != shown
    assert run(road, ["charge", {"card_number": shown}], by="petra")[1] == ["done"]
    assert road.remote.calls[-1] == ("charge", (DASHED, 0))


def test_a_stand_in_that_two_values_have_is_never_opened(roads: Roads, monkeypatch: pytest.MonkeyPatch) -> None:
    from clearway.rules.stand_ins import StandIns

    number: Any = vars(StandIns)["_number"]

    def few(self: StandIns, text: str) -> int:
        return number(self, text[:3])  # the attempt and the type's first letter

    monkeypatch.setattr(StandIns, "_number", few)
    road = build(roads)
    shown = shown_card(road)
    assert run(road, ["charge", {"card_number": "4929-6812-3459-8818"}])[1] == ["done"]
    assert run(road, ["charge", {"card_number": shown}], by="petra")[1] == ["token_unknown"]
    with pytest.raises(NotFound):
        road.as_user("petra").reveal(shown, "which?")


def test_a_declaration_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(ConfigError, match="no room"):

        @tool(impact="read", format_keeping=["digit"])
        def f(digit: Annotated[int, Field(ge=0, le=9)]) -> None: ...

    with pytest.raises(ConfigError, match="not a parameter"):

        @tool(impact="read", format_keeping=["nothing"])
        def g(digit: str) -> None: ...
