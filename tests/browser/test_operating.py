"""What somebody on call looks for: what stopped, what waits for whom, which policy is in force, where the trace is."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from clearway.adapters.otel.telemetry import OtelTelemetry
from clearway.app import Clearway
from clearway.model.errors import ConfigError
from clearway.model.identity import Scope
from clearway.model.notice import Delivery, Sending
from tests.browser.test_deciding import approval_of, ask
from tests.server.site import FILES, SMALL, Site, running

ACME = Scope("acme", "prod")


@pytest.fixture
def opened(prepared_project: Path, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """`opened(file=text, …)`: a traced site of the project with these files besides."""
    tracers = TracerProvider(shutdown_on_exit=False)
    with ExitStack() as still_open:

        def make(**files: str) -> Site:
            folder = Path(shutil.copytree(prepared_project, tmp_path / "other"))
            for name, text in files.items():
                (folder / f"{name}.toml").write_text(text)
            app = still_open.enter_context(Clearway.open(folder, telemetry=OtelTelemetry(tracers)))
            return still_open.enter_context(running(app))

        yield make
    tracers.shutdown()


def started(site: Site, **headers: str) -> dict[str, Any]:
    with site.client("dana", **headers) as client:
        return site.ended(client.post("/v1/runs", json=SMALL).json()["data"]["run_id"], final=True)


@pytest.mark.parametrize("template", ["https://tempo.example/trace/{trace_id}?org=1&from=now", ""])
def test_a_run_names_its_trace_and_links_there_where_the_project_says_where(
    opened: Callable[..., Site], template: str
) -> None:
    site = opened(clearway=FILES["clearway.toml"] + (f'[telemetry]\ntrace_url = "{template}"\n' if template else ""))
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    run = started(site, traceparent=f"00-{trace_id}-00f067aa0ba902b7-01")
    with site.browser(site.session("vera"), accept="text/html") as vera:
        text = vera.get(f"/runs/{run['run_id']}").text
    link = f'<a href="https://tempo.example/trace/{trace_id}?org=1&amp;from=now" rel="noreferrer">{trace_id}</a>'
    assert (link in text) is bool(template)
    assert (f"<code>{trace_id}</code>" in text) is not bool(template)


@pytest.mark.parametrize("template", ["tempo.example/{trace_id}", "https://tempo.example/", "javascript:{trace_id}"])
def test_a_careless_template_for_traces_is_refused(opened: Callable[..., Site], template: str) -> None:
    with pytest.raises(ConfigError, match="trace_url"):
        opened(clearway=FILES["clearway.toml"] + f'[telemetry]\ntrace_url = "{template}"\n')


def test_what_a_rollback_holds_is_found_and_says_whom_it_waits_for(site: Site, person: Callable[..., Any]) -> None:
    run = ask(site)
    ask(site, memo="another")
    site.app.store.write(ACME, lambda tx: tx.runs.update(run["run_id"], held_for="leads"))
    amir = person("amir")
    page = amir.go("/runs?status=held")
    assert page.locator("a.row").count() == 1
    page.locator("a.row").get_by_text("held by a rollback").click()
    assert page.locator("#held").get_by_text("Each further effect waits for leads").is_visible()
    assert page.locator("#waits").get_by_role("link", name="Refund 240000 to account 9182").is_visible()
    amir.shoot("run-held", full=True)
    page.locator("#unhold-reason").fill("it is fine")
    page.get_by_role("button", name="Let it go on").click()
    page.locator("#wrong:not(:empty)").wait_for()
    assert amir.go(f"/inbox/{approval_of(run)}").get_by_text("Its release was rolled back").is_visible()


def test_a_runs_id_in_the_search_leads_to_it_and_lists_keep_themselves_up_to_date(
    site: Site, person: Callable[..., Any]
) -> None:
    run = started(site)
    vera = person("vera")
    page = vera.go("/runs")
    assert page.locator("a.row").count() == 1
    page.locator("body.live").wait_for()
    started(site)
    page.wait_for_function("() => document.querySelectorAll('a.row').length === 2")
    page.locator("#correlation").fill(run["run_id"])
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/runs/{run['run_id']}")
    assert page.locator("#step-s2").get_by_text(re.compile("allowed by .*small-refunds")).is_visible()
    page = vera.go("/unknowns")
    page.locator("body.live").wait_for()
    with site.client("dana") as client:
        client.post("/v1/runs", json={"text": "x", "skill": "notice", "input": {"board": "silent"}})
    page.locator("a.row").wait_for()
    assert vera.go(f"/runs?correlation_id={run['run_id']}").url.endswith(f"/runs/{run['run_id']}")


OWNERSHIP = """
[groups.finance]
members = ["amir", "bo"]
[groups.owners]
members = ["amir", "olga"]
[owners]
policy = "owners"
routing = "owners"
incident = "owners"
skill_approver = "owners"
"""


def test_the_policies_shown_are_those_in_force_of_the_folder_or_of_the_release(opened: Callable[..., Site]) -> None:
    site = opened(ownership=OWNERSHIP)
    file = site.app.project.folder / "policies" / "main.cedar"
    olga = site.app.acting("olga")
    released = olga.cut_release("as it stands")["digest"]
    olga.promote_release(released, "begin")
    file.write_text(file.read_text() + '@id("added-later") forbid (principal, action == Action::"post", resource);\n')
    with (
        site.browser(site.session("olga", "dev"), accept="text/html") as dev,
        site.browser(site.session("vera"), accept="text/html") as prod,
    ):
        text = dev.get("/rules").text
        assert released in text
        assert "large-refunds" in text
        assert "added-later" not in text
        text = prod.get("/rules").text
        assert "no release was promoted here" in text
        assert "added-later" in text
        file.write_text("permit (")
        assert "They cannot be read, so nothing is allowed" in prod.get("/rules").text
        assert "They cannot be read" not in dev.get("/rules").text


def test_standing_permissions_are_listed_and_an_operator_revokes_one(site: Site, person: Callable[..., Any]) -> None:
    bounds = {"account": {"equals": "9182"}, "amount_minor": {"max": 300_000}, "memo": {"any": True}}
    grant = {"tool": "refund", "targets": ["account:9182"], "bounds": bounds, "max_uses": 3, "reason": "a bad batch"}
    with site.client("amir") as client:
        approval = client.post("/v1/grants", json=grant).json()["data"]["approval_id"]
    page = person("bo").go(f"/inbox/{approval}")
    assert page.get_by_text("Standing permission").first.is_visible()
    page.locator("#approve").click()
    page.locator("#said").get_by_text("Approved.").wait_for()
    assert site.ended(ask(site)["run_id"], final=True)["status"] == "done", "it is not asked for again"
    assert person("vera").go("/rules").get_by_role("button", name="Revoke").count() == 0
    amir = person("amir")
    page = amir.go("/rules")
    assert page.locator("#grants").get_by_text("used 1 of 3 times").is_visible()
    amir.shoot("rules-grants", full=True)
    page.locator("#revoke-1").fill("over")
    page.get_by_role("button", name="Revoke").click()
    page.locator("#said").get_by_text("Revoked.").wait_for()
    assert page.locator("#grants").get_by_text("None is in force").is_visible()
    assert ask(site)["status"] == "waiting"


def test_the_overview_says_first_what_is_wrong_now(site: Site, person: Callable[..., Any]) -> None:
    with site.client("dana") as client:
        doubt = client.post("/v1/runs", json={"text": "x", "skill": "notice", "input": {"board": "silent"}}).json()
    site.ended(doubt["data"]["run_id"])
    with site.client("amir") as client:
        client.post("/v1/switches/engage", json={"kind": "tool", "id": "post", "reason": "the board is down"})
    lost = Sending(1, "pager", "action.in_doubt", Delivery.GIVEN_UP, 8, 1.0, "status_503")
    site.app.store.write(ACME, lambda tx: tx.notices.put(lost))
    page = person("vera").go("/overview")
    assert page.get_by_text("Kill switch engaged: tool post.").is_visible()
    assert page.get_by_text("1 could not be delivered").is_visible()
    page.locator(".figures").get_by_role("link", name="1", exact=True).click()
    page.wait_for_url("**/unknowns")


def test_the_what_if_form_is_filled_with_what_the_tool_needs(site: Site, person: Callable[..., Any]) -> None:
    page = person("dana").go("/rules")
    page.locator("#tool").select_option("refund")
    assert page.locator("#arguments").input_value() == '{"account": "", "amount_minor": 0}'
    page.locator("#tool").select_option("post")
    assert page.locator("#arguments").input_value() == '{"board": ""}'
    page.locator("#arguments").fill('{"board": "mine"}')
    page.locator("#tool").select_option("refund")
    assert page.locator("#arguments").input_value() == '{"board": "mine"}', "what somebody wrote stays"


def test_several_are_chosen_by_keyboard(site: Site, person: Callable[..., Any]) -> None:
    runs = [ask(site, amount_minor=amount) for amount in (6000, 7000)]
    bo = person("bo")
    page = bo.go("/inbox/batch?tool=refund")
    for key in ("j", "Space", "j", "Space", "j", "Space"):
        page.keyboard.press(key)
    assert page.locator("[data-count]").inner_text() == "1", "the last one was chosen twice, and so is not"
    page.keyboard.press("Space")
    assert page.locator("[data-count]").inner_text() == "2"
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    page.get_by_text("2 approved, 0 not.").wait_for()
    assert [site.ended(run["run_id"], final=True)["status"] for run in runs] == ["done", "done"]
