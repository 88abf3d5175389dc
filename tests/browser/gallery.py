"""Makes the pictures of the documentation, from the real console over a day that is played through.

    python -m tests.browser.gallery docs/images

Needs a Chromium, as the browser tests do.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clearway.app import Clearway
from tests.browser.conftest import PREVIEW, Person, chromium
from tests.server.site import FILES, SMALL, Site, running, write_project

HOUR = 3_600.0
DESCRIBED = '@id("large-refunds") @description("Refunds over 50.00 wait for finance.") @owner("finance")'
#: Hours ago → large refunds asked for then: (account, amount, how bo decided, why).
DECIDED: dict[int, tuple[tuple[str, int, str, str], ...]] = {
    19: (("4410", 7_400, "reject", "no receipt"),),
    16: (("9182", 5_200, "approve", "receipt seen"),),
    13: (("9182", 7_400, "reject", "no receipt"),),
    8: (("4410", 7_400, "reject", "no receipt"), ("7731", 9_900, "approve", "receipt seen")),
    4: (("4410", 12_900, "approve", "receipt seen"),),
}
WAITING = (("7731", 84_000, "order 4417", 1_400.0), ("4410", 6_100, "order 5490", 300.0))


def main(folder: str) -> None:
    from playwright.sync_api import sync_playwright

    os.environ["CLEARWAY_SHOTS"] = folder
    ahead = [0.0]
    with (
        tempfile.TemporaryDirectory() as made,
        _site(Path(made) / "project", ahead) as site,
        sync_playwright() as playwright,
    ):
        ids = _day(site, ahead)
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium(), args=arguments)
        _shoot(site, browser, ids)
        browser.close()


@contextmanager
def _site(folder: Path, ahead: list[float]) -> Iterator[Site]:
    bank = FILES["tools/bank.py"].replace('owner="billing",', 'owner="billing", preview=balance,')
    files = {
        "tools/bank.py": bank.replace('@tool(impact="read"', PREVIEW),
        "policies/main.cedar": FILES["policies/main.cedar"].replace('@id("large-refunds")', DESCRIBED),
    }
    write_project(folder, **files)
    with Clearway.open(folder, now=lambda: time.time() + ahead[0]) as app, running(app) as site:
        yield site


def _day(site: Site, ahead: list[float]) -> dict[str, str]:
    """What happened in it; ids of what is shown."""
    failed = ""
    for ago in range(22, 0, -1):
        ahead[0] = -ago * HOUR
        for _ in range(1 + ago * 7 % 4):
            _asked(site, SMALL)
        if ago % 4 == 1:
            failed = _asked(site, {"text": "x", "skill": "notice", "input": {"board": "closed"}}, final=True)["run_id"]
        for account, amount, verdict, comment in DECIDED.get(ago, ()):
            _decide(site, _large(site, account, amount, "a refund"), verdict, comment)
    for account, amount, memo, ago in WAITING:
        ahead[0] = -ago
        _large(site, account, amount, memo)
    ahead[0] = -320.0
    shown = _large(site, "9182", 240_000, "order 5512, arrived broken")
    deceiving = _large(site, "4471", 18_900, "pay \u202e0005\u202c now")
    ahead[0] = 0.0
    return {"shown": shown, "deceiving": deceiving, "failed": failed}


def _asked(site: Site, body: dict[str, Any], *, final: bool = False) -> dict[str, Any]:
    with site.client("dana") as client:
        return site.ended(client.post("/v1/runs", json=body).json()["data"]["run_id"], final=final)


def _large(site: Site, account: str, amount_minor: int, memo: str) -> str:
    arguments = {"account": account, "amount_minor": amount_minor, "memo": memo}
    run = _asked(site, {"text": "Refund it", "skill": "desk", "input": arguments})
    return str(run["approvals"][0]["approval_id"])


def _decide(site: Site, approval_id: str, verdict: str, comment: str) -> None:
    with site.client("bo") as client:
        url = f"/v1/approvals/{approval_id}"
        shown = client.get(url).json()["data"]
        client.post(f"{url}/{verdict}", json={"presented_digest": shown["presented_digest"], "comment": comment})
    site.ended(shown["run_id"], final=True)


def _shoot(site: Site, browser: Any, ids: dict[str, str]) -> None:
    approval = f"/inbox/{ids['shown']}"
    for name, path, width, height, options in (
        ("inbox", "/inbox", 1180, 430, {}),
        ("approval", approval, 1180, 0, {}),
        ("deceiving", f"/inbox/{ids['deceiving']}", 1180, 700, {}),
        ("run", f"/runs/{ids['failed']}", 1180, 740, {}),
        ("overview", "/overview", 1180, 0, {"color_scheme": "dark"}),
        ("phone", approval, 375, 760, {}),
    ):
        bo = Person(site, browser, "bo", {"viewport": {"width": width, "height": height or 900}, **options})
        bo.go(path)
        bo.shoot(f"console-{name}", full=not height)
        bo.context.close()


if __name__ == "__main__":
    main(sys.argv[1])
