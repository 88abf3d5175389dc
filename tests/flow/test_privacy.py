"""No raw personal data in any stored byte (INVARIANT): canaries in everything that passes the road."""

import logging
from typing import Any

import pytest

from clearway import Found, Idempotency, InDoubt, Rejected, Retry, Run, Sensitive, ToolContext, TryLater, skill, tool
from clearway.model.errors import Invalid
from clearway.model.tool import NotFound
from tests.flow.desk import errand_skill
from tests.road import Road, Roads, allow, hold

CARD = "4111-CANARY-1111"
NAME = "Jane Canary Doe"
SECOND = "9999-CANARY-SECOND"


def assert_nowhere(road: Road, caplog: pytest.LogCaptureFixture, *canaries: str) -> None:
    """In no byte of the store, of what is exported, of what is shown, and of what was logged."""
    reading = road.app.reading()
    shown = repr(
        [
            reading.runs(),
            *(reading.run(r["run_id"]) for r in reading.runs()["items"]),
            *(reading.approval(a["approval_id"]) for a in reading.approvals(state="all")["items"]),
            reading.ledger(),
            reading.audit_export(),
        ]
    )
    everything = road.stored_bytes() + shown.encode() + caplog.text.encode()
    assert len(everything) > 10_000
    for canary in canaries:
        assert canary.encode() not in everything
        assert canary.lower().encode() not in everything.lower()


def test_canaries_in_every_part_of_a_call_are_stored_nowhere(roads: Roads, caplog: pytest.LogCaptureFixture) -> None:
    from typing import Annotated

    caplog.set_level(logging.DEBUG)

    @tool(
        impact="external",
        sensitive=["holder"],
        targets=lambda a: [f"card:{a['card']}"],
        summary="Charge {card} of {holder}",
        preview=lambda a: {"before": a["card"], "after": {a["card"]: a["holder"]}},
        idempotency=Idempotency(business_key=lambda a: f"{a['card']}/{a['note']}"),
    )
    async def charge(ctx: ToolContext, card: Annotated[str, Sensitive()], holder: str, note: str) -> dict[str, Any]:
        return {"card": card, "text": f"charged {card} of {holder}", "lines": [{"who": [holder], card: 1}]}

    @skill(tools=["charge"], sensitive=["card"])
    async def checkout(run: Run, card: str, holder: str) -> dict[str, Any]:
        done = await run.call(
            "charge", card=card, holder=holder, note=f"to {holder}", reason=f"{holder} wants {card} charged"
        )
        return {"said": f"{done['text']}", "card": card}

    road = roads.build(tools=[charge], skills=[checkout], policy={"charge": hold()})
    run_id = road.start("dana", "checkout", card=CARD, holder=NAME)
    road.work()
    approval = road.approvals_of(run_id)[0]
    assert approval.presented["arguments"]["card"].startswith("<CARD:")
    road.vote("amir", comment=f"{NAME} called, {CARD} is theirs")
    road.work()
    assert road.status(run_id) == "done"
    assert_nowhere(road, caplog, CARD, NAME)


@pytest.mark.parametrize(
    "error",
    [
        ValueError(CARD),
        KeyError(CARD),
        Rejected(CARD),
        InDoubt(CARD, CARD),
        TryLater(f"card.{CARD}", CARD),
        ExceptionGroup(CARD, [ValueError(CARD)]),
        Invalid(f"no such card {CARD}"),
        UnicodeDecodeError("utf-8", CARD.encode(), 0, 1, CARD),
    ],
)
def test_canaries_in_exceptions_of_tools_and_skills_are_stored_and_logged_nowhere(
    roads: Roads, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    caplog.set_level(logging.DEBUG)

    @tool(impact="external", sensitive=["card"], retry=Retry(attempts=1))
    async def charge(card: str) -> None:
        raise error

    @tool(impact="read", sensitive=["card"], retry=Retry(attempts=1))
    def check(card: str) -> None:
        raise error

    @skill(tools=["charge", "check"], sensitive=["card"])
    async def checkout(run: Run, card: str, fail_first: bool) -> None:
        await run.propose("check", card=card)
        if fail_first:
            raise error
        await run.call("charge", card=card)

    road = roads.build(tools=[charge, check], skills=[checkout], policy={"charge": allow(), "check": allow()})
    for fail_first in (True, False):
        road.run("checkout", card=CARD, fail_first=fail_first)
    assert_nowhere(road, caplog, CARD)


def test_canaries_in_what_is_refused_are_stored_nowhere(roads: Roads, caplog: pytest.LogCaptureFixture) -> None:
    @tool(impact="external", sensitive=["card"], targets="card:{card}")
    async def charge(card: str, amount_minor: int) -> None: ...

    @skill(tools=["charge"], sensitive=["card"])
    async def checkout(run: Run, card: str) -> None:
        await run.propose("charge", card=card, amount_minor="many", reason=card)
        await run.propose("charge", card=card, amount_minor=1, extra=card)
        await run.propose("charge", card=[card], amount_minor=1)
        await run.propose(f"charge {card}", card=card, amount_minor=1)
        await run.propose("charge", card=card, amount_minor=1, reason=card)

    road = roads.build(tools=[charge], skills=[checkout])
    road.run("checkout", card=CARD)
    assert_nowhere(road, caplog, CARD)


def test_what_a_result_revealed_is_hidden_in_later_passes_too(roads: Roads, caplog: pytest.LogCaptureFixture) -> None:
    @tool(impact="read", sensitive=["iban", "holder"])
    async def find_payer(account: str, iban: str = "", holder: str = "") -> dict[str, Any]:
        return {"iban": SECOND, "holder": {"name": NAME}}

    @tool(impact="external")
    async def notify(text: str) -> str:
        return text

    @skill(tools=["find_payer", "notify"])
    async def remind(run: Run) -> str:
        payer = await run.call("find_payer", account="1")
        await run.call("notify", text="first, to nobody in particular")
        return str(await run.call("notify", text=f"Dear {payer['holder']['name']}, {payer['iban']}", reason=f"{payer}"))

    road = roads.build(tools=[find_payer, notify], skills=[remind], policy={"find_payer": allow(), "notify": hold()})
    run_id = road.start("dana", "remind")
    for _ in range(2):
        road.work()
        road.vote("amir")
    road.work()
    assert road.status(run_id) == "done"
    assert_nowhere(road, caplog, SECOND, NAME)


def test_canaries_in_edits_are_stored_nowhere(roads: Roads, caplog: pytest.LogCaptureFixture) -> None:
    @tool(impact="external", sensitive=["card"], targets="card:{card}")
    async def charge(card: str, note: str = "") -> str:
        return f"{card} {note}"

    road = roads.build(tools=[charge], skills=[errand_skill("charge", sensitive=[])], policy={"charge": hold()})
    road.start("dana", "errand", plan=[["charge", {"card": CARD}]])
    road.work()
    road.as_user("amir").edit(
        road.pending_id(), {"card": SECOND, "note": f"not {CARD} but {SECOND}"}, comment=f"{SECOND} it is, not {CARD}"
    )
    road.work()
    road.vote("bo", comment=f"yes, {SECOND}")
    road.work()
    assert_nowhere(road, caplog, CARD, SECOND)


def test_canaries_in_what_a_lookup_finds_are_stored_nowhere(roads: Roads, caplog: pytest.LogCaptureFixture) -> None:
    def look_up(key: str, arguments: Any) -> Found | NotFound:
        return Found({"card": arguments["card"], "said": f"charged {arguments['card']}"}, f"ref/{arguments['card']}")

    @tool(impact="external", sensitive=["card"], idempotency=Idempotency(lookup=look_up))
    async def charge(card: str) -> None:
        raise TimeoutError(card)

    road = roads.build(tools=[charge], skills=[errand_skill("charge")], policy={"charge": allow()})
    assert road.run("errand", plan=[["charge", {"card": CARD}]])["status"] == "done"
    assert_nowhere(road, caplog, CARD)


def test_canaries_in_compensations_and_people_s_reasons_are_stored_nowhere(
    roads: Roads, caplog: pytest.LogCaptureFixture
) -> None:
    from clearway import Compensation

    @tool(
        impact="external",
        sensitive=["card"],
        compensate=Compensation("give_back", lambda a, r: {"to": a["card"], "text": f"back to {a['card']}"}),
    )
    async def charge(card: str) -> str:
        return card

    @tool(impact="external", sensitive=["to"])
    async def give_back(to: str, text: str) -> str:
        return text

    @skill(tools=["charge"], sensitive=["card"])
    async def checkout(run: Run, card: str) -> None:
        await run.call("charge", card=card)
        raise ValueError(card)

    road = roads.build(tools=[charge, give_back], skills=[checkout], policy={"charge": allow(), "give_back": allow()})
    record = road.run("checkout", card=CARD)
    assert record["failure"]["compensated"] == ["s1: done"]
    assert_nowhere(road, caplog, CARD)


def test_sensitive_values_in_keys_numbers_and_nested_places_are_tokens(
    roads: Roads, caplog: pytest.LogCaptureFixture
) -> None:
    @tool(impact="external", sensitive=["payers", "person.ssn", "account_number"])
    async def book(payers: dict[str, str], person: dict[str, str], account_number: int, note: str) -> dict[str, Any]:
        return {"payers": payers, "n": account_number, "note": note}

    road = roads.build(tools=[book], skills=[errand_skill("book")], policy={"book": hold()})
    plan = [
        [
            "book",
            {
                "payers": {CARD: NAME},
                "person": {"ssn": SECOND, "town": "Ulm"},
                "account_number": 550066007700,
                "note": f"{NAME} 550066007700 {SECOND}",
            },
        ]
    ]
    road.start("dana", "errand", plan=plan)
    road.work()
    presented = road.approvals_of(road.app.reading().runs()["items"][0]["run_id"])[0].presented
    assert presented["arguments"]["person"]["town"] == "Ulm"
    road.vote("amir")
    road.work()
    assert_nowhere(road, caplog, CARD, NAME, SECOND, "550066007700")
