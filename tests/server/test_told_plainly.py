"""What somebody is told who sent too little, or whose policies are broken."""

import logging
from pathlib import Path

import pytest

from clearway.app import Clearway
from clearway.cli.serve import _tell_broken  # pyright: ignore[reportPrivateUsage]  # what serve logs at its start
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
    assert told == "The request does not fit its description: a field that is not in it."
    assert both == "The request does not fit its description: body.text and a field that is not in it."


def test_policies_that_deny_everything_are_named_in_the_log_and_on_the_overview(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Clearway.open(project) as app:
        _tell_broken(app)
        assert not caplog.records
    main = project / "policies" / "main.cedar"
    main.write_text(main.read_text().rstrip("\n") + "\npermit (\n")
    place = f"main.cedar:{len(main.read_text().splitlines())}, so nothing is allowed."
    with Clearway.open(project) as app, running(app, work=False) as site:
        with caplog.at_level(logging.ERROR, "clearway.server"):
            _tell_broken(app)
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


def test_the_form_for_an_effect_in_doubt_says_that_without_a_result_the_skill_gets_null(site: Site) -> None:
    with site.client("dana") as client:
        started = client.post("/v1/runs", json={"text": "x", "skill": "notice", "input": {"board": "silent"}})
    record = site.ended(started.json()["data"]["run_id"])
    with site.client("amir") as client:
        key = client.get("/v1/ledger", params={"run_id": record["run_id"]}).json()["data"]["items"][0]["key"]
    with site.browser(site.session("amir"), accept="text/html") as page:
        assert "Without one it gets null" in page.get(f"/ledger/{key}").text
