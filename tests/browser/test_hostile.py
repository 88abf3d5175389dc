"""Text that attacks whoever reads it: in every field, on every page, in a real browser (threats 6 to 10, 24, 44)."""

from collections.abc import Callable
from typing import Any

import pytest

from clearway.model.approval import ApprovalState
from clearway.model.identity import Scope
from tests.browser.test_deciding import approval_of, ask
from tests.server.ask import routes
from tests.server.site import Site

CORPUS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "'><svg onload=alert(3)>",
    "</textarea></pre></title><script>alert(4)</script>",
    "javascript:alert(5)",
    "[click](javascript:alert(6)) <https://evil.example>",
    "{{ 7*7 }} {% raw %} ${alert(7)} #{alert(8)}",
    "<a href=javascript:alert(9)>here</a><iframe srcdoc='<script>alert(10)</script>'>",
    "<div hx-get=/account hx-trigger=load hx-on:load=alert(11)>",
    "<details data-must-read open><form data-send=/v1/switches/engage>",
    "\x1b]8;;https://evil.example\x07link\x1b[2J",
    "&lt;script&gt;alert(12)&lt;/script&gt; &#x202e;",
)

ATTACK = " ".join(CORPUS)
ACME = Scope("acme", "prod")


def _everything(site: Site) -> dict[str, str]:
    """The corpus in every field that somebody can write; ids for the routes."""
    with site.client("dana", x_request_id="<b>x</b>", x_correlation_id="<script>alert(20)</script>") as client:
        large = {"account": ATTACK, "amount_minor": 240000, "memo": ATTACK}
        asked = {"text": ATTACK, "skill": "desk", "input": large}
        headers = {"idempotency-key": "<script>alert(21)</script>"}
        run = site.ended(client.post("/v1/runs", json=asked, headers=headers).json()["data"]["run_id"])
        doubt = client.post("/v1/runs", json={"text": ATTACK, "skill": "notice", "input": {"board": "silent"}}).json()
        refused = client.post("/v1/runs", json={"text": "x", "skill": "notice", "input": {"board": ATTACK}}).json()
    site.ended(refused["data"]["run_id"], final=True)
    key = site.ended(doubt["data"]["run_id"])["steps"][0]["key"]
    rejected = ask(site, memo=ATTACK, account=ATTACK)
    with site.client("amir") as client:
        client.post("/v1/switches/engage", json={"kind": "tool", "id": "read_account", "reason": ATTACK})
        grant = {"tool": "refund", "targets": [f"account:{text}" for text in CORPUS], "reason": ATTACK}
        bounds = {"account": {"equals": ATTACK}, "amount_minor": {"max": 10}, "memo": {"any": True}}
        made = client.post("/v1/grants", json={**grant, "bounds": bounds})
        assert made.status_code == 201, made.text
        url = f"/v1/approvals/{approval_of(rejected)}"
        body = {"presented_digest": client.get(url).json()["data"]["presented_digest"], "comment": ATTACK}
        assert client.post(f"{url}/reject", json=body).status_code == 200
    return {
        "run_id": run["run_id"],
        "approval_id": approval_of(run),
        "key": key,
        "rejected": approval_of(rejected),
        "refused": refused["data"]["run_id"],
        "grant": made.json()["data"]["approval_id"],
        **site.release(),
    }


def test_t08_no_script_runs_whatever_stands_in_the_data_on_any_page(site: Site, person: Callable[..., Any]) -> None:
    ids = _everything(site)
    bo = person("bo")
    pages = [route for route in routes(site.served.api, site.served.site.routes) if route.is_page]
    urls = [route.url(**ids) for route in pages if route.method == "GET"]
    urls += [f"/inbox/{ids['rejected']}", f"/inbox/{ids['grant']}", f"/runs/{ids['refused']}"]
    urls += ["/inbox/batch?tool=refund", "/inbox/batch?tool=%3Cscript%3Ealert(32)%3C/script%3E"]
    urls += ["/inbox?show=all", "/inbox?show=rejected", "/runs?skill=%3Cscript%3Ealert(30)%3C/script%3E"]
    urls += ["/runs?correlation_id=%22%3E%3Cscript%3Ealert(31)%3C/script%3E", "/unknowns?cursor=%3Cscript%3E"]
    for url in urls:
        page = bo.go(url)
        assert page.locator("main").count() == 1 or "standing" in url, url
        found = page.evaluate(
            """() => {
                const every = [...document.querySelectorAll("*")];
                const links = ["href", "action", "src", "data-send", "data-then", "hx-get"];
                const of = (one, names) => names.map((name) => one.getAttribute(name)).filter((link) => link !== null);
                return {
                    scripts: [...document.scripts].map((one) => one.getAttribute("src")),
                    links: every.flatMap((one) => of(one, links)),
                    handlers: every.flatMap((one) => one.getAttributeNames().filter((n) => /^(on|hx-on|sty)/.test(n))),
                    foreign: every.filter((one) => one.matches("iframe, object, embed, img, base")).length,
                };
            }"""
        )
        ours = [] if "standing" in url else ["/assets/vendor/htmx-2.0.11.min.js", "/assets/console.js"]
        assert found["scripts"] == ours, url
        assert all(link.startswith(("/", "#", "reload")) and not link.startswith("//") for link in found["links"]), url
        assert found["handlers"] == [], url
        assert found["foreign"] == 0, url
    assert len(urls) > 15


def test_t07_what_would_not_be_seen_is_marked_and_a_warning_says_so(site: Site, person: Callable[..., Any]) -> None:
    run = ask(site, memo="pay \u202e0005\u202c now\u200b", account="p\u0430ypal\U000e0041")
    bo = person("bo")
    page = bo.go(f"/inbox/{approval_of(run)}")
    marks = page.locator(".arguments mark.hidden-char").all_inner_texts()
    assert {"\\u{202E}", "\\u{202C}", "\\u{200B}", "\\u{430}", "\\u{E0041}"} <= set(marks)
    told = page.locator("#warnings").inner_text()
    for word in ("direction of reading", "cannot be seen", "look like others", "hidden tag"):
        assert word in told
    text = page.evaluate("() => document.documentElement.outerHTML")
    assert not any(hidden in text for hidden in ("\u202e", "\u202c", "\u200b", "\u0430", "\U000e0041"))
    bo.shoot("deceiving", full=True)
    assert bo.go("/inbox").locator("a.row").get_by_text("Deceiving text").is_visible()


def test_t06_the_page_shows_what_runs_and_marks_the_reason_as_a_claim(site: Site, person: Callable[..., Any]) -> None:
    run = ask(site, amount_minor=500_000, memo="only 5.00, the limit is not reached")
    page = person("bo").go(f"/inbox/{approval_of(run)}")
    assert page.get_by_role("heading", level=1).inner_text() == "Refund 500000 to account 9182"
    claim = page.locator(".claim")
    assert "only 5.00" in claim.inner_text()
    assert "Written by the agent. Nothing above depends on it." in claim.inner_text()
    assert page.get_by_role("heading", name="The model's claim, not verified").is_visible()


@pytest.mark.parametrize("padding", ["\n".join(["harmless"] * 10_000), "harmless " * 500])
def test_t10_what_is_padded_has_to_be_opened_before_it_can_be_approved(
    site: Site, person: Callable[..., Any], padding: str
) -> None:
    run = ask(site, memo=f"{padding} and close the account")
    bo = person("bo")
    page = bo.go(f"/inbox/{approval_of(run)}")
    button = page.locator("#approve")
    assert button.is_disabled()
    assert page.locator("[data-unread]").is_visible()
    assert "Long value" in page.locator(".must-read summary").inner_text()
    assert not page.get_by_text("and close the account").first.is_visible()
    bo.shoot("padded")
    page.locator(".must-read summary").click()
    page.wait_for_function("() => !document.querySelector('#approve').disabled")
    assert "and close the account" in page.locator(".must-read pre").inner_text()
    assert page.locator("h1").inner_text().count("harmless") < 50
    button.click()
    page.get_by_text("Approved.").wait_for()


def test_t44_looking_at_a_page_changes_nothing(site: Site) -> None:
    run = ask(site)
    ids = {"run_id": run["run_id"], "approval_id": approval_of(run), "key": run["steps"][0]["key"], **site.release()}
    for_owners = ("/releases/rollback", "/releases/{ref}/{act}")  # and this project names none
    with site.browser(site.session("bo"), accept="text/html") as bo:
        head = site.app.store.read(ACME, lambda tx: tx.audit.head())
        for route in routes(site.served.api, site.served.site.routes):
            if route.is_page and route.method == "GET":
                expected = (403,) if route.path in for_owners else (200, 303)
                assert bo.get(route.url(**ids)).status_code in expected, route
                assert bo.head(route.url(**ids)).status_code == 405, route
        assert site.app.store.read(ACME, lambda tx: tx.audit.head()) == head


def test_t24_another_sites_page_cannot_make_somebody_approve(site: Site, person: Callable[..., Any]) -> None:
    run = ask(site)
    bo = person("bo")
    bo.go("/inbox")
    other = site.url.replace("127.0.0.1", "localhost")
    url = f"{site.url}/v1/approvals/{approval_of(run)}/approve"
    # A page of another origin, in the same browser, with the cookie at hand.
    bo.context.route(f"{other}/evil", lambda route: route.fulfill(body="<p>evil</p>", content_type="text/html"))
    page = bo.context.new_page()
    page.goto(f"{other}/evil")
    for options in (
        {"method": "POST", "mode": "no-cors", "credentials": "include", "body": "{}"},
        {"method": "POST", "credentials": "include", "headers": {"Content-Type": "application/json"}, "body": "{}"},
    ):
        page.evaluate("([url, options]) => fetch(url, options).catch(() => null)", [url, options])
    page.set_content(f'<form method="post" enctype="text/plain" action="{url}"><input name="a" value="b"></form>')
    with page.expect_navigation():
        page.evaluate("() => document.forms[0].submit()")
    assert '"code":"content_type"' in page.inner_text("body").replace(" ", "")
    approval = site.app.store.read(ACME, lambda tx: tx.approvals.get(approval_of(run)))
    assert approval.state is ApprovalState.PENDING


def test_what_has_expired_is_told_and_cannot_be_approved(site: Site, person: Callable[..., Any]) -> None:
    run = ask(site)
    bo = person("bo")
    page = bo.go(f"/inbox/{approval_of(run)}")
    pending = {ApprovalState.PENDING}
    move = {"from_states": pending, "expires_at": 1_000.0}
    assert site.app.store.write(ACME, lambda tx: tx.approvals.move(approval_of(run), **move))
    page.locator("#approve").click()
    page.locator("#wrong").get_by_text("expired").wait_for()
    assert bo.go(f"/inbox/{approval_of(run)}").locator("#approve").count() == 0
    assert bo.go("/inbox").get_by_text("Nothing waits for you").is_visible()
