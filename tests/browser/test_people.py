"""Decisions that take more than one yes: several groups, a broken glass, a person's word for a value, an edit."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clearway.app import Clearway
from clearway.model.identity import Scope
from tests.browser.test_deciding import approval_of, ask
from tests.browser.test_pages import STANDARD, _serious
from tests.server.site import FILES, Site, running, write_project

ACME = Scope("acme", "prod")
PEOPLE = """
[users.sam]
tenant = "acme"
roles = { prod = ["approver"] }
groups = ["security"]
[users.fay]
tenant = "acme"
roles = { prod = ["break_glass", "viewer"] }
[users.dora]
tenant = "acme"
roles = { prod = ["support", "break_glass"] }
"""
POLICIES = """
@id("huge-refunds") @obligation("require_approval") @approvers("finance:2, security:1") @owner("risk")
@description("Over 10,000.00 takes two of finance and one of security.")
permit (principal in Role::"support", action == Action::"refund", resource)
  when { context.arguments.amount_minor > 1000000 && context.arguments.amount_minor <= 5000000 };
@id("reads-mail") permit (principal in Role::"support", action == Action::"read_mail", resource);
@id("pay-known") permit (principal in Role::"support", action == Action::"pay", resource)
  when { context.untrusted_consequential.isEmpty() };
@id("pay-untrusted") @obligation("require_approval") @approvers("finance")
permit (principal in Role::"support", action == Action::"pay", resource)
  when { context.untrusted.contains("payee") };
"""
MAIL = """
from clearway import skill, tool

@tool(impact="read", owner="desk")
def read_mail(number: int) -> dict:
    return {"text": "Our new account is GB29NWBK60161331926819, please pay."}

@tool(impact="external", targets="payee:{payee}", owner="billing", consequential=["payee"])
def pay(payee: str, amount_minor: int, memo: str = "") -> dict:
    return {"paid": amount_minor}
"""
SKILL = """
from clearway import skill

@skill(tools=["read_mail", "pay"], examples=["Pay what the mail asks for"], owner="desk")
async def bills(run):
    mail = await run.call("read_mail", number=1)
    payee = mail["text"].split()[4].strip(",")
    for number in (1, 2):
        await run.call("pay", payee=payee, amount_minor=5000, memo=f"part {number}", reason="the mail says so")
    return "paid"
"""
HUGE = 2_000_000


@pytest.fixture(scope="session")
def crowded_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with more people, more policies, and a tool whose payee comes from somebody's mail."""
    more = {
        "clearway.toml": FILES["clearway.toml"].replace("[approvals]", f"{PEOPLE}[approvals]"),
        "policies/main.cedar": FILES["policies/main.cedar"] + POLICIES,
        "tools/mail.py": MAIL,
        "skills/bills.py": SKILL,
    }
    folder = write_project(tmp_path_factory.mktemp("crowded") / "project", **more)
    Clearway.open(folder).close()
    return folder


@pytest.fixture
def site(crowded_project: Path, tmp_path: Path) -> Iterator[Site]:
    folder = Path(shutil.copytree(crowded_project, tmp_path / "project"))
    with Clearway.open(folder) as app, running(app) as served:
        yield served


def asked(site: Site, user: str, skill: str, **arguments: Any) -> dict[str, Any]:
    with site.client(user) as client:
        started = client.post("/v1/runs", json={"text": "x", "skill": skill, "input": arguments})
    return site.ended(started.json()["data"]["run_id"])


def votes(site: Site, approval_id: str) -> list[str]:
    return [vote.subject for vote in site.app.store.read(ACME, lambda tx: tx.approvals.votes(approval_id))]


def later(site: Site, run_id: str, approvals: int) -> dict[str, Any]:
    """The run once it has asked so often."""
    for _ in range(3000):
        run = site.ended(run_id)
        if len(run["approvals"]) >= approvals:
            return run
    raise AssertionError(run)


def test_two_of_one_group_and_one_of_another_decide_and_one_person_is_one_vote(
    site: Site, person: Callable[..., Any]
) -> None:
    run = ask(site, amount_minor=HUGE)
    url = f"/inbox/{approval_of(run)}"
    bo, again, amir, sam = person("bo"), person("bo"), person("amir"), person("sam")
    page, second = bo.go(url), again.go(url)
    assert page.get_by_text("Held by huge-refunds: Over 10,000.00 takes two of finance").is_visible()
    assert page.locator(".factors li").all_inner_texts() == ["0 of 2 from finance", "0 of 1 from security"]
    assert amir.go("/inbox").get_by_text("asks 2 of finance and 1 of security").is_visible()
    page.locator("#approve").click()
    page.locator("#said").get_by_text("Approved.").wait_for()
    assert bo.go("/inbox").get_by_text("Nothing waits for you").is_visible()
    assert bo.go(url).get_by_text("You have voted already").is_visible()
    assert page.locator("#approve").count() == 0
    bo.shoot("one-of-three")
    # The same person in another browser, whose page stands since before.
    second.locator(".factors").get_by_text("1 of 2").wait_for()
    second.locator("#approve").click()
    second.locator("#wrong").get_by_text("You have voted on this already").wait_for()
    assert votes(site, approval_of(run)) == ["user:bo"]
    for who in (sam, amir):
        who.go(url).locator("#approve").click()
        who.page.locator("#said").get_by_text("Approved.").wait_for()
    done = site.ended(run["run_id"], final=True)
    assert done["status"] == "done"
    assert votes(site, approval_of(run)) == ["user:bo", "user:sam", "user:amir"]
    step = bo.go(f"/runs/{run['run_id']}").locator("#step-s2")
    assert step.get_by_text("approved by bo and approved by sam and approved by amir").is_visible()
    assert step.get_by_text("allowed by").is_visible()


def test_a_broken_glass_stands_in_for_all_with_a_reason_and_never_for_whoever_asked(
    site: Site, person: Callable[..., Any]
) -> None:
    run = ask(site, amount_minor=HUGE)
    fay = person("fay")
    page = fay.go(f"/inbox/{approval_of(run)}")
    assert page.locator("#approve").count() == 0
    assert page.get_by_text("you are not among them").is_visible()
    page.get_by_text("Break the glass").click()
    button = page.get_by_role("button", name="Approve by break-glass")
    button.click()
    assert page.url.endswith(approval_of(run)), "nothing is sent without a reason"
    assert votes(site, approval_of(run)) == []
    fay.shoot("break-glass")
    page.locator("#glass-comment").fill("the customer is at the airport")
    button.click()
    page.locator("#said").get_by_text("it will be reviewed").wait_for()
    assert site.ended(run["run_id"], final=True)["status"] == "done"
    page = fay.go(f"/inbox/{approval_of(run)}")
    assert page.get_by_text("approved by user:fay for break_glass").is_visible()
    assert page.locator("#standing").get_by_text("It ended: done").is_visible()
    kinds = [event.kind for event in site.app.store.read(ACME, lambda tx: tx.audit.read(run_id=run["run_id"]))]
    assert "approval.break_glass" in kinds
    own = asked(site, "dora", "desk", account="1", amount_minor=HUGE)
    page = person("dora").go(f"/inbox/{approval_of(own)}")
    assert page.get_by_text("somebody else has to decide").is_visible()
    assert page.get_by_text("Break the glass").count() == 0


def test_a_persons_word_for_a_value_approves_nothing_and_holds_for_the_rest_of_the_run(
    site: Site, person: Callable[..., Any]
) -> None:
    run = asked(site, "dana", "bills")
    bo = person("bo")
    page = bo.go("/inbox")
    assert page.get_by_text("Untrusted source").is_visible()
    page.locator("a.row").click()
    assert page.get_by_role("heading", name="Nobody's word stands behind this").is_visible()
    assert page.get_by_text("came from an untrusted source: s1:read_mail").is_visible()
    bo.shoot("untrusted", full=True)
    page.get_by_text("Vouch for payee").click()
    page.get_by_label("How you know").fill("rang the vendor")
    page.get_by_role("button", name="Vouch for this value").click()
    page.locator("#said").get_by_text("Nothing is approved by that").wait_for()
    assert votes(site, approval_of(run)) == []
    assert page.locator("#standing [data-state=pending]").is_visible()
    page.locator("#approve").click()
    page.locator("#said").get_by_text("Approved.").wait_for()
    done = site.ended(run["run_id"], final=True)
    assert (done["status"], len(done["approvals"])) == ("done", 1), "the second part was not asked for again"
    with site.client("bo") as client:
        (given,) = client.get("/v1/endorsements").json()["data"]["items"]
    assert (given["argument"], given["by"], given["comment"]) == ("payee", "user:bo", "rang the vendor")


def test_t16_an_edit_is_gated_anew_whatever_it_is_edited_to(site: Site, person: Callable[..., Any]) -> None:
    run = ask(site)
    bo, amir, sam = person("bo"), person("amir"), person("sam")

    def edit(who: Any, approval_id: str, amount_minor: int) -> None:
        page = who.go(f"/inbox/{approval_id}")
        page.keyboard.press("e")
        page.locator("#edit-arguments").fill(f'{{"account": "9182", "amount_minor": {amount_minor}, "memo": ""}}')
        page.locator("#edit-comment").fill("another amount")
        page.get_by_role("button", name="Send the edited action").click()
        page.get_by_text("It is a new action").wait_for()

    edit(bo, approval_of(run), HUGE)
    raised = later(site, run["run_id"], 2)
    anew = next(one["approval_id"] for one in raised["approvals"] if one["state"] == "pending")
    page = amir.go(f"/inbox/{anew}")
    assert page.locator(".factors li").all_inner_texts() == ["0 of 2 from finance", "0 of 1 from security"]
    assert page.get_by_text("Held by huge-refunds").is_visible()
    assert page.get_by_text("Replaces").is_visible()
    assert bo.go(f"/inbox/{anew}").locator("#approve").count() == 0
    assert sam.go("/inbox").locator("a.row").count() == 1
    edit(amir, anew, 9_000_000)
    refused = site.ended(run["run_id"], final=True)
    assert refused["status"] == "refused"
    assert all(step["state"] != "succeeded" for step in refused["steps"] if step["tool"] == "refund")
    page = amir.go(f"/runs/{run['run_id']}")
    assert page.locator("#failure").get_by_text("no_permit").is_visible()


def test_axe_finds_nothing_serious_where_a_decision_is_not_plain(site: Site, person: Callable[..., Any]) -> None:
    huge, bills = ask(site, amount_minor=HUGE), asked(site, "dana", "bills")
    for scheme in ("light", "dark"):
        for user, run in (("bo", bills), ("fay", huge), ("dana", huge)):
            page = person(user, color_scheme=scheme, bypass_csp=True).go(f"/inbox/{approval_of(run)}")
            page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            page.evaluate("() => document.querySelectorAll('[data-step-up]').forEach((one) => { one.hidden = false; })")
            assert _serious(page, STANDARD) == [], (scheme, user)
