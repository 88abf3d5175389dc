"""Threats 9 and 35: what came from outside acts on no terminal and forges no log record."""

import json
import logging
import re
from pathlib import Path

import pytest

from clearway.cli import logs
from tests.cli.conftest import Cli

EVIL = (
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred\r\nok: true\x00\x08\x9b31m\u202etxt.exe\u200b\u2066"
    "[bold red]x[/][link=javascript:1]"
)
ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def assert_harmless(text: str) -> None:
    assert ACTING.search(text) is None, repr(text)


@pytest.fixture
def evil_run(cli: Cli) -> dict[str, str]:
    given = json.dumps({"account": "9182", "amount_minor": 240000, "memo": EVIL})
    record = cli("run", f"Refund it {EVIL}", "--skill", "desk", "--input", given, "--as", "dana", "--json").data
    approval = record["approvals"][0]["approval_id"]
    return {
        "run": record["run_id"],
        "approval": approval,
        "digest": cli("approvals", "show", approval, "--json").data["presented_digest"],
    }


def test_t09_ansi_and_markup_are_shown_literally_by_every_command(cli: Cli, evil_run: dict[str, str]) -> None:
    run, approval, digest = evil_run["run"], evil_run["approval"], evil_run["digest"]
    shown = cli("approvals", "show", approval)
    assert "\\u{1B}[31mred\\r\\nok: true\\u{0}" in shown.out
    assert "[bold red]x[/][link=javascript:1]" in shown.out
    assert "WARNING: a text contains control characters" in shown.out
    cli("kill", "engage", "tool", "post", "--reason", EVIL, "--as", "amir")
    commands = [
        ("approvals", "show", approval),
        ("approvals", "list"),
        ("approvals", "reject", approval, "--digest", digest, "--comment", EVIL, "--as", "amir", "--wait", "20"),
        ("approvals", "show", approval),
        ("runs", "show", run, "--events"),
        ("runs", "list"),
        ("ledger", "list"),
        ("ledger", "show", cli("ledger", "list", "--json").data["items"][0]["key"]),
        ("kill", "list"),
        ("policy", "explain", "refund", json.dumps({"account": EVIL, "amount_minor": 1, "memo": EVIL}), "--as", "dana"),
        ("runs", "show", EVIL),
        ("runs", "list", "--status", EVIL),
        ("runs", "list", "--skill", EVIL),
        (EVIL,),
        (f"--{EVIL}",),
        ("run", EVIL, "--as", EVIL),
        ("run", EVIL, "--skill", EVIL, "--as", "dana"),
        ("runs", "list", "--limit", EVIL),
        ("policy", "explain", EVIL, "{}", "--as", "dana"),
        ("policy", "explain", "refund", EVIL),
        ("policy", "test", EVIL),
        ("runs", "list", "--project", EVIL.replace("\0", "")),
        ("runs", "list", "--env", EVIL),
        ("demo", "--json", EVIL),
        ("kill", "engage", EVIL, "--reason", "x"),
        ("init", f"/dev/null/{EVIL}".replace("\0", "")),
    ]
    for words in commands:
        for more in ((), ("--json",)):
            ended = cli(*words, *more)
            assert_harmless(ended.out)
            assert_harmless(ended.err)


def test_t09_ansi_in_the_projects_own_words_is_not_acted_on_either(cli: Cli, project: Path) -> None:
    declared = f"@tool(impact='read', description={EVIL!r}, owner='desk')\ndef read_account(account: str) -> dict:\n"
    (project / "tools" / "bank.py").write_text(f"from clearway import tool\n{declared}    return {{}}\n")
    (project / "skills" / "desk.py").write_text("")
    for words in (("tools", "list"), ("policy", "check")):
        ended = cli(*words)
        assert_harmless(ended.out + ended.err)


def test_t35_log_injection_each_record_is_one_valid_json_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLEARWAY_LOG", "json")
    logs.configure()
    logger = logging.getLogger("clearway.test")
    texts = ["a\r\nb", "nul\0", "\x1b[31m", '"}\n{"level": "info"}', "\u2028\u2029\x85", EVIL]
    for text in texts:
        logger.warning("said: %s", text)
    try:
        raise ValueError(EVIL)
    except ValueError:
        logger.exception(EVIL)
    written = capsys.readouterr().err
    assert_harmless(written)
    assert written.isascii()
    records = [json.loads(text) for text in written.splitlines()]
    assert [record["message"] for record in records] == [*(f"said: {text}" for text in texts), EVIL]
    assert (records[-1]["exception"], records[-1]["level"]) == ("ValueError", "error")
    assert {"at", "level", "logger", "message"} <= set(records[0])


def test_t35_log_injection_half_a_character_makes_a_valid_record_too() -> None:
    # Not logged, but formatted: what pytest captures of a log has to be Unicode.
    record = logging.LogRecord("clearway.test", logging.WARNING, "", 0, "half: %s", ("\ud800",), None)
    assert json.loads(logs.JsonLines().format(record))["message"] == "half: \ud800"
    assert logs.PlainLines().format(record) == "warning: half: \\u{D800}"


def test_t35_log_injection_plain_lines_are_one_line_each(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    logs.configure()
    logging.getLogger("clearway.test").warning(EVIL)
    logging.getLogger("clearway.test").info("not said")
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert_harmless(written)
