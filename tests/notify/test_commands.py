"""`clearway notices list | test`, on this machine and on a server: what was delivered, what was not and why."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clearway.app import Clearway
from clearway.cli.main import main
from clearway.model.identity import Scope
from clearway.model.notice import Delivery, Sending
from clearway.rules.webhooks import verify
from tests.notify.conftest import Receiver
from tests.server.site import FILES, Site, running, write_project

SECRET = "whsec_c2VjcmV0IG9mIHRoZSBwYWdlcg=="
PROD, DEV = Scope("acme", "prod"), Scope("acme", "dev")
TABLES = """
[notifications]
private_hosts = ["127.0.0.1"]
[notifications.channels.pager]
webhook = "{url}"
secret_variable = "TEST_PAGER_SECRET"
[notifications.channels.mail]
variable = "TEST_MAIL"
groups = ["finance"]
"""
Typed = Callable[..., tuple[int, Any]]


@pytest.fixture
def project(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEST_PAGER_SECRET", SECRET)
    toml = FILES["clearway.toml"] + TABLES.format(url=receiver.url)
    return write_project(tmp_path / "project", **{"clearway.toml": toml})


@pytest.fixture
def local(project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Types a command in the project, as somebody in environment dev."""
    monkeypatch.chdir(project)

    def typed(*words: str, user: str = "amir") -> tuple[int, Any]:
        capsys.readouterr()
        code = main((*words, "--as", user, "--json"))
        answer = json.loads(capsys.readouterr().out)
        return code, answer.get("data") or answer["error"]["code"]

    return typed


@pytest.fixture
def served(project: Path) -> Iterator[Site]:
    with Clearway.open(project) as app, running(app, work=False) as site:
        yield site


@pytest.fixture
def remote(served: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Typed:
    """Types a command at a machine that has neither project nor store, with a key of environment prod."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    def typed(*words: str, user: str = "amir") -> tuple[int, Any]:
        monkeypatch.setenv("CLEARWAY_KEY", served.key(user))
        capsys.readouterr()
        code = main((*words, "--server", served.url, "--json"))
        answer = json.loads(capsys.readouterr().out)
        return code, answer.get("data") or answer["error"]["code"]

    return typed


def put(app: Clearway, scope: Scope) -> None:
    rows = [
        Sending(4, "pager", "approval.requested", Delivery.SENT, 1, 1_000.0, ""),
        Sending(5, "pager", "run.finished", Delivery.GIVEN_UP, 8, 2_000.0, "status_503"),
        Sending(5, "mail", "run.finished", Delivery.PENDING, 2, 2_000.0, "not_set"),
    ]
    app.store.write(scope, lambda tx: [tx.notices.put(row) for row in rows])


def events(app: Clearway, scope: Scope) -> list[dict[str, Any]]:
    found = app.store.read(scope, lambda tx: tx.audit.read())
    return [event.payload or {} for event in found if event.kind == "notice.tried"]


def test_deliveries_are_listed_newest_first_and_failed_ones_say_why(project: Path, local: Typed) -> None:
    with Clearway.open(project) as app:
        put(app, DEV)
    code, page = local("notices", "list")
    assert code == 0
    assert [(o["event"], o["channel"], o["state"]) for o in page["items"]] == [
        (5, "pager", "given_up"),
        (5, "mail", "pending"),
        (4, "pager", "sent"),
    ]
    assert [channel["channel"] for channel in page["channels"]] == ["pager", "mail"]
    assert "127.0.0.1" not in json.dumps(page), "where a channel leads may be a secret"
    code, page = local("notices", "list", "--failed", "--limit", "1")
    assert [(o["channel"], o["why"]) for o in page["items"]] == [("pager", "the webhook answered 503")]
    why = local("notices", "list", "--failed")[1]["items"][1]["why"]
    assert why == "the environment variable that the channel names is not set"
    assert local("notices", "list", "--limit", "0") == (2, "limit")


def test_a_table_for_people_names_the_reason(project: Path, local: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    with Clearway.open(project) as app:
        put(app, DEV)
    assert main(("notices", "list", "--failed")) == 0
    assert "the webhook answered 503" in capsys.readouterr().out
    assert main(("notices", "test", "pager", "--as", "amir")) == 0
    assert "sent" in capsys.readouterr().out


def test_a_trial_goes_out_by_the_channel_signed_and_under_an_id_of_its_own(
    project: Path, local: Typed, receiver: Receiver
) -> None:
    for _ in range(2):
        code, tried = local("notices", "test", "pager")
        assert (code, tried["items"]) == (0, [{"channel": "pager", "sent": True, "code": "", "why": ""}])
    notices: list[Any] = [verify(SECRET, headers, body) for headers, body in receiver.got]
    assert [(n["kind"], n["tenant"], n["environment"]) for n in notices] == [("trial", "acme", "dev")] * 2
    assert notices[0]["id"] != notices[1]["id"], "whoever drops what came twice drops none of these"
    with Clearway.open(project) as app:
        found = events(app, DEV)
    assert [(e["by"], e["channel"], e["sent"]) for e in found] == [("user:amir", "pager", True)] * 2


def test_what_cannot_be_sent_is_told_for_each_channel_and_exits_with_1(
    project: Path, local: Typed, receiver: Receiver
) -> None:
    receiver.will = [500]
    code, tried = local("notices", "test")
    assert code == 1
    assert {one["channel"]: (one["code"], one["why"]) for one in tried["items"]} == {
        "pager": ("status_500", "the webhook answered 500"),
        "mail": ("not_set", "the environment variable that the channel names is not set"),
    }
    assert local("notices", "test", "pagr")[1] == "not_found"


def test_sending_takes_an_operator_and_a_project_that_names_a_channel(
    project: Path, local: Typed, receiver: Receiver
) -> None:
    assert local("notices", "test", user="dana") == (3, "role_missing")
    assert local("notices", "list", user="dana")[0] == 0
    (project / "clearway.toml").write_text(FILES["clearway.toml"])
    assert local("notices", "test")[1] == "not_found"
    assert receiver.got == []


def test_a_server_sends_and_lists_for_those_who_may(served: Site, remote: Typed, receiver: Receiver) -> None:
    put(served.app, PROD)
    code, page = remote("notices", "list", "--failed", user="vera")
    assert (code, [o["code"] for o in page["items"]]) == (0, ["status_503", "not_set"])
    assert remote("notices", "list", user="gil")[1]["items"] == [], "nothing of another tenant's"
    for user in ("vera", "dana", "bo"):
        assert remote("notices", "test", user=user) == (3, "role_missing")
    code, tried = remote("notices", "test", "pager")
    assert (code, tried["items"][0]["sent"]) == (0, True)
    assert len(receiver.got) == 1
    assert [e["by"] for e in events(served.app, PROD)] == ["user:amir"]
