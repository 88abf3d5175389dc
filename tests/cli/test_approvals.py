"""`clearway approvals`: the decision is bound to what was shown."""

import os
import pty
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Cli


def test_an_approver_is_shown_everything_that_the_digests_bind(cli: Cli, waiting: tuple[str, str], digest: str) -> None:
    ended = cli("approvals", "show", waiting[1])
    assert ended.code == 0
    for text in (
        "Refund 240000 to account 9182",
        "account:9182",
        "240000",
        "user:dana",
        "agent:desk",
        "external",
        "the agent's claim (not verified)",
        "asked:",
        "large-refunds",
        "0 of 1",
        "min left",
        "acme/dev",
        digest,
        "action digest",
    ):
        assert text in ended.out
    assert f"--digest {digest.removeprefix('sha256:')[:16]}" in ended.err


def test_without_a_terminal_a_digest_has_to_name_what_was_shown(cli: Cli, waiting: tuple[str, str]) -> None:
    for words in ((), ("--yes",), ("--json",)):
        ended = cli("approvals", "approve", waiting[1], "--as", "amir", *words)
        assert ended.code == 2
        assert "--digest" in ended.err
    assert cli("approvals", "list").out.count("pending") == 1


def test_another_digest_is_refused_and_nothing_is_recorded(cli: Cli, waiting: tuple[str, str], digest: str) -> None:
    other = "0" * 64 if not digest.endswith("0" * 64) else "1" * 64
    for verb, more in (("approve", ()), ("reject", ("--comment", "no"))):
        ended = cli("approvals", verb, waiting[1], "--digest", other, "--as", "amir", "--json", *more)
        assert (ended.code, ended.document["error"]["code"]) == (1, "digest_mismatch")
    short = cli("approvals", "approve", waiting[1], "--digest", digest[7:18], "--as", "amir", "--json")
    assert (short.code, short.document["error"]["code"]) == (2, "digest")
    assert cli("approvals", "show", waiting[1], "--json").data["votes"] == []


def test_an_approval_with_a_prefix_of_the_digest_lets_the_run_go_on(
    cli: Cli, waiting: tuple[str, str], digest: str
) -> None:
    words = ("approvals", "approve", waiting[1], "--digest", digest[7:19], "--comment", "fine", "--as", "amir")
    ended = cli(*words, "--wait", "20", "--json")
    assert (ended.code, ended.data["status"], ended.data["result"]) == (0, "done", {"refunded": 240000})
    assert cli("approvals", "list", "--state", "consumed", "--json").data["items"][0]["approval_id"] == waiting[1]
    assert cli(*words).code == 1
    for shown in (("runs", "show", waiting[0]), ("approvals", "list", "--state", "all")):
        assert "approve by user:amir: fine" in cli(*shown).out


def test_without_a_worker_it_is_said_how_the_run_goes_on(cli: Cli, waiting: tuple[str, str], digest: str) -> None:
    ended = cli("approvals", "approve", waiting[1], "--digest", digest, "--as", "amir")
    assert (ended.code, "approved" in ended.out) == (0, True)
    assert "clearway worker" in ended.err
    assert f"clearway runs show {waiting[0]} --wait 60" in ended.err


def test_nobody_approves_their_own_request(cli: Cli, waiting: tuple[str, str], digest: str) -> None:
    ended = cli("approvals", "approve", waiting[1], "--digest", digest, "--as", "dana", "--json")
    assert (ended.code, ended.document["error"]["code"]) == (3, "separation_of_duties")
    nobody = cli("approvals", "approve", waiting[1], "--digest", digest, "--json")
    assert (nobody.code, nobody.document["error"]["code"]) == (3, "unauthenticated")


def test_a_rejection_ends_the_run_as_refused(cli: Cli, waiting: tuple[str, str], digest: str) -> None:
    words = ("approvals", "reject", waiting[1], "--digest", digest, "--as", "amir")
    assert cli(*words).code == 2
    ended = cli(*words, "--comment", "not covered", "--wait", "20", "--json")
    assert (ended.code, ended.data["status"]) == (3, "refused")


def test_an_edit_is_a_new_action_that_its_editor_does_not_approve(cli: Cli, waiting: tuple[str, str]) -> None:
    given = '{"account": "9182", "amount_minor": 9000, "memo": ""}'
    ended = cli(
        "approvals",
        "edit",
        waiting[1],
        "--arguments",
        given,
        "--comment",
        "less",
        "--as",
        "amir",
        "--wait",
        "20",
        "--json",
    )
    assert (ended.code, ended.data["status"]) == (4, "waiting")
    fresh = next(a for a in ended.data["approvals"] if a["state"] == "pending")
    shown = cli("approvals", "show", fresh["approval_id"], "--json").data
    assert (shown["requester"], shown["presented"]["arguments"]["amount_minor"]) == ("user:amir", 9000)


def test_on_a_terminal_it_is_shown_and_asked_first(project: Path, waiting: tuple[str, str]) -> None:
    master, slave = pty.openpty()
    words = ("approvals", "approve", waiting[1], "--as", "amir", "--project", str(project))
    with subprocess.Popen(
        [sys.executable, "-m", "clearway", *words], stdin=slave, stdout=slave, stderr=slave
    ) as process:
        os.close(slave)
        seen = _read_until(master, b"Approve this?")
        os.write(master, b"y\n")
        seen += _read_until(master, b"approved")
        assert process.wait(timeout=30) == 0
    os.close(master)
    assert b"Refund 240000 to account 9182" in seen


def _read_until(master: int, wanted: bytes) -> bytes:
    seen = b""
    while wanted not in seen:
        part = os.read(master, 4096)
        assert part, f"it ended before it said {wanted!r}: {seen!r}"
        seen += part
    return seen
