"""Real Chromium, signed in as this or that user, on the real server over a real store.

Screenshots go to `CLEARWAY_SHOTS` (a folder), where it is set. Without a Chromium these tests are skipped, unless
`CLEARWAY_NEEDS_CHROMIUM=1`.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clearway.app import Clearway
from tests.server.site import FILES, Site, running, write_project

PREVIEW = """\
def balance(arguments):
    before = {"balance_minor": 10500, "note": "open"}
    return {"before": before, "after": {**before, "balance_minor": 10500 + arguments["amount_minor"]}}

@tool(impact="read\""""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str | None:
    """The browser's path, where there is one."""
    given = os.environ.get("CLEARWAY_CHROMIUM")
    return given or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """For one module: while Playwright is at work, its event loop is the thread's, and nobody else's `asyncio.run`
    works in this process. So one process runs these modules in a row (`tests/scheduling.py`)."""
    found = chromium()
    if found is None:
        why = f"no Chromium here (looked for {', '.join(NAMES)}, CLEARWAY_CHROMIUM)"
        if os.environ.get("CLEARWAY_NEEDS_CHROMIUM") == "1":
            pytest.fail(why)
        pytest.skip(why)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # The sandbox of Chromium does not work for root; what it shows here is our own.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        launched = playwright.chromium.launch(executable_path=found, args=arguments)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def prepared_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with a migrated store without rows."""
    bank = FILES["tools/bank.py"]
    declared = bank.replace('owner="billing",', 'owner="billing", preview=balance,').replace(
        '@tool(impact="read"', PREVIEW
    )
    assert bank.count('owner="billing",') == bank.count('@tool(impact="read"') == 1
    folder = write_project(tmp_path_factory.mktemp("browser") / "project", **{"tools/bank.py": declared})
    Clearway.open(folder).close()
    return folder


@pytest.fixture
def site(prepared_project: Path, tmp_path: Path) -> Iterator[Site]:
    folder = Path(shutil.copytree(prepared_project, tmp_path / "project"))
    with Clearway.open(folder) as app, running(app) as served:
        yield served


class Person:
    """Somebody at a browser. `dialogs`: what tried to open one; `faults`: errors that the browser noted."""

    def __init__(self, site: Site, browser: Any, user: str | None, options: dict[str, Any]) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        self.context.set_default_timeout(30_000)
        if user is not None:
            name, _, value = site.session(user).partition("=")
            cookie = {"name": name, "value": value, "domain": "127.0.0.1", "path": "/"}
            self.context.add_cookies([{**cookie, "secure": True, "httpOnly": True, "sameSite": "Lax"}])
        self.page = self.context.new_page()
        self.url = site.url
        self.dialogs: list[str] = []
        self.faults: list[str] = []
        self.elsewhere: list[str] = []
        self.may_visit: tuple[str, ...] = (site.url,)
        self.page.on("dialog", self._dismiss)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda line: self.faults.append(line.text) if line.type == "error" else None)
        self.page.on("request", self._note)

    def go(self, path: str) -> Any:
        self.page.goto(self.url + path)
        return self.page

    def shoot(self, name: str, *, full: bool = False) -> None:
        """Keeps a screenshot, where somebody wants them."""
        folder = os.environ.get("CLEARWAY_SHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=full)

    def _note(self, request: Any) -> None:
        if not request.url.startswith(self.may_visit):
            self.elsewhere.append(request.url)

    def _dismiss(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()


@pytest.fixture
def person(site: Site, browser: Any) -> Iterator[Callable[..., Person]]:
    """`person("bo")`: somebody signed in, in a browser of their own; each is checked at the end."""
    made: list[Person] = []

    def enter(user: str | None, **options: Any) -> Person:
        made.append(Person(site, browser, user, options))
        return made[-1]

    yield enter
    for one in made:
        one.context.close()
        assert not one.dialogs
        assert not one.elsewhere, "a page asked another host"
        assert not [fault for fault in one.faults if "Content Security Policy" in fault], one.faults
