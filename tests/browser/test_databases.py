"""The console on Postgres: every page with something of everything, and an approval in a real browser."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clearway.app import Clearway
from tests.browser.test_deciding import approval_of, ask
from tests.browser.test_pages import _busy, _urls
from tests.server.site import Site, running, write_project

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True),
]


@pytest.fixture
def site(empty_database_url: str, tmp_path: Path) -> Iterator[Site]:
    folder = write_project(tmp_path / "project")
    with Clearway.open(folder, store_url=empty_database_url) as app, running(app) as served:
        yield served


def test_every_page_answers(site: Site) -> None:
    urls = _urls(site, _busy(site))
    windows = [f"/overview?window={window}" for window in ("hour", "week")]
    states = [f"/inbox?show={state}" for state in ("approved", "consumed", "expired", "cancelled", "invalidated")]
    with site.browser(site.session("amir"), accept="text/html") as amir:
        for url in [*urls, *windows, *states, "/runs?status=failed&skill=notice", "/inbox/next"]:
            answer = amir.get(url, follow_redirects=True)
            right = (200, 403, 404, 422) if url.startswith("/releases") else (200,)  # of releases, there are none here
            assert answer.status_code in right, (url, answer.text[:400])
            assert "<main" in answer.text, url


def test_an_approval_goes_its_way(site: Site, person: Callable[..., Any]) -> None:
    run = ask(site, memo="order 77")
    page = person("bo").go("/inbox")
    page.locator("a.row").click()
    page.locator("#approve-comment").fill("checked")
    page.locator("#approve").click()
    page.locator("#said").get_by_text("Approved.").wait_for()
    assert site.ended(run["run_id"], final=True)["status"] == "done"
    assert page.get_by_text("Nothing waits for you").is_visible()
    step = person("vera").go(f"/runs/{run['run_id']}").locator("#step-s2")
    assert step.get_by_text("approved by bo").is_visible()
    assert person("bo").go(f"/inbox/{approval_of(run)}").get_by_text("“checked”").is_visible()
