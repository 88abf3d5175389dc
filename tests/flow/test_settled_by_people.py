"""What a person's word on an effect in doubt leaves behind: who, when, why and the result, without what is private."""

from typing import Any

import pytest

from clearway import InDoubt, Run, ToolContext, skill, tool
from clearway.model.errors import Conflict, Erased
from clearway.project.privacy import PrivacyRules, PrivacySettings
from tests.road import PEOPLE, Json, Road, Roads, allow, user

NAME, MAIL, SEAT = "Zuleika Quillfeather", "zq@corp.example.org", "27b-window"
STAFF = (*PEOPLE, user("petra", roles=("support", "privacy_officer")))
RIGHTS = PrivacySettings(PrivacyRules(reveal={"privacy_officer": ("*",)}))


def in_doubt(roads: Roads) -> tuple[Road, str, str]:
    """(road, run, key) of a booking that nobody has an answer of."""

    @tool(impact="external", subject="customer", sensitive=["seat"])
    async def book(ctx: ToolContext, customer: str, seat: str = "") -> Json:
        raise InDoubt("no_answer")

    @skill(tools=["book"], subject="customer")
    async def trip(run: Run, customer: str) -> Any:
        return await run.call("book", customer=customer)

    road = roads.build(tools=[book], skills=[trip], policy={"book": allow()}, people=STAFF, privacy=RIGHTS)
    run_id = road.start("dana", "trip", customer="cus_9")
    road.work()
    assert road.status(run_id) == "unknown"
    return road, run_id, road.step(run_id).key


def test_the_row_shows_who_settled_it_when_why_and_the_result_with_tokens(roads: Roads) -> None:
    road, run_id, key = in_doubt(roads)
    result = {"seat": SEAT, "mail": MAIL, "nights": 2}
    settled = road.as_user("olga").resolve(key, happened=True, reason=f"{MAIL} has it in writing", result=result)
    road.work()
    assert road.status(run_id) == "done"
    assert road.as_user("dana").result(run_id) == result, "the skill goes on with the real one"
    for shown in (settled, road.as_user("olga").ledger_entry(key), road.record(run_id)["steps"][0]):
        assert shown["result"]["nights"] == 2
        assert shown["result"]["mail"].startswith("<EMAIL:")
        assert shown["result"]["seat"].startswith("<"), "declared sensitive"
        assert shown["message"].endswith("> has it in writing")
        assert (shown["resolved_by"], shown["code"]) == ("user:olga", "resolved")
        assert shown["resolved_at"] is not None
        assert all(value not in str(shown) for value in (MAIL, SEAT))
    assert all(value.encode() not in road.stored_bytes() for value in (MAIL, SEAT))


def test_what_somebody_told_of_a_person_goes_with_that_person(roads: Roads) -> None:
    road, run_id, key = in_doubt(roads)
    road.as_user("olga").resolve(key, happened=True, reason=f"asked {MAIL}", result={"seat": SEAT, "mail": MAIL})
    road.work()
    petra, shown = road.as_user("petra"), road.step(run_id)
    mail = shown.shown_result["mail"]
    assert petra.reveal(mail, "she asks")["value"] == MAIL
    assert mail in (shown.detail or {})["message"], "the same person in the reason"
    petra.erase("cus_9", "she asked")
    with pytest.raises(Erased):
        petra.reveal(mail, "she asks")


def test_the_word_that_it_did_not_happen_says_who_and_why_until_it_is_sent_again(roads: Roads) -> None:
    road, run_id, key = in_doubt(roads)
    row = road.as_user("olga").resolve(key, happened=False, reason="not in the console")
    assert (row["resolved_by"], row["message"], row["result"]) == ("user:olga", "not in the console", None)
    road.work()
    again = road.record(run_id)["steps"][0]
    assert (again["state"], again["code"]) == ("unknown", "no_answer")
    assert again["message"] != "not in the console"


def test_a_row_that_is_settled_says_by_whom_and_that_nothing_was_changed(roads: Roads) -> None:
    road, run_id, key = in_doubt(roads)
    road.as_user("olga").resolve(key, happened=True, reason="seen", result=1)
    road.work()
    before = road.step(run_id)
    with pytest.raises(
        Conflict, match=r"it is succeeded: user:olga settled it at .*\. Nothing was changed\."
    ) as refused:
        road.as_user("olga").resolve(key, happened=False, reason="not seen")
    assert refused.value.code == "not_unknown"
    assert road.step(run_id) == before
