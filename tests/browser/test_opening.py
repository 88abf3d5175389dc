"""Opening the value behind a token in a real browser: asked for where it stands, and gone with the page."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from clearway.app import Clearway
from tests.browser.conftest import Person
from tests.browser.test_deciding import approval_of, ask
from tests.server.site import FILES, Site, running

MAIL = "jane.q@example.com"


@pytest.fixture
def site(prepared_project: Path, tmp_path: Path) -> Iterator[Site]:
    """As elsewhere, and people in finance open e-mail addresses."""
    folder = Path(shutil.copytree(prepared_project, tmp_path / "project"))
    (folder / "clearway.toml").write_text(FILES["clearway.toml"] + '[privacy.reveal]\nfinance = ["EMAIL"]\n')
    with Clearway.open(folder) as app, running(app) as served:
        yield served


def opened_by(page: Any, reason: str) -> Any:
    """Opens the first token with the keyboard alone; where its value then stands."""
    button = page.locator("[data-open-token]:visible").first
    button.focus()
    page.keyboard.press("Enter")
    page.locator("#open-token[open]").wait_for()
    page.keyboard.type(reason)
    page.keyboard.press("Control+Enter")
    value = page.locator(".opened-at:visible")
    value.wait_for()
    return value


def test_an_approver_opens_a_token_with_the_keyboard_and_a_reload_is_without_it(
    site: Site, person: Callable[..., Any]
) -> None:
    run = ask(site, memo=f"write to {MAIL}")
    key = next(step["key"] for step in run["steps"] if step["tool"] == "refund")
    bo: Person = person("bo")
    for path in (f"/inbox/{approval_of(run)}", f"/runs/{run['run_id']}", f"/ledger/{key}"):
        page = bo.go(path)
        for folded in page.locator("details:has([data-open-token])").all():
            folded.evaluate("one => one.open = true")
        assert MAIL not in page.content()
        value = opened_by(page, "it bounced: a complaint")
        assert value.inner_text() == MAIL
        assert page.locator("#said").inner_text() == "The value is shown at its token."
        assert page.evaluate("document.activeElement.textContent") == "hide"
        if path.startswith("/inbox"):
            bo.shoot("approval-opened", full=True)
        assert not [
            each for each in Axe().run(page).response["violations"] if each["impact"] in ("serious", "critical")
        ]
        assert MAIL not in page.url
        assert page.url == bo.url + path
        page.keyboard.press("Enter")
        assert page.locator(".opened-at").count() == 0
        opened_by(page, "again")
        page.reload()
        assert MAIL not in page.content()
        page.go_back()
        page.go_forward()
        assert MAIL not in page.content()
    assert page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])").count(MAIL) == 0


def test_the_dialog_says_why_not_and_esc_leaves_it(site: Site, person: Callable[..., Any]) -> None:
    run = ask(site, memo=f"write to {MAIL}")
    bo: Person = person("bo")
    page = bo.go(f"/inbox/{approval_of(run)}")
    page.locator("[data-open-token]").first.click()
    axe = Axe().run(page).response["violations"]
    assert not [each for each in axe if each["impact"] in ("serious", "critical")]
    bo.shoot("approval-opening")
    page.keyboard.press("Escape")
    assert page.locator("#open-token[open]").count() == 0
    page.locator("[data-open-token]").first.click()
    page.locator("#open-token-reason").fill("x")
    scope = site.app.scope(None, "prod", "user:bo")
    site.app.store.write(scope, lambda tx: tx.sessions.end_of("user:bo", tx.now))
    page.get_by_role("button", name="Open it").click()
    page.wait_for_url("**/sign-in**")


@pytest.mark.parametrize("leave", ["Cancel", "Escape"])
def test_a_reason_that_was_typed_does_not_wait_for_the_next_token(
    site: Site, person: Callable[..., Any], leave: str
) -> None:
    run = ask(site, memo=f"write to {MAIL}")
    page = person("bo").go(f"/inbox/{approval_of(run)}")
    page.locator("[data-open-token]").first.click()
    page.locator("#open-token-reason").fill("a reason for another one")
    if leave == "Cancel":
        page.locator("[data-open-cancel]").click()
    else:
        page.keyboard.press("Escape")
    page.locator("#open-token[open]").wait_for(state="detached")
    page.locator("[data-open-token]").first.click()
    assert page.locator("#open-token-reason").input_value() == ""


def test_whoever_may_not_open_it_sees_a_token_and_no_button(site: Site, person: Callable[..., Any]) -> None:
    run = ask(site, memo=f"write to {MAIL}")
    page = person("vera").go(f"/inbox/{approval_of(run)}")
    assert page.get_by_text("<EMAIL:1").first.is_visible()
    assert page.locator("[data-open-token], #open-token").count() == 0


def test_an_opening_waits_for_a_fresh_proof(site: Site, person: Callable[..., Any]) -> None:
    run = ask(site, memo=f"write to {MAIL}")
    bo: Person = person(None)
    name, _, value = site.session("bo", proven_at=1.0).partition("=")
    cookie = {"name": name, "value": value, "domain": "127.0.0.1", "path": "/"}
    bo.context.add_cookies([{**cookie, "secure": True, "sameSite": "Lax"}])
    page = bo.go(f"/runs/{run['run_id']}")
    page.locator("details:has([data-open-token])").first.evaluate("one => one.open = true")
    page.locator("[data-open-token]:visible").first.click()
    assert page.locator("#open-token").get_by_text("takes a sign-in of the last five minutes").is_visible()
    page.locator("#open-token-reason").fill("x")
    page.get_by_role("button", name="Open it").click()
    page.locator("[data-open-wrong]").get_by_text("sign-in of the last five minutes").wait_for()
    assert page.locator(".opened-at").count() == 0
