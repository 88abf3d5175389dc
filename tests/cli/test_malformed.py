"""Whatever is wrong, it is one clear line and an exit code, never a traceback; with --json a document too."""

import json
import os
from pathlib import Path

import pytest

from clearway.cli import main as main_module
from clearway.cli.context import At, Shared
from tests.cli.conftest import SMALL, Cli, Ended


def check(ended: Ended, code: int) -> dict[str, object]:
    assert ended.code == code, ended
    assert "Traceback" not in ended.err
    assert len(ended.err.splitlines()) == 1
    assert ended.err.startswith("error: ")
    error = json.loads(ended.out)["error"]
    assert json.loads(ended.out) == {"clearway": "v1", "kind": "error", "error": error}
    assert set(error) == {"code", "message", "remedy", "retryable"}
    return error


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ('{"account": "1", "account": "2"}', "names a key twice"),
        ('{"amount_minor": NaN}', "NaN is not JSON"),
        ("[1]", "not a JSON object"),
        ("{", "not valid JSON at line 1"),
        ("[" * 500 + "]" * 500, "nested"),
        ('"\udcff"', "UTF-8"),
    ],
)
def test_malformed_json_is_named(cli: Cli, given: str, what: str) -> None:
    error = check(cli("run", "Refund it", "--skill", "desk", "--input", given, "--as", "dana", "--json"), 2)
    assert error["code"] == "json"
    assert what in str(error["message"])


@pytest.mark.parametrize(
    "words",
    [
        ("run", "Refund \udcff", "--as", "dana"),
        ("run", "Refund it", "--skill", "desk\udcff", "--input", "{}", "--as", "dana"),
        ("run", "Refund it", "--skill", "desk", "--input", r'{"account": "\ud83d", "amount_minor": 1}', "--as", "dana"),
        ("runs", "show", "run_\udcff"),
        ("ledger", "list", "--run", "run_\udcff"),
    ],
)
def test_a_text_that_is_no_unicode_is_named_as_such_with_what_to_send(cli: Cli, words: tuple[str, ...]) -> None:
    error = check(cli(*words, "--json"), 2)
    assert error["code"] == "not_canonical"
    assert "half of a surrogate pair" in str(error["message"])
    assert str(error["remedy"]).startswith("Send whole characters: in UTF-8")


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (("--key", "two words"), "idempotency_key", 2),
        (("--key", "x" * 201), "idempotency_key", 2),
        (("--request-id", "a\nb"), "request_id", 2),
        (("--env", "nowhere"), "environment", 2),
        (("--tenant", "nowhere"), "tenant", 2),
        (("--as", "nobody"), "unknown_principal", 2),
        (("--skill", "nothing"), "not_found", 2),
        (("--store", "mysql://x"), "config", 2),
        (("--store", "sqlite:///:memory:"), "config", 2),
        (("--store", "postgresql://127.0.0.1:1/x"), "store_lost", 5),
        (("--wait", "-1"), "usage", 2),
        (("--nope",), "usage", 2),
        (("--input", '{"account": "1"}'), "arguments", 2),
    ],
)
def test_malformed_options_are_named(cli: Cli, words: tuple[str, ...], code: str, exit_code: int) -> None:
    assert check(cli(*SMALL, *words, "--json"), exit_code)["code"] == code


def test_a_text_that_fits_no_skill_starts_nothing(cli: Cli) -> None:
    assert check(cli("run", "xyzzy", "--as", "dana", "--json"), 2)["code"] == "no_route"


def test_a_broken_project_names_every_place(cli: Cli, project: Path) -> None:
    (project / "clearway.toml").write_text("[project]\nname = 5\n[users.dana]\nrolls = 1\n")
    ended = cli("runs", "list", "--json")
    assert (ended.code, ended.document["error"]["code"]) == (2, "config")
    assert "clearway.toml:2: " in ended.err
    assert "clearway.toml:4: " in ended.err
    (project / "clearway.toml").write_bytes(b"\xff\x00 = [")
    check(cli("runs", "list", "--json"), 2)


def test_there_has_to_be_a_project(bare: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert check(bare("runs", "list", "--json"), 2)["code"] == "no_project"
    error = check(bare("runs", "list", "--project", str(tmp_path / "nowhere"), "--json"), 2)
    assert (error["code"], "nowhere" in str(error["message"])) == ("no_project", True)


def test_a_damaged_keyring_or_store_is_named(cli: Cli, project: Path) -> None:
    keyring, store = project / ".clearway" / "keyring.json", project / ".clearway" / "clearway.db"
    whole = keyring.read_bytes()
    keyring.write_text('{"version": 1, "version": 2')
    assert check(cli("runs", "list", "--json"), 2)["code"] == "config"
    keyring.write_bytes(whole)
    store.write_bytes(b"this is no database at all, but long enough to be looked at" * 100)
    assert "is not a SQLite database" in str(check(cli("runs", "list", "--json"), 2)["message"])


@pytest.mark.parametrize("key", ["nonsense", "cw_prod_0000000000000000_" + "0" * 72, "cw_\x1b[31m"])
def test_a_key_that_is_none_is_refused_alike(cli: Cli, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("CLEARWAY_KEY", key)
    error = check(cli("runs", "list", "--env", "prod", "--json"), 3)
    assert (error["code"], error["message"]) == ("unauthenticated", "The key is not valid.")


@pytest.mark.parametrize(
    "words",
    [
        ("runs", "show", "run_x"),
        ("approvals", "show", "apr_x"),
        ("ledger", "show", "x"),
        ("runs", "cancel", "run_x", "--reason", "x", "--as", "amir"),
        ("runs", "retry", "run_x", "--reason", "x", "--as", "amir"),
        ("approvals", "approve", "apr_x", "--digest", "0" * 12, "--as", "amir"),
        ("ledger", "resolve", "x", "--happened", "--reason", "x", "--as", "amir"),
        ("ledger", "resolve", "--run", "run_x", "--step", "s1", "--happened", "--reason", "x", "--as", "amir"),
        ("grants", "revoke", "gra_x", "--reason", "x", "--as", "amir"),
        ("keys", "revoke", "x", "--as", "olga"),
        ("kill", "release", "tool", "refund", "--reason", "x", "--as", "amir"),
        ("audit", "prove", "1"),
    ],
)
def test_what_is_not_there_is_not_found(cli: Cli, words: tuple[str, ...]) -> None:
    assert check(cli(*words, "--json"), 2)["code"] == "not_found"


@pytest.mark.parametrize("words", [("no-such",), ("runs", "no-such"), ("run",), ("runs", "list", "--limit", "x")])
def test_what_is_no_command_is_a_usage_error(cli: Cli, words: tuple[str, ...]) -> None:
    assert check(cli(*words, "--json"), 2)["code"] == "usage"


def test_a_defect_is_one_line_and_its_place_is_in_the_log(
    cli: Cli,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret 4242")

    monkeypatch.setattr("clearway.operate.local.LocalOperations.runs", fail)
    error = check(cli("runs", "list", "--json"), 5)
    assert error["code"] == "internal"
    log = project / ".clearway" / "clearway.log"
    record = json.loads(log.read_text())
    assert (record["exception"], log.stat().st_mode & 0o777) == ("RuntimeError", 0o600)
    assert any("test_malformed.py" in frame for frame in record["frames"])
    assert "4242" not in log.read_text()
    monkeypatch.setenv(main_module.DEBUG_VARIABLE, "1")
    with pytest.raises(RuntimeError):
        cli("runs", "list")


def test_a_password_in_the_stores_url_is_not_repeated(bare: Cli, tmp_path: Path) -> None:
    at = At(Shared(project=tmp_path, store="postgresql://user:hush@host/db"))
    assert at.command("worker") == f"clearway worker --project {tmp_path}"
    ended = bare("runs", "postgresql://user:hush@host/db", "--json")
    assert (ended.code, "hush" in ended.out + ended.err) == (2, False)


def test_whoever_reads_the_output_may_stop_early(project: Path) -> None:
    import subprocess
    import sys

    read, write = os.pipe()
    os.close(read)
    words = (sys.executable, "-m", "clearway", "tools", "list", "--project", str(project))
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_the_version_is_said(bare: Cli) -> None:
    ended = bare("--version")
    assert (ended.code, ended.out.startswith("clearway ")) == (0, True)


def test_a_terminal_that_cannot_show_a_character_is_no_error(cli: Cli, waiting: tuple[str, str]) -> None:
    import subprocess
    import sys

    words = (sys.executable, "-m", "clearway", "--help")
    done = subprocess.run(words, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Exit codes" in done.stdout
