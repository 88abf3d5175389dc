"""`clearway privacy reveal | erase | retention | rotate`, and what other commands show of what is gone."""

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

SETTINGS = """
[users.petra]
tenant = "acme"
roles = { dev = ["privacy_officer", "system_operator"] }
[privacy.reveal]
privacy_officer = ["*"]
[retention]
transcripts_days = 0.000000001
payloads_days = 0.000000001
"""
MAIL = "jane.quill@example.com"
ASK = (
    "run", "Refund it", "--skill", "desk", "--as", "dana", "--subject", "cus_1",
    "--input", f'{{"account": "9182", "amount_minor": 2000, "memo": "for {MAIL}"}}',
)  # fmt: skip


@pytest.fixture
def desk(cli: Cli, project: Path) -> tuple[Cli, str, str]:
    """(the command line, a run about somebody, the token of their address)."""
    with (project / "clearway.toml").open("a", encoding="utf-8") as opened:
        opened.write(SETTINGS)
    ended = cli(*ASK, "--json")
    assert ended.code == 0, ended.err
    run_id = str(ended.data["run_id"])
    shown = cli("runs", "show", run_id).out
    found = re.search(r"<EMAIL:1[a-z2-7]{16}>", shown)
    assert found, shown
    assert MAIL not in shown
    return cli, run_id, found[0]


def test_a_token_is_revealed_erased_and_gone(desk: tuple[Cli, str, str]) -> None:
    cli, run_id, token = desk
    assert cli("privacy", "reveal", token, "--reason", "curious", "--as", "dana").code == 3
    revealed = cli("privacy", "reveal", token, "--reason", "a call", "--as", "petra")
    assert (revealed.code, revealed.out.strip()) == (0, MAIL)
    counted = cli("privacy", "erase", "--subject", "cus_1", "--reason", "asked", "--dry-run", "--as", "petra", "--json")
    assert counted.data["runs"] == 1
    assert cli("privacy", "erase", "--subject", "cus_1", "--reason", "asked", "--as", "dana").code == 3
    erased = cli("privacy", "erase", "--subject", "cus_1", "--reason", "asked", "--as", "petra")
    assert erased.code == 0
    assert "sealed copies of 1 runs" in erased.out
    nobody = cli("privacy", "erase", "--subject", "cus_l", "--reason", "asked", "--as", "petra")
    assert "nothing is stored here about a person of that id" in nobody.err
    again = cli("privacy", "reveal", token, "--reason", "a call", "--as", "petra")
    assert again.code == 2
    assert "erased" in again.err
    for command in (("runs", "show", run_id), ("runs", "list"), ("ledger", "list"), ("audit", "verify")):
        assert cli(*command).code in (0, 7), command
    assert cli("run", "x", "--skill", "desk", "--input", "{}", "--as", "dana", "--key", "k").code == 2


def test_what_retention_removed_can_still_be_listed_and_shown(desk: tuple[Cli, str, str]) -> None:
    cli, run_id, token = desk
    assert cli("privacy", "retention", "--dry-run", "--as", "petra", "--json").data["counts"] == {
        "transcripts": 1,
        "payloads": 1,
    }
    assert cli("privacy", "retention", "--as", "petra").code == 0
    shown = cli("runs", "show", run_id)
    assert shown.code == 0
    assert token not in shown.out
    assert cli("runs", "show", run_id, "--json").data["status"] == "done"
    assert cli("audit", "verify").code in (0, 7)


def test_an_approval_whose_transcript_is_gone_is_still_shown(
    cli: Cli, waiting: tuple[str, str], digest: str, project: Path
) -> None:
    cli("approvals", "reject", waiting[1], "--as", "amir", "--digest", digest[7:23], "--comment", "no")
    with (project / "clearway.toml").open("a", encoding="utf-8") as opened:
        opened.write(SETTINGS)
    cli("runs", "cancel", waiting[0], "--reason", "x", "--as", "olga")
    cli("worker", "--once")
    assert cli("privacy", "retention", "--as", "petra").code == 0
    for words in (
        ("approvals", "show", waiting[1]),
        ("approvals", "list", "--state", "all"),
        ("runs", "show", waiting[0]),
    ):
        assert cli(*words).code == 0, cli(*words).err


def test_keys_are_rotated_by_a_system_operator(desk: tuple[Cli, str, str]) -> None:
    cli, _, token = desk
    for key in ("seal", "token"):
        assert cli("privacy", "rotate", "--key", key, "--as", "petra").code == 0
        assert cli("privacy", "reveal", token, "--reason", "still", "--as", "petra").out.strip() == MAIL
    assert cli("privacy", "rotate", "--key", "all", "--as", "petra").code == 2
    assert cli("privacy", "rotate", "--as", "dana").code == 3


def test_a_dataset_of_recorded_runs_is_written_by_right_to_a_new_file(
    desk: tuple[Cli, str, str], tmp_path: Path
) -> None:
    cli, run_id, token = desk
    out = tmp_path / "cases.jsonl"
    assert cli("privacy", "dataset", "--out", str(out), "--as", "dana").code == 3
    assert cli("privacy", "dataset", "--out", str(out), "--status", "queued", "--as", "petra").code == 2
    ended = cli("privacy", "dataset", "--out", str(out), "--days", "1", "--skill", "desk", "--as", "petra", "--json")
    assert ended.data["cases"] == 1, ended.err
    text = out.read_text()
    assert run_id in text
    assert token in text
    assert MAIL not in text
    assert cli("privacy", "dataset", "--out", str(out), "--as", "petra").code == 2
    assert cli("audit", "export", "--out", str(tmp_path / "audit")).code == 0
    assert any("dataset.written" in file.read_text() for file in (tmp_path / "audit").iterdir())
