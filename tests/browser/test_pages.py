"""Every page for everybody: with assistive technology, on a phone, in the dark, signed in and signed out."""

from collections.abc import Callable
from typing import Any

from clearway.model.identity import Scope
from clearway.model.notice import Delivery, Sending
from clearway.operate.sessions import START_TOKEN
from tests.browser.test_deciding import approval_of, ask
from tests.server.ask import routes
from tests.server.site import Site

ACME = Scope("acme", "prod")
#: WCAG 2.2 AA and all before it.
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PHONE = {"viewport": {"width": 375, "height": 720}, "has_touch": True, "is_mobile": True}


def _busy(site: Site) -> dict[str, str]:
    """Something of everything."""
    run = ask(site, memo="pay \u202e0005 now")
    ask(site, amount_minor=5200, memo="second")
    done = ask(site, memo="\n".join(["padding"] * 100))
    with site.client("dana") as client:
        in_doubt, last = (
            site.ended(client.post("/v1/runs", json=notice).json()["data"]["run_id"])
            for notice in (
                {"text": "x", "skill": "notice", "input": {"board": board}} for board in ("silent", "closed")
            )
        )
    with site.client("amir") as client:
        client.post("/v1/switches/engage", json={"kind": "tool", "id": "post", "reason": "the board is down"})
        bounds = {"account": {"equals": "1"}, "amount_minor": {"max": 10}, "memo": {"any": True}}
        asked = {"tool": "refund", "targets": ["account:1"], "bounds": bounds, "reason": "a bad batch"}
        grant = client.post("/v1/grants", json=asked).json()["data"]["approval_id"]
        url = f"/v1/approvals/{approval_of(done)}"
        digest = client.get(url).json()["data"]["presented_digest"]
        client.post(f"{url}/approve", json={"presented_digest": digest, "comment": "fine"})
    with site.client("bo") as client:
        digest = client.get(f"/v1/approvals/{grant}").json()["data"]["presented_digest"]
        client.post(f"/v1/approvals/{grant}/approve", json={"presented_digest": digest})
    site.ended(done["run_id"], final=True)
    held, lost = "leads", Sending(1, "pager", "action.in_doubt", Delivery.GIVEN_UP, 8, 1.0, "status_503")
    site.app.store.write(ACME, lambda tx: (tx.runs.update(run["run_id"], held_for=held), tx.notices.put(lost)))
    return {
        "run_id": last["run_id"],
        "approval_id": approval_of(run),
        "key": in_doubt["steps"][0]["key"],
        "done": done["run_id"],
        "held": run["run_id"],
        **site.release(),
    }


def _urls(site: Site, ids: dict[str, str]) -> list[str]:
    pages = [route for route in routes(site.served.api, site.served.site.routes) if route.is_page]
    skipped = ("/standing", "/next")  # a part of a page, a redirection
    urls = [route.url(**ids) for route in pages if route.method == "GET" and not route.path.endswith(skipped)][1:]
    more = ("/inbox?show=all", "/runs?status=held", f"/runs/{ids['held']}", f"/runs/{ids['done']}")
    return [*urls, "/inbox/batch?tool=refund", "/sign-in?refused=no_role", *more]


def _name(url: str) -> str:
    return url.strip("/").split("/")[0].partition("?")[0] + ("-one" if url.count("/") > 1 else "")


def _serious(page: Any, only: list[str]) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"runOnly": only, "resultTypes": ["violations"]}).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {[node['target'] for node in one['nodes']][:4]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def test_axe_finds_nothing_serious_on_any_page_in_light_and_in_dark(site: Site, person: Callable[..., Any]) -> None:
    ids = _busy(site)
    urls = _urls(site, ids)
    assert len(urls) >= 18
    found: list[tuple[str, str, list[str]]] = []
    # Colours are all that differs in the dark.
    for scheme, only in (("light", STANDARD), ("dark", ["color-contrast"])):
        # The checks are injected as a script: past the policy of the pages, which the other tests hold.
        amir = person("amir", color_scheme=scheme, bypass_csp=True)
        for url in urls:
            page = amir.go(url)
            page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            found.append((scheme, url, _serious(page, only)))
            amir.shoot(f"page-{scheme}-{_name(url)}", full=True)
    assert not [one for one in found if one[2]]


def test_no_page_scrolls_sideways_on_a_phone(site: Site, person: Callable[..., Any]) -> None:
    ids = _busy(site)
    bo = person("bo", **PHONE)
    for url in _urls(site, ids):
        page = bo.go(url)
        bo.shoot(f"phone-{_name(url)}")
        wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, url
    page = bo.go(f"/inbox/{ids['approval_id']}")
    page.locator("#approve").tap()
    page.get_by_text("Approved.").wait_for()


def test_the_start_token_in_the_fragment_signs_in_once_and_leaves_the_address_bar(
    site: Site, person: Callable[..., Any]
) -> None:
    token = site.served.site.token.text
    dana, late = person(None), person(None)
    page = dana.go("/")
    assert page.url.endswith("/sign-in"), "whoever is not known is sent there"
    page = dana.go(f"/sign-in#token={token}")
    page.reload()
    page = dana.go(f"/sign-in?again#token={token}")
    assert token not in page.url
    page.locator("#user").fill("dana")
    dana.shoot("sign-in")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/inbox")
    assert page.locator(".scope").inner_text() == "acme / dev"
    page = late.go(f"/sign-in?x#token={token}")
    page.locator("#user").fill("bo")
    page.get_by_role("button", name="Sign in").click()
    page.locator("#wrong").get_by_text("not valid").wait_for()
    page = dana.go("/account")
    page.locator("#user").select_option("bo")
    page.get_by_role("button", name="Go on as this user").click()
    page.wait_for_url("**/inbox")
    assert page.locator(".who a").inner_text() == "bo"
    dana.go("/account").get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    assert dana.go("/inbox").url.endswith("/sign-in?next=/inbox")


def test_a_session_from_the_start_token_is_the_only_one_that_acts_as_others(
    site: Site, person: Callable[..., Any]
) -> None:
    assert person("bo").go("/account").get_by_text("Act as somebody else").count() == 0
    with site.browser(site.session("bo", "dev", by=START_TOKEN), accept="text/html") as local:
        page = local.get("/account").text
    assert "Act as somebody else" in page
    assert "gil" not in page, "people of another tenant are not named"


def test_an_effect_in_doubt_is_resolved_with_a_reason(site: Site, person: Callable[..., Any]) -> None:
    ids = _busy(site)
    amir, vera = person("amir"), person("vera")
    assert vera.go(f"/ledger/{ids['key']}").get_by_text("Your word on it").count() == 0
    page = amir.go("/unknowns")
    page.locator("a.row").click()
    assert page.get_by_text("It may or may not have happened").is_visible()
    amir.shoot("unknown", full=True)
    page.get_by_label("It did not happen").check()
    page.locator("#resolve-reason").fill("the board shows no notice")
    page.get_by_role("button", name="Record it").click()
    page.get_by_text("Recorded.").wait_for()
    assert page.locator("h1 .state-unknown").count() == 0
    assert amir.go("/unknowns").get_by_text("Nothing is in doubt").is_visible()


def test_a_kill_switch_is_engaged_by_one_and_released_by_two(site: Site, person: Callable[..., Any]) -> None:
    amir, olga = person("amir"), person("olga")
    page = amir.go("/switches")
    page.locator("#id").fill("refund")
    page.locator("#reason").fill("wrong amounts")
    page.get_by_role("button", name="Engage").click()
    page.locator("#said").get_by_text("Engaged.").wait_for()
    for who, left in ((amir, 1), (olga, 0)):
        page = who.go("/switches")
        page.locator("#release-1").fill("mended")
        page.get_by_role("button", name="Release").click()
        page.locator("#said").get_by_text("Two people release").wait_for()
        assert page.get_by_text("engaged: nothing is sent").count() == left


def test_what_policy_would_say_names_the_policies_that_say_it(site: Site, person: Callable[..., Any]) -> None:
    vera = person("vera")
    page = vera.go("/rules")
    for user, amount, verdict, policy in (
        ("dana", 100, "allow", "small-refunds"),
        ("dana", 240000, "hold", "large-refunds"),
        ("vera", 100, "deny", "no policy permits it"),
    ):
        page.locator("#tool").select_option("refund")
        page.locator("#user").fill(user)
        page.locator("#arguments").fill(f'{{"account": "1", "amount_minor": {amount}}}')
        page.get_by_role("button", name="Ask").click()
        page.locator(f"#answer .verdict-{verdict}").wait_for()
        assert policy in page.locator("#answer .facts").inner_text()
    vera.shoot("what-if", full=True)


def test_runs_are_found_by_status_skill_and_correlation(site: Site, person: Callable[..., Any]) -> None:
    with site.client("dana", x_correlation_id="order-77") as client:
        started = client.post("/v1/runs", json={"text": "x", "skill": "notice", "input": {"board": "closed"}}).json()
    site.ended(started["data"]["run_id"], final=True)
    ask(site)
    page = person("vera").go("/runs")
    assert page.locator("a.row").count() == 2
    page.locator("#status").select_option("waiting")
    page.wait_for_url("**status=waiting*")
    page.wait_for_function("() => document.querySelectorAll('a.row').length === 1")
    page.locator("#status").select_option("")
    page.locator("#correlation").fill("order-77")
    page.keyboard.press("Enter")
    page.wait_for_url("**correlation_id=order-77*")
    page.wait_for_function("() => document.querySelectorAll('a.row').length === 1")
    page.locator("a.row").click()
    assert page.locator("#failure").get_by_text("no_such_board").is_visible()
    assert page.locator(".step.at-fault").count() == 1


def test_a_page_that_is_not_there_says_so_as_a_page(site: Site, person: Callable[..., Any]) -> None:
    vera, nobody = person("vera"), person("nobody")
    assert vera.go("/runs/run_none").get_by_role("heading", name="Not Found").is_visible()
    assert nobody.go("/inbox").get_by_role("heading", name="Forbidden").is_visible()
