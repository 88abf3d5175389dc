"""Every command works on a server, or says that it is local. Enumerated: a new command has to be one of the two."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

from clearway.app import Clearway
from clearway.cli.main import main, make_app
from clearway.model.errors import (
    Conflict,
    Denied,
    IdempotencyMismatch,
    Internal,
    Invalid,
    Limited,
    NotFound,
    Unavailable,
)
from clearway.operate.local import LocalOperations
from clearway.operate.operations import Operations
from clearway.remote.connection import error_of
from clearway.remote.operations import Remote
from tests.server.site import LARGE, SMALL, Site, running

#: What works on this machine's project and store only.
LOCAL = {
    ("init",),
    ("demo",),
    ("worker",),
    ("serve",),
    ("policy", "check"),
    ("policy", "test"),
    ("policy", "diff"),
    ("route", "text"),
    ("route", "eval"),
    ("route", "calibrate"),
    ("privacy", "scan"),
    ("privacy", "dataset"),
    ("drill", "rollback"),
    ("owners", "list"),
    ("owners", "codeowners"),
    ("owners", "catalog"),
}


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)["data"]

    @property
    def error(self) -> str:
        return str(json.loads(self.out)["error"]["code"])


Cli = Callable[..., Ended]


@pytest.fixture
def served(app: Clearway) -> Iterator[Site]:
    with running(app) as site:
        yield site


@pytest.fixture
def cli(served: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Types a command at a machine that has neither project nor store, as the holder of `user`'s key."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    def call(*words: str, user: str | None = "dana", environment: str = "prod", server: str | None = None) -> Ended:
        monkeypatch.delenv("CLEARWAY_KEY", raising=False)
        if user is not None:
            monkeypatch.setenv("CLEARWAY_KEY", served.key(user, environment))
        capsys.readouterr()
        code = main(("--server", server or served.url, *words))
        written = capsys.readouterr()
        return Ended(code, written.out, written.err)

    return call


def _commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    command = command or typer.main.get_command(make_app())
    if getattr(command, "commands", None):
        for name, inner in command.commands.items():
            yield from _commands(inner, (*path, name))
    else:
        yield path


def _argument(parameter: Any) -> list[str]:
    value = {"seq": "1", "kind": "tool", "purpose": "seal"}.get(parameter.name, "{}")
    return [value] if parameter.param_type_name == "argument" else [parameter.opts[0], value]


def _typed(path: tuple[str, ...]) -> list[str]:
    """The command with each of its required parameters."""
    command: Any = typer.main.get_command(make_app())
    for word in path:
        command = command.commands[word]
    return [*path, *(word for p in command.params if p.required for word in _argument(p))]


@pytest.mark.parametrize("path", list(_commands()), ids=" ".join)
def test_each_command_asks_the_server_or_says_that_it_is_local(cli: Cli, path: tuple[str, ...]) -> None:
    ended = cli(*_typed(path), "--json", user="olga")
    assert ended.out, ended.err
    document = json.loads(ended.out)
    code = document.get("error", {}).get("code")
    assert code != "no_project", "this command reads a project here: use At.desk, or At.check_local"
    assert code not in ("internal", "method", "not_here"), ended.err
    assert (code == "local_only") is (path in LOCAL), ended.err


def test_the_road_of_a_refund_on_a_server(cli: Cli) -> None:
    given = ("--skill", "desk", "--input", json.dumps(LARGE["input"]), "--key", "order-7", "--json")
    run = cli("run", "Refund it", *given, "--wait", "20")
    assert (run.code, run.data["status"]) == (4, "waiting")
    run_id, approval = run.data["run_id"], run.data["approvals"][0]["approval_id"]
    assert f"clearway approvals show {approval} --server http://127.0.0.1" in run.err
    assert cli("run", "Refund it", *given, "--wait", "0").data["new"] is False
    assert cli("run", "Another", *given, "--wait", "0").error == "idempotency_mismatch"
    assert cli("approvals", "list").out.count(approval) == 1
    shown = cli("approvals", "show", approval, "--json").data
    words = ("approvals", "approve", approval, "--digest", shown["presented_digest"][7:30], "--json")
    assert cli(*words).code == 3
    assert cli(*words, user="olga").error == "admin_approves"
    ended = cli(*words, "--wait", "20", user="bo")
    assert (ended.code, ended.data["status"]) == (0, "done")
    assert cli("runs", "show", run_id, "--reveal", "--json").data["result"] == {"refunded": 240000}
    assert cli("runs", "show", run_id, "--reveal", "--json", user="bo").error == "not_yours"
    assert "approval.approved" in cli("runs", "show", run_id, "--events").out
    assert cli("runs", "list", "--status", "done", "--json").data["items"][0]["run_id"] == run_id


def test_an_effect_in_doubt_a_kill_switch_and_a_grant_on_a_server(cli: Cli) -> None:
    given = ("--skill", "notice", "--input", '{"board": "silent"}', "--json")
    run_id = cli("run", "Do it", *given, "--wait", "20").data["run_id"]
    resolve = ("ledger", "resolve", "--run", run_id, "--step", "s1", "--reason", "seen", "--happened", "--json")
    assert cli(*resolve).error == "role_missing"
    assert cli(*resolve, "--result", '{"ok": true}', user="amir").data["state"] == "succeeded"
    kill = ("kill", "engage", "tool", "post", "--reason", "x")
    assert cli(*kill).code == 3
    assert cli(*kill, user="amir").code == 0
    assert cli("kill", "engage", "tenant", "--reason", "x", "--json", user="amir").data["id"] == "acme"
    release = ("kill", "release", "tool", "post", "--reason", "x")
    assert cli(*release, user="amir").code == 4
    assert cli(*release, user="olga").code == 0
    bounds = '{"account": {"equals": "1"}, "amount_minor": {"max": 10}, "memo": {"any": true}}'
    ask = ("grants", "ask", "refund", "--target", "account:1", "--bounds", bounds, "--reason", "x", "--json")
    assert cli(*ask, user="amir").data["kind"] == "grant"


def test_keys_users_audit_and_what_if_on_a_server(cli: Cli, tmp_path: Path, served: Site) -> None:
    made = cli("keys", "create", "vera", "--days", "2", "--json", user="olga").data
    listed = cli("keys", "list", "--json", user="olga").data["items"]
    assert made["key_id"] in [key["key_id"] for key in listed]
    assert cli("keys", "revoke", made["key_id"], user="olga").code == 0
    assert cli("keys", "create", "vera", "--first", "--json", user="olga").error == "local_only"
    assert cli("users", "list", "--json", user="olga").data["items"] == []
    assert cli("users", "disable", "nobody", "--reason", "x", "--json", user="olga").error == "not_found"
    assert cli("audit", "verify").code == 0
    out = tmp_path / "export"
    exported = cli("audit", "export", "--out", str(out), "--json").data
    assert exported["events"] == len((out / "events.jsonl").read_text().splitlines()) > 3
    files = ("--checkpoint", str(out / "checkpoint.txt"), "--public-key", str(out / "public-key.txt"))
    assert cli("audit", "verify", "--export", str(out / "events.jsonl"), *files).code == 0
    assert cli("audit", "verify", *files).code == 0
    assert cli("audit", "prove", "1", "--json").data["leaf_index"] == 0
    explained = cli("policy", "explain", "refund", '{"account": "1", "amount_minor": 9}', "--json").data
    assert (explained["verdict"], explained["environment"]) == ("allow", "prod")
    as_vera = cli("policy", "explain", "refund", '{"account": "1", "amount_minor": 9}', "--as", "vera", "--json")
    assert as_vera.data["verdict"] == "deny"


def test_what_models_took_is_told_by_a_server(cli: Cli) -> None:
    assert cli("costs", "--days", "7", "--json", user="vera").data == {"items": [], "next": None}
    assert cli("costs", "--days", "400", "--json").code == 2
    assert cli("costs", "--json", user="nobody").error == "role_missing"


def test_an_export_of_several_pages_is_whole(served: Site) -> None:
    with served.client("dana") as client:
        for _ in range(3):
            served.ended(client.post("/v1/runs", json=SMALL).json()["data"]["run_id"])
        lines: list[str] = []
        after: int | None = 0
        while after is not None:
            page = client.post("/v1/audit/export", json={"after": after, "limit": 7}).json()["data"]
            lines += page["lines"]
            assert (page["next"] is None) is (page["checkpoint"] is not None)
            after = page["next"]
    import base64

    from clearway.operate.audit import verify_export

    public = base64.b64decode(page["public_key"])
    assert verify_export(lines, checkpoint=page["checkpoint"], public_key=public).status == "intact"
    assert verify_export(lines[:-9], checkpoint=page["checkpoint"], public_key=public).status == "tampered"


def test_who_where_and_which_role_are_checked(cli: Cli) -> None:
    assert cli("runs", "list", "--json", user=None).error == "unauthenticated"
    assert cli("runs", "list", "--as", "dana", "--json").error == "usage"
    assert cli("runs", "list", "--tenant", "globex", "--json").error == "wrong_scope"
    assert cli("runs", "list", "--env", "dev", "--json").error == "wrong_scope"
    assert cli("runs", "list", "--env", "prod", "--tenant", "acme", "--json").code == 0
    assert cli("runs", "list", "--role", "admin", "--json").error == "role_not_held"
    assert cli("runs", "show", "../../etc/passwd", "--json").error == "not_found"
    assert cli("runs", "show", "..", "--json").error == "not_found"
    assert cli("runs", "list", "--limit", "0", "--json").error == "limit"
    assert cli("runs", "list", "--cursor", "%%%", "--json").error == "cursor"
    assert cli("run", "x", "--key", "with blank", "--json").error == "idempotency_key"


@pytest.mark.parametrize(
    "url", ["http://clearway.example.com", "ftp://127.0.0.1", "https://user:pass@host", "127.0.0.1:8080", "https://"]
)
def test_a_key_goes_to_no_url_that_is_not_safe(cli: Cli, url: str) -> None:
    ended = cli("runs", "list", "--json", server=url)
    assert (ended.code, ended.error) == (2, "server_url")
    assert "pass" not in ended.err


def test_a_server_that_is_away_or_none_of_ours_is_said(cli: Cli) -> None:
    assert cli("runs", "list", "--json", server="http://127.0.0.1:9").error == "server_away"
    shown = error_of(404, b"<html>", {})
    assert (type(shown), shown.code) == (Internal, "no_server")
    assert isinstance(error_of(502, b"<html>", {}), Unavailable)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (422, "arguments", Invalid),
        (422, "idempotency_mismatch", IdempotencyMismatch),
        (403, "role_missing", Denied),
        (404, "not_found", NotFound),
        (409, "already_decided", Conflict),
        (429, "limited", Limited),
        (503, "busy", Unavailable),
        (500, "internal", Internal),
    ],
)
def test_a_problem_becomes_the_error_that_it_was(status: int, code: str, kind: type) -> None:
    said = json.dumps({"code": code, "detail": "What.", "remedy": "Do."}).encode()
    error = error_of(status, said, {"retry-after": "7"})
    assert type(error) is kind
    assert (error.code, error.message, error.remedy) == (code, "What.", "Do.")
    assert getattr(error, "retry_after_s", 7.0) == 7.0


def test_the_client_has_every_operation_and_follows_a_run(served: Site) -> None:
    wanted = {name for name in vars(Operations) if not name.startswith("_")}
    with Remote(served.url, served.key("dana")) as remote:
        ops: Operations = remote.operations()
        assert wanted <= set(dir(type(ops)))
        assert wanted <= set(dir(LocalOperations))
        run_id = ops.start("Refund it", skill="desk", input=SMALL["input"])["run_id"]
        events = list(remote.operations().follow(run_id))
        assert [e["kind"] for e in events] == [e["kind"] for e in ops.run(run_id)["events"]]
        assert list(remote.operations().follow(run_id, after=events[-1]["seq"])) == []
        assert remote.is_served()
        assert ops.caller == served.app.access.authenticate(served.key("dana"))


def test_a_redirect_takes_the_key_nowhere(served: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(307, headers={"location": "https://evil.example/"})

    with Remote(served.url, served.key("dana")) as remote:
        remote._connection._client = httpx.Client(transport=httpx.MockTransport(answer), base_url=served.url)
        with pytest.raises(Internal, match="no Clearway"):
            remote.operations().runs()
    assert len(asked) == 1
