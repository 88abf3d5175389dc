"""What somebody is told who sent too little, or whose policies are broken."""

import threading
from pathlib import Path
from typing import Any

import pytest

from clearway.app import Clearway
from clearway.operate import upkeep
from tests.server.site import Site, running


def test_without_a_key_it_says_that_none_was_sent(still: Site) -> None:
    with still.client() as client:
        refused = client.get("/v1/me")
    assert (refused.status_code, refused.json()["detail"]) == (401, "No key and no session was sent.")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        *[(method, "/nowhere", 404) for method in ("GET", "POST", "PUT", "PATCH", "DELETE")],
        ("POST", "/runs", 405),
        ("GET", f"/sign-in?next={'x' * 201}", 422),
        ("GET", "/runs/run_none", 404),
    ],
)
def test_a_browser_is_told_of_an_error_on_a_page_by_whatever_method_it_asked(
    still: Site, method: str, path: str, status: int
) -> None:
    with still.browser(still.session("vera"), accept="text/html,*/*;q=0.8") as vera:
        told = vera.request(method, path)
        assert (told.status_code, told.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert f"request <code>{told.headers['x-request-id']}</code>" in told.text
        assert ("allow" in told.headers) is (status == 405)
        plain = vera.request(method, path, headers={"accept": "application/json"})
    assert (plain.status_code, plain.headers["content-type"]) == (status, "application/problem+json")


@pytest.mark.parametrize(("path", "told"), [("/nowhere", "nothing at this address"), ("/runs/run_none", "no such run")])
def test_what_there_is_not_is_told_with_the_menu_of_whoever_is_signed_in(still: Site, path: str, told: str) -> None:
    with still.browser(still.session("vera"), accept="text/html") as vera:
        page = vera.get(path)
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert f"<p>There is {told}" in page.text
    assert '<nav aria-label="Pages">' in page.text
    assert 'href="/sign-in"' not in page.text
    for cookie in (None, "__Host-clearway=invented"):
        with still.browser(cookie, accept="text/html") as nobody:
            page = nobody.get("/nowhere")
        assert page.status_code == 404
        assert '<nav aria-label="Pages">' not in page.text
        assert 'href="/sign-in"' in page.text


def test_a_form_that_is_sent_to_a_page_is_refused_on_a_page_and_by_the_api_as_a_problem(still: Site) -> None:
    with still.browser(still.session("vera"), accept="text/html") as vera:
        form = {"content-type": "application/x-www-form-urlencoded"}
        page = vera.post("/runs", content="a=b", headers=form)
        api = vera.post("/v1/runs", content="a=b", headers=form)
    assert (page.status_code, page.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "<code>content_type</code>" in page.text
    assert (api.status_code, api.headers["content-type"]) == (403, "application/problem+json")


@pytest.mark.parametrize("sent", [{}, {"text": " "}])
def test_a_run_without_text_and_skill_is_told_which_fields_are_missing(still: Site, sent: dict[str, str]) -> None:
    with still.client("dana") as client:
        refused = client.post("/v1/runs", json=sent)
    assert (refused.status_code, refused.json()["code"]) == (422, "no_route")
    assert "the field text is missing or empty" in refused.json()["detail"]


def test_a_field_that_is_not_known_is_told_of_without_its_name(still: Site) -> None:
    with still.client("dana") as client:
        told = client.post("/v1/runs", json={"secret-word": "x"}).json()["detail"]
        both = client.post("/v1/runs", json={"secret-word": "x", "text": 5}).json()["detail"]
        needless = client.post("/v1/runs/run_1/cancel", json={"secret-word": "x"}).json()["detail"]
    offered = "a field that is not in it (there is text, skill, input, role, subject)."
    assert told == f"The request does not fit its description: {offered}"
    assert both == f"The request does not fit its description: body.text and {offered}"
    assert needless.endswith("body.reason and a field that is not in it (there is reason).")


def test_policies_that_deny_everything_are_named_in_the_log_and_on_the_overview(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Clearway.open(project) as app:
        app.broken_policies.tell()
        assert not caplog.records
    main = project / "policies" / "main.cedar"
    main.write_text(main.read_text().rstrip("\n") + "\npermit (\n")
    place = f"main.cedar:{len(main.read_text().splitlines())}, so nothing is allowed."
    with Clearway.open(project) as app, running(app, work=False) as site:
        app.broken_policies.tell()
        (record,) = caplog.records
        assert place in record.getMessage()
        assert "acme/prod" in record.getMessage()
        with site.browser(site.session("vera"), accept="text/html") as page:
            assert place in page.get("/overview").text
        main.write_text(main.read_text().removesuffix("permit (\n"))
    with (
        Clearway.open(project) as app,
        running(app, work=False) as site,
        site.browser(site.session("vera"), accept="text/html") as page,
    ):
        assert "Every action is denied" not in page.get("/overview").text


def look_anew(app: Clearway) -> None:
    """The policy files are looked at anew at the next decision, whenever the look before was."""
    in_force: Any = app.policy
    in_force._unreleased._looked_at = float("-inf")


def test_a_worker_tells_of_broken_policies_every_so_many_turns(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "EVERY_S", 0.001)
    monkeypatch.setattr(upkeep, "TELL_EACH", 2)
    turns: list[str] = []
    told = threading.Event()

    def tell() -> None:
        turns.append("tell")
        if turns.count("tell") == 3:
            told.set()

    with Clearway.open(project) as app:
        works = upkeep.Upkeep(app.audit, app.store, lambda _: 0, look=lambda: turns.append("look"), tell=tell)
        works.start()
        assert told.wait(30)
        works.stop()
    assert turns[:7] == ["tell", "look", "look", "look", "tell", "look", "look"]


def test_broken_policies_are_logged_again_once_they_are_broken_otherwise_and_when_they_are_whole(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    main = project / "policies" / "main.cedar"
    whole = main.read_text().rstrip("\n")
    lines = len(whole.splitlines())
    with Clearway.open(project) as app:
        for text, said in (
            (f"{whole}\npermit (\n", f"main.cedar:{lines + 1}, so"),
            (f"{whole}\n\npermit (\n", f"main.cedar:{lines + 2}, so"),
            (whole, "in force again (acme/dev, acme/prod, globex/dev, globex/prod)"),
            (f"{whole}\npermit (\n", f"main.cedar:{lines + 1}, so"),
        ):
            main.write_text(text)
            caplog.clear()
            look_anew(app)
            app.broken_policies.tell()
            app.broken_policies.tell()
            (record,) = caplog.records
            assert said in record.getMessage()


def test_the_form_for_an_effect_in_doubt_says_that_without_a_result_the_skill_gets_null(site: Site) -> None:
    with site.client("dana") as client:
        started = client.post("/v1/runs", json={"text": "x", "skill": "notice", "input": {"board": "silent"}})
    record = site.ended(started.json()["data"]["run_id"])
    with site.client("amir") as client:
        key = client.get("/v1/ledger", params={"run_id": record["run_id"]}).json()["data"]["items"][0]["key"]
    with site.browser(site.session("amir"), accept="text/html") as page:
        assert "Without one it gets null" in page.get(f"/ledger/{key}").text
    told = {"happened": True, "reason": "zq@corp.example.org saw it", "result": {"posted": "silent"}}
    with site.client("amir") as client:
        assert client.post(f"/v1/ledger/{key}/resolve", json=told).status_code == 200
    with site.browser(site.session("amir"), accept="text/html") as page:
        row, run = (page.get(at).text for at in (f"/ledger/{key}", f"/runs/{record['run_id']}"))
    assert "<dt>Settled by</dt><dd>amir <time" in row
    assert "saw it”" in row
    assert "&#34;posted&#34;: &#34;silent&#34;" in row
    assert "Settled by amir <time" in run
    assert "zq@corp.example.org" not in row + run


def test_the_page_of_a_run_tells_that_no_worker_runs_from_that_none_has_its_code(project: Path) -> None:
    with Clearway.open(project) as app, running(app, work=False) as site:
        site.release()
        with site.client("dana") as client:
            run_id = client.post("/v1/runs", json={"text": "x", "skill": "notice", "input": {"board": "b"}}).json()[
                "data"
            ]["run_id"]
        with site.browser(site.session("vera"), accept="text/html") as page:
            assert "No worker is running" in page.get(f"/runs/{run_id}").text
            object.__setattr__(app.desk, "is_served", lambda: True)  # by a worker with other code
            told = page.get(f"/runs/{run_id}").text
    assert "No worker has its code" in told
    assert "No worker is running" not in told
