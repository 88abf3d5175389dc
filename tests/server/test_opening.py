"""A token is opened on the page where it stands: by declared right, with a reason, on the record, and kept nowhere."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from clearway.app import Clearway
from clearway.model.identity import Scope
from clearway.operate.privacy import Privacy
from clearway.server.console.pages import environment
from tests.server.site import FILES, LARGE, Site, running, write_project

MAIL, CARD = "jane.q@example.com", "4111 1111 1111 1111"
RIGHTS = """\
[privacy.reveal]
finance = ["EMAIL", "SPELL"]
operator = ["CARD"]
[privacy.patterns]
SPELL = "abra[^ ]+cadabra"
"""
#: Accounts are people's; a board is shown as another one of its form.
BANK = (
    FILES["tools/bank.py"]
    .replace('owner="billing",', 'owner="billing", subject="account",')
    .replace('owner="desk", timeout_s=30', 'owner="desk", timeout_s=30, format_keeping=["board"]')
    .replace("post(board: str)", 'post(board: Annotated[str, Field(pattern="^[0-9]{16}$")])')
    .replace(
        "from clearway import", "from typing import Annotated\n\nfrom pydantic import Field\n\nfrom clearway import"
    )
)
ACME = Scope("acme", "prod")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """People in finance open e-mail addresses, operators open cards, nobody else opens anything."""
    folder = write_project(
        tmp_path_factory.mktemp("opening") / "project",
        **{
            "clearway.toml": FILES["clearway.toml"] + RIGHTS,
            "tools/bank.py": BANK,
        },
    )
    with Clearway.open(folder) as app, running(app) as site:
        yield site


def asked(site: Site, memo: str = f"{MAIL} pays with {CARD}", account: str = "9182") -> dict[str, Any]:
    """A run that waits for approval, with its memo in tokens."""
    wanted = {**LARGE, "input": {**LARGE["input"], "memo": memo, "account": account}}
    with site.client("dana") as dana:
        run = site.ended(dana.post("/v1/runs", json=wanted).json()["data"]["run_id"])
    step = next(step for step in run["steps"] if step["tool"] == "refund")
    return {**run, "memo": step["arguments"]["memo"], "key": step["key"]}


def pages(run: dict[str, Any]) -> dict[str, str]:
    approval = run["approvals"][0]["approval_id"]
    return {
        f"approval {approval}": f"/inbox/{approval}",
        f"run {run['run_id']}": f"/runs/{run['run_id']}",
        f"ledger {run['key']}": f"/ledger/{run['key']}",
    }


def token_of(run: dict[str, Any], kind: str) -> str:
    found = re.search(rf"<{kind}:1\w+>", run["memo"])
    assert found, run["memo"]
    return found[0]


def openings(site: Site) -> list[tuple[str, dict[str, Any]]]:
    events = site.app.store.read(ACME, lambda tx: tx.audit.read())
    return [(event.kind, event.payload or {}) for event in events if event.kind.startswith("vault.")]


def test_an_approver_opens_a_token_on_each_page_and_who_what_why_and_where_is_recorded(desk: Site) -> None:
    run = asked(desk)
    token = token_of(run, "EMAIL")
    with desk.browser(desk.session("bo"), accept="text/html") as bo:
        for at, path in pages(run).items():
            shown = bo.get(path)
            assert MAIL not in shown.text
            assert token in unescape(shown.text)
            assert f'data-open-token="{token.replace("<", "&lt;").replace(">", "&gt;")}"' in shown.text
            assert 'data-open-type="CARD"' not in shown.text  # bo does not open those
            answer = bo.post(f"{path}/open", json={"token": token, "reason": f"it bounced, says {MAIL}"})
            assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
            assert MAIL in answer.text
            kind, payload = openings(desk)[-1]
            assert kind == "vault.opened"
            assert (payload["by"], payload["token"], payload["at"], payload["for"]) == ("user:bo", token, at, "reveal")
            assert MAIL not in str(payload)
            assert MAIL not in bo.get(path).text  # a reload is without it


def test_without_the_right_there_is_no_button_and_the_attempt_is_refused_and_recorded(desk: Site) -> None:
    run = asked(desk)
    mail, card = token_of(run, "EMAIL"), token_of(run, "CARD")
    for user, token in (("vera", mail), ("dana", card), ("bo", card)):
        with desk.browser(desk.session(user), accept="text/html") as reader:
            for at, path in pages(run).items():
                text = reader.get(path).text
                assert ("data-open-token" in text) is (user == "bo")
                answer = reader.post(f"{path}/open", headers={"accept": "*/*"}, json={"token": token, "reason": "x"})
                assert (answer.status_code, answer.json()["code"]) == (403, "reveal_denied")
                assert "[privacy.reveal]: restart after a change" in answer.json()["remedy"]
                assert openings(desk)[-1][0] == "vault.refused"
                assert openings(desk)[-1][1]["at"] == at
    with desk.browser(desk.session("nobody")) as nobody, desk.browser(None) as unknown:
        for path in pages(run).values():
            answers = [one.post(f"{path}/open", json={"token": mail, "reason": "x"}) for one in (nobody, unknown)]
            assert [answer.status_code for answer in answers] == [403, 401]
            assert answers[0].json()["code"] == "role_missing"


def test_it_takes_a_reason_a_token_that_stands_there_and_a_fresh_proof(desk: Site) -> None:
    run, other = asked(desk), asked(desk, "write to else@example.com")
    token, elsewhere = token_of(run, "EMAIL"), token_of(other, "EMAIL")
    old = desk.session("bo", proven_at=1.0)
    with desk.browser(desk.session("bo")) as bo, desk.browser(old) as stale:
        for path in pages(run).values():
            for body, status, code in (
                ({"token": token, "reason": " "}, 422, "reason"),
                ({"token": elsewhere, "reason": "x"}, 404, "token_unknown"),
                ({"token": "memo", "reason": "x"}, 422, "token"),
                ({"token": token}, 422, "invalid"),
            ):
                answer = bo.post(f"{path}/open", json=body)
                assert (answer.status_code, answer.json()["code"]) == (status, code), (path, body)
            answer = stale.post(f"{path}/open", json={"token": token, "reason": "x"})
            assert (answer.status_code, answer.json()["code"]) == (403, "step_up")
        body = {"token": token, "reason": "x"}
        assert stale.post("/v1/privacy/reveal", json=body).json()["code"] == "step_up"
        assert bo.post("/v1/privacy/reveal", json=body).status_code == 200
        assert "at" not in openings(desk)[-1][1]


def test_what_was_opened_is_escaped_and_made_visible(desk: Site) -> None:
    spell = "abra<script>alert(1)</script>\u202ecadabra"
    run = asked(desk, f"say {spell} now")
    with desk.browser(desk.session("bo")) as bo:
        path = pages(run)[f"run {run['run_id']}"]
        answer = bo.post(f"{path}/open", json={"token": token_of(run, "SPELL"), "reason": "x"})
    assert answer.status_code == 200, answer.text
    assert "<script" not in answer.text
    written = environment().get_template("opened.html").render(value="\u202e<b>\n2")
    assert written.startswith('<code class="opened" tabindex="-1"><mark class="hidden-char"')
    assert written.endswith("</mark>&lt;b&gt;\n2</code>")


def test_of_an_erased_person_it_says_so(desk: Site) -> None:
    run = asked(desk, "erase gone@example.com", account="77")
    with desk.client("bo") as bo:
        approval = run["approvals"][0]["approval_id"]
        digest = bo.get(f"/v1/approvals/{approval}").json()["data"]["presented_digest"]
        bo.post(f"/v1/approvals/{approval}/reject", json={"presented_digest": digest, "comment": "no"})
        assert desk.ended(run["run_id"], final=True)["status"] == "refused"
    officer = desk.app.directory.find("user:amir", ACME)
    assert officer is not None
    Privacy(desk.app.store, desk.app.vaults).erase(
        "77", replace(officer, roles=frozenset({"privacy_officer"})), "she asked"
    )
    with desk.browser(desk.session("bo")) as bo:
        for path in pages(run).values():
            answer = bo.post(f"{path}/open", json={"token": token_of(run, "EMAIL"), "reason": "x"})
            assert (answer.status_code, answer.json()["code"]) == (410, "erased"), path
            assert "erased" in answer.json()["detail"]


def test_a_stand_in_is_opened_too_where_the_reader_may(desk: Site) -> None:
    with desk.client("dana") as dana:
        wanted = {"text": "Post it", "skill": "notice", "input": {"board": "4111111111111111"}}
        run = desk.ended(dana.post("/v1/runs", json=wanted).json()["data"]["run_id"], final=True)
    (step,) = run["steps"]
    shown = step["arguments"]["board"]
    assert re.fullmatch("9[0-9]{15}", shown)
    with desk.browser(desk.session("amir"), accept="text/html") as amir:
        path = f"/ledger/{step['key']}"
        assert f'data-open-token="{shown}" data-open-type="CARD"' in amir.get(path).text
        answer = amir.post(f"{path}/open", json={"token": shown, "reason": "x"})
        assert "4111111111111111" in answer.text
    with desk.browser(desk.session("vera"), accept="text/html") as vera:
        assert "data-open-token" not in vera.get(path).text
