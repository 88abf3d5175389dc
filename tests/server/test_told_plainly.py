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
