"""What somebody at a page has to know before they act: that a switch stops it, what failed, what they just decided."""

import pytest

from clearway.operate import overview
from clearway.operate.overview import seems_waved_through
from tests.server.site import LARGE, SMALL, Site


def approval_of(site: Site) -> str:
    with site.client("dana") as dana:
        run = site.ended(dana.post("/v1/runs", json=LARGE).json()["data"]["run_id"])
    return str(run["approvals"][0]["approval_id"])


def test_an_approval_that_a_kill_switch_would_refuse_says_so_and_what_was_decided_is_named_afterwards(
    site: Site,
) -> None:
    approval = approval_of(site)
    with site.browser(site.session("bo"), accept="text/html") as bo, site.client("amir") as amir:
        before = bo.get(f"/inbox/{approval}").text
        assert "A kill switch stops this" not in before
        assert 'data-told="Approved. That was: Refund 240000 to account 9182"' in before
        for kind, name in (("tool", "refund"), ("agent", "desk")):
            switch = {"kind": kind, "id": name, "reason": "wrong <amounts>"}
            assert amir.post("/v1/switches/engage", json=switch).status_code == 200
            text = bo.get(f"/inbox/{approval}").text
            assert "A kill switch stops this" in text
            assert f"<strong>{kind} {name}</strong> is engaged, by amir: “wrong &lt;amounts&gt;”" in text
            for user in ("amir", "olga"):
                with site.client(user) as one:
                    one.post("/v1/switches/release", json=switch)
        assert "A kill switch stops this" not in bo.get(f"/inbox/{approval}").text
        other = {"kind": "tool", "id": "post", "reason": "x"}
        assert amir.post("/v1/switches/engage", json=other).status_code == 200
        assert "A kill switch stops this" not in bo.get(f"/inbox/{approval}").text


def test_a_failed_run_leads_whoever_may_to_the_switch_of_its_tool_and_the_overview_to_failed_runs(site: Site) -> None:
    with site.client("amir") as amir:
        assert amir.post("/v1/switches/engage", json={"kind": "tool", "id": "refund", "reason": "x"}).status_code == 200
    with site.browser(site.session("amir"), accept="text/html") as amir:
        assert 'list="names" maxlength="200" value="refund"' in amir.get("/switches?tool=refund").text
        assert "nowhere" not in amir.get("/switches?tool=nowhere").text
        with site.client("dana") as dana:
            run = site.ended(dana.post("/v1/runs", json=SMALL).json()["data"]["run_id"], final=True)
        assert run["status"] == "refused"
        assert '<a href="/switches?tool=refund">' in amir.get(f"/runs/{run['run_id']}").text
        overview = amir.get("/overview").text
        assert '<a href="/runs?status=refused">1</a>' in overview
        assert '<a href="/runs?status=failed">0</a>' in overview
    with site.browser(site.session("vera"), accept="text/html") as vera:
        assert "/switches?tool=" not in vera.get(f"/runs/{run['run_id']}").text


@pytest.mark.parametrize(
    ("decided", "rate", "answer_s", "waved"),
    [
        (49, 1.0, 1.0, False),
        (50, 0.95, 5.0, False),
        (50, 0.96, 60.0, True),
        (50, 0.2, 4.9, True),
        (0, None, None, False),
    ],
)
def test_the_overview_says_where_people_seem_to_approve_without_looking(
    decided: int, rate: float | None, answer_s: float | None, waved: bool
) -> None:
    assert seems_waved_through({"decided": decided, "approve_rate": rate, "answer_s": answer_s}) is waved


def test_whoever_decides_is_told_too_where_people_seem_to_approve_without_looking(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site.client("dana") as dana, site.client("bo") as bo:
        for amount in (240_000, 250_000, 260_000, 270_000):
            asked = {**LARGE, "input": {"account": "9182", "amount_minor": amount}}
            run = site.ended(dana.post("/v1/runs", json=asked).json()["data"]["run_id"])
            approval = run["approvals"][0]
            if amount < 260_000:
                seen = bo.get(f"/v1/approvals/{approval['approval_id']}").json()["data"]["presented_digest"]
                answer = bo.post(f"/v1/approvals/{approval['approval_id']}/approve", json={"presented_digest": seen})
                assert answer.status_code == 200
    pages = ("/overview", "/inbox", "/inbox/batch?tool=refund", f"/inbox/{approval['approval_id']}")

    def told(user: str) -> list[str]:
        with site.browser(site.session(user), accept="text/html") as browser:
            return [page for page in pages if "100.0 % of 2 decisions approve" in browser.get(page).text]

    assert told("bo") == []
    monkeypatch.setattr(overview, "AT_LEAST", 2)
    assert told("bo") == list(pages)
    assert told("vera") == ["/overview", "/inbox"], "who decides nothing is not told to read"
