"""Signing in at a real identity provider, and the fresh proof that deciding takes, in a real browser."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clearway.app import Clearway
from clearway.model.identity import Scope
from tests.browser.test_deciding import approval_of, ask
from tests.server.provider import SECRET, Provider, provider
from tests.server.site import FILES, Site, running, write_project

ACME = Scope("acme", "prod")
OIDC = """
[oidc]
issuer = "{issuer}"
client_id = "clearway"
tenant = "acme"
[oidc.users]
"sub-bo" = "bo"
[oidc.roles.prod]
"watchers" = ["viewer"]
"""


class Clock:
    """The store's: the real time, moved."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def idp() -> Iterator[Provider]:
    with provider() as made:
        made.person = {"sub": "sub-bo"}
        yield made


@pytest.fixture
def site(tmp_path: Path, idp: Provider, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("CLEARWAY_OIDC_SECRET", SECRET)
    toml = FILES["clearway.toml"] + OIDC.format(issuer=idp.url)
    folder = write_project(tmp_path / "project", **{"clearway.toml": toml})
    with Clearway.open(folder, now=clock) as app, running(app) as served:
        yield served


def visitor(person: Callable[..., Any], idp: Provider) -> Any:
    """Somebody who is not signed in, and may be sent to the provider."""
    found = person(None)
    found.may_visit = (found.url, idp.url)
    return found


def votes(site: Site, run: dict[str, Any]) -> list[Any]:
    return site.app.store.read(ACME, lambda tx: tx.approvals.votes(approval_of(run)))


def test_a_link_from_a_notice_leads_through_the_sign_in_to_the_approval(
    site: Site, person: Callable[..., Any], idp: Provider
) -> None:
    run = ask(site)
    bo = visitor(person, idp)
    page = bo.go(f"/inbox/{approval_of(run)}")
    assert page.url.endswith(f"/sign-in?next=/inbox/{approval_of(run)}")
    bo.shoot("sign-in-oidc")
    page.get_by_role("link", name="Sign in to prod").click()
    page.get_by_role("heading", name="Refund 240000 to account 9182").wait_for()
    assert page.locator(".who a").inner_text() == "bo"
    page.locator("#approve").click()
    page.locator("#said").get_by_text("Approved.").wait_for()
    assert [vote.authenticated_by for vote in votes(site, run)] == ["oidc:127.0.0.1"]
    assert site.ended(run["run_id"], final=True)["status"] == "done"


def test_whom_no_group_lets_in_is_told_so_on_a_page(site: Site, person: Callable[..., Any], idp: Provider) -> None:
    idp.person = {"sub": "sub-stranger", "groups": ["gardeners"]}
    stranger = visitor(person, idp)
    page = stranger.go("/sign-in")
    page.get_by_role("link", name="Sign in to prod").click()
    page.get_by_role("alert").get_by_text("None of your groups has a role here").wait_for()
    assert page.url.endswith("/sign-in?refused=no_role")
    assert stranger.go("/inbox").url.endswith("/sign-in?next=/inbox")
    page = stranger.go("/sign-in?refused=%3Cscript%3Ealert(1)%3C/script%3E&next=//evil.example")
    assert page.get_by_text("The sign-in did not succeed").is_visible()
    assert page.get_by_role("link", name="Sign in to prod").get_attribute("href").endswith("&next=/inbox")


def test_whoever_proved_it_too_long_ago_proves_it_again_before_deciding(
    site: Site, person: Callable[..., Any], idp: Provider, clock: Clock
) -> None:
    run = ask(site)
    clock.ahead_s = -600.0  # so that the sign-in is ten minutes old afterwards
    bo = visitor(person, idp)
    page = bo.go("/sign-in")
    page.get_by_role("link", name="Sign in to prod").click()
    page.wait_for_url("**/inbox")
    clock.ahead_s = 0.0
    page = bo.go(f"/inbox/{approval_of(run)}")
    assert page.get_by_text("Deciding takes a sign-in of the last five minutes").is_visible()
    assert page.locator("#approve").count() == 0
    bo.shoot("step-up")
    status = page.evaluate(
        """([url, digest]) => fetch(url, {method: "POST", headers: {"Content-Type": "application/json"},
            body: JSON.stringify({presented_digest: digest})}).then((answer) => answer.json())""",
        [f"/v1/approvals/{approval_of(run)}/approve", "sha256:" + "0" * 64],
    )
    assert status["code"] == "step_up"
    page.get_by_role("link", name="Prove who you are").click()
    page.wait_for_url(f"**/inbox/{approval_of(run)}")
    assert (idp.asked[-1]["prompt"], idp.asked[-1]["max_age"]) == ("login", "0")
    page.locator("#approve").click()
    page.locator("#said").get_by_text("Approved.").wait_for()
    assert len(votes(site, run)) == 1


def test_whose_proof_grows_old_while_they_read_is_led_to_prove_it_and_keeps_what_they_wrote(
    site: Site, person: Callable[..., Any], idp: Provider, clock: Clock
) -> None:
    clock.ahead_s = -400.0
    run = ask(site)
    bo = visitor(person, idp)
    page = bo.go(f"/inbox/{approval_of(run)}")
    page.get_by_role("link", name="Sign in to prod").click()
    page.wait_for_url(f"**/inbox/{approval_of(run)}")
    assert page.get_by_role("link", name="Prove who you are").is_hidden()
    page.locator("#approve-comment").fill("half an hour on the phone with them")
    clock.ahead_s = 0.0
    page.locator("#approve").click()
    page.locator("#wrong").get_by_text("sign-in of the last five minutes").wait_for()
    assert votes(site, run) == []
    bo.shoot("step-up-while-reading")
    page.get_by_role("link", name="Prove who you are").click()
    page.wait_for_url(f"**/inbox/{approval_of(run)}")
    assert page.locator("#approve-comment").input_value() == "half an hour on the phone with them"
    page.locator("#approve").click()
    page.locator("#said").get_by_text("Approved.").wait_for()
    assert [vote.comment for vote in votes(site, run)] == ["half an hour on the phone with them"]


def test_a_session_that_idled_out_leads_to_the_sign_in_and_back(
    site: Site, person: Callable[..., Any], idp: Provider, clock: Clock
) -> None:
    run = ask(site)
    bo = visitor(person, idp)
    page = bo.go(f"/inbox/{approval_of(run)}")
    page.get_by_role("link", name="Sign in to prod").click()
    page.wait_for_url(f"**/inbox/{approval_of(run)}")
    clock.ahead_s = 1_790.0 + 60.0  # the session idled; the approval has a little time left, or none
    page.locator("#approve").click()
    page.wait_for_url(f"**/sign-in?next=*{approval_of(run)}")
    assert votes(site, run) == []
