"""A model's run in the console: each turn with its tokens and price, what it asked for, and what people answered."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clearway.app import Clearway
from clearway.testing import ScriptedModel, call, say
from tests.browser.test_deciding import approval_of
from tests.browser.test_pages import PHONE, STANDARD, _serious
from tests.server.site import FILES, Site, running

PRICES = """
[models.providers.local]
base_url = "http://127.0.0.1:9/v1"
[models.prices."local:small"]
input_usd_per_mtok = 100.0
output_usd_per_mtok = 200.0
as_of = "2026-09-01"
"""
AGENT = """
import clearway
from tools.bank import read_account, refund

@clearway.agent(model="local:small", tools=[read_account, refund], examples=["Refund what was paid twice"],
                owner="desk", budget=clearway.Budget(turns=8, steps=20, tokens=50_000, cost_usd=9, wall_s=600))
def helper(account: str) -> None:
    \"\"\"Refunds what was paid twice.\"\"\"
"""
SAID = "Refunded <img src=x onerror=alert(1)>\u202e what was paid twice."


@pytest.fixture
def site(prepared_project: Path, tmp_path: Path) -> Iterator[Site]:
    folder = Path(shutil.copytree(prepared_project, tmp_path / "project"))
    (folder / "clearway.toml").write_text(FILES["clearway.toml"] + PRICES)
    (folder / "skills" / "helper.py").write_text(AGENT)
    (folder / "prompts").mkdir(exist_ok=True)
    (folder / "prompts" / "helper.md").write_text("You refund what was paid twice.\n")
    model = ScriptedModel(
        call("read_account", account="9182"),
        call("refund", account="9182", amount_minor=240_000, memo="paid twice"),
        say("It waits for finance."),
        say(SAID),
    )
    with Clearway.open(folder, models=model) as app, running(app) as served:
        yield served


def test_each_turn_of_a_model_is_told_with_its_tokens_and_price(site: Site, person: Callable[..., Any]) -> None:
    with site.client("dana") as client:
        asked = {"text": "Refund what was paid twice", "skill": "helper", "input": {"account": "9182"}}
        run = site.ended(client.post("/v1/runs", json=asked).json()["data"]["run_id"])
    page = person("bo").go(f"/inbox/{approval_of(run)}")
    assert page.get_by_role("heading", level=1).inner_text() == "Refund 240000 to account 9182"
    assert page.locator(".arguments .untrusted").count() >= 1, "a model's own words are nobody's"
    page.locator("#approve").click()
    page.locator("#said").get_by_text("Approved.").wait_for()
    done = site.ended(run["run_id"], final=True)
    assert done["status"] == "done", done["failure"]
    vera = person("vera", bypass_csp=True)
    page = vera.go(f"/runs/{run['run_id']}")
    vera.shoot("run-of-a-model", full=True)
    first = page.locator("#step-t1")
    assert first.get_by_text("local:small").first.is_visible()
    usage = done["steps"][0]["turn"]["usage"]
    assert first.get_by_text(f"{usage['input']} + {usage['output']} tokens").is_visible()
    assert first.get_by_text("Asks for read_account").is_visible()
    assert first.get_by_text("owner desk").is_visible()
    assert done["cost"]["usd"] > 0
    cost = page.locator(".facts", has_text="Cost").inner_text()
    assert f"{done['cost']['input_tokens']} + {done['cost']['output_tokens']} tokens in" in cost
    assert set(page.locator("main mark.hidden-char").all_text_contents()) == {"\\u{202E}"}
    assert page.locator("main img").count() == 0
    assert _serious(page, STANDARD) == []
    page = vera.go("/overview")
    row = page.locator("tr", has_text="local:small")
    assert row.get_by_text("USD").is_visible()
    page = person("vera", **PHONE).go(f"/runs/{run['run_id']}")
    assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
