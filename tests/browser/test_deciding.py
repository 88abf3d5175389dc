"""The way of an approval through the console, by several people, in a real browser."""

from collections.abc import Callable
from typing import Any

from clearway.model.identity import Scope
from tests.server.site import LARGE, Site

ACME = Scope("acme", "prod")


def ask(site: Site, **changes: Any) -> dict[str, Any]:
    """A run that waits for finance."""
    body = {**LARGE, "input": {**LARGE["input"], **changes}}
    with site.client("dana") as client:
        run_id = client.post("/v1/runs", json=body).json()["data"]["run_id"]
    return site.ended(run_id)


def approval_of(run: dict[str, Any]) -> str:
    return str(run["approvals"][-1]["approval_id"])


def test_one_asks_and_another_finds_it_in_the_inbox_and_approves(site: Site, person: Callable[..., Any]) -> None:
    run = ask(site, memo="order 77")
    asker, bo = person("dana"), person("bo")
    assert asker.go("/inbox").get_by_text("Nothing waits for you").is_visible()
    asker.go(f"/inbox/{approval_of(run)}")
    assert asker.page.get_by_text("somebody else has to decide").is_visible()
    assert asker.page.locator("#approve").count() == 0
    page = bo.go("/inbox")
    bo.shoot("inbox-one")
    page.locator("a.row").click()
    for said in ("Refund 240000 to account 9182", "account:9182", "large-refunds", "user:dana", "order 77"):
        assert page.get_by_text(said).first.is_visible(), said
    bo.shoot("approval", full=True)
    changed = page.locator("table.change tr.changed")
    assert [text.split() for text in changed.all_inner_texts()] == [["balance_minor", "changes", "10500", "250500"]]
    page.locator("#approve-comment").fill("checked with the customer")
    page.locator("#approve").click()
    page.get_by_text("Approved.").wait_for()
    assert page.url.endswith("/inbox")
    assert page.get_by_text("Nothing waits for you").is_visible()
    done = site.ended(run["run_id"], final=True)
    assert done["status"] == "done"
    assert done["approvals"][0]["votes"][0]["comment"] == "checked with the customer"
    page = asker.go(f"/runs/{run['run_id']}")
    assert page.locator("h1 .state-done").is_visible()
    asker.shoot("run", full=True)


def test_a_rejection_needs_a_reason_and_ends_it(site: Site, person: Callable[..., Any]) -> None:
    run = ask(site)
    bo = person("bo")
    page = bo.go(f"/inbox/{approval_of(run)}")
    page.locator("#reject").click()
    assert page.url.endswith(approval_of(run)), "nothing is sent without a reason"
    page.locator("#reject-comment").fill("not this customer")
    page.locator("#reject").click()
    page.get_by_text("Rejected.").wait_for()
    assert site.ended(run["run_id"], final=True)["status"] == "refused"
    page = bo.go(f"/runs/{run['run_id']}")
    assert page.locator("#failure").get_by_text("Owner of the fix").is_visible()
    assert page.get_by_text("rejected by user:bo: “not this customer”").is_visible()
    bo.shoot("run-refused", full=True)


def test_an_edit_is_a_new_action_which_its_editor_cannot_approve(site: Site, person: Callable[..., Any]) -> None:
    run = ask(site)
    bo, amir = person("bo"), person("amir")
    page = bo.go(f"/inbox/{approval_of(run)}")
    page.keyboard.press("e")
    box = page.locator("#edit-arguments")
    box.fill("no json")
    page.locator("#edit-comment").fill("too much")
    page.get_by_role("button", name="Send the edited action").click()
    page.get_by_text("This is no JSON").wait_for()
    box.fill('{"account": "9182", "amount_minor": 100000, "memo": ""}')
    page.get_by_role("button", name="Send the edited action").click()
    page.get_by_text("It is a new action").wait_for()
    for _ in range(1500):
        again = site.ended(run["run_id"])
        if len(again["approvals"]) == 2:
            break
        page.wait_for_timeout(20)
    anew = next(one["approval_id"] for one in again["approvals"] if one["state"] == "pending")
    assert bo.go(f"/inbox/{anew}").get_by_text("You asked for this, or edited it").is_visible()
    page = amir.go(f"/inbox/{anew}")
    assert page.get_by_role("heading", level=1).inner_text() == "Refund 100000 to account 9182"
    page.locator("#approve").click()
    page.get_by_text("Approved.").wait_for()
    assert site.ended(run["run_id"], final=True)["status"] == "done"


def test_of_two_who_click_at_once_one_decides_and_the_other_is_told(site: Site, person: Callable[..., Any]) -> None:
    run = ask(site)
    bo, amir = person("bo"), person("amir")
    for one in (bo, amir):
        # Without news, as if both had clicked in the same moment.
        one.context.route("**/v1/events*", lambda route: route.abort())
        one.go(f"/inbox/{approval_of(run)}")
    bo.page.locator("#approve").click()
    bo.page.get_by_text("Approved.").wait_for()
    amir.page.locator("#reject-comment").fill("no")
    amir.page.locator("#reject").click()
    amir.page.locator("#wrong").get_by_text("already").wait_for()
    amir.shoot("told-too-late")
    done = site.ended(run["run_id"], final=True)
    assert done["status"] == "done"
    assert [step["attempts"] for step in done["steps"] if step["tool"] == "refund"] == [1]
    assert len(done["approvals"][0]["votes"]) == 1


def test_whoever_looks_on_sees_that_it_was_decided_and_new_ones_come_by_themselves(
    site: Site, person: Callable[..., Any]
) -> None:
    run = ask(site)
    bo, amir = person("bo"), person("amir")
    watched = bo.go(f"/inbox/{approval_of(run)}")
    listed = amir.go("/inbox")
    for page in (watched, listed):
        page.locator("body.live").wait_for()
    watched.locator("#reject-comment").fill("half a sentence")
    digest = run["approvals"][0]
    with site.client("amir") as client:
        shown = client.get(f"/v1/approvals/{digest['approval_id']}").json()["data"]["presented_digest"]
        client.post(f"/v1/approvals/{digest['approval_id']}/approve", json={"presented_digest": shown})
    watched.locator("#standing [data-state=over]").wait_for()
    assert watched.locator("#approve").is_disabled()
    assert watched.locator("#reject-comment").input_value() == "half a sentence"
    assert listed.title() == "Inbox · Clearway"
    ask(site, amount_minor=999900)
    listed.get_by_text("Refund 999900").wait_for()
    listed.wait_for_function("() => document.title === '(1) Inbox · Clearway'")


def test_the_keyboard_is_enough(site: Site, person: Callable[..., Any]) -> None:
    runs = [ask(site, amount_minor=amount) for amount in (100100, 100200)]
    bo = person("bo")
    page = bo.go("/account")
    keys = page.keyboard
    keys.press("g")
    keys.press("i")
    page.wait_for_url("**/inbox")
    keys.press("?")
    assert page.get_by_role("heading", name="Keyboard").is_visible()
    bo.shoot("keyboard-help")
    keys.press("Escape")
    keys.press("j")
    keys.press("j")
    keys.press("k")
    keys.press("Enter")
    page.get_by_role("heading", name="Refund 100100").wait_for()
    page.wait_for_load_state()  # its script listens to keys from then on
    keys.press("a")
    keys.press("Enter")
    page.get_by_role("heading", name="Refund 100200").wait_for()
    page.wait_for_load_state()
    keys.press("r")
    keys.type("not this one")
    keys.press("Control+Enter")
    page.get_by_text("Nothing waits for you").wait_for()
    assert [site.ended(run["run_id"], final=True)["status"] for run in runs] == ["done", "refused"]


def test_several_are_approved_together_each_by_its_own_digest(site: Site, person: Callable[..., Any]) -> None:
    runs = [ask(site, amount_minor=amount, account=str(amount)) for amount in (6000, 7000, 8000)]
    alone = ask(site, amount_minor=9000, memo="pay \u202e0005")
    bo, amir = person("bo"), person("amir")
    bo.go("/inbox").get_by_role("link", name="refund", exact=True).click()
    page = bo.page
    page.wait_for_url("**/inbox/batch?tool=refund")
    assert page.get_by_text("1 more are looked at by themselves").is_visible()
    assert page.locator("#approve").is_disabled()
    rows = page.locator(".batch-row")
    assert rows.count() == 3
    for run, row in zip(runs, rows.all(), strict=True):
        shown = site.app.store.read(ACME, lambda tx, one=run: tx.approvals.get(approval_of(one)))
        assert shown.presented_digest in row.inner_text()
    for row in (rows.nth(0), rows.nth(2)):
        row.locator("input").check()
    assert page.locator("[data-total=amount_minor]").inner_text() == "14000"
    bo.shoot("several", full=True)
    other = amir.go(f"/inbox/{approval_of(runs[2])}")
    other.locator("#reject-comment").fill("not this one")
    other.locator("#reject").click()
    other.locator("#said").get_by_text("Rejected.").wait_for()
    page.locator("#approve").click()
    page.get_by_text("1 approved, 1 not.").wait_for()
    assert "rejected already" in rows.nth(2).locator("[data-outcome]").inner_text()
    ends = [site.ended(run["run_id"], final=number != 1)["status"] for number, run in enumerate(runs)]
    assert ends == ["done", "waiting", "refused"]
    assert site.ended(alone["run_id"])["status"] == "waiting"
