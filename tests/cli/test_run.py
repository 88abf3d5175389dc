"""`clearway run` and `clearway runs`: what becomes of a request, and how the command says so."""

from pathlib import Path

import pytest

from clearway.app import Clearway
from tests.cli.conftest import LARGE, SMALL, Cli


def test_a_run_that_is_done_exits_with_0_and_prints_its_result(cli: Cli) -> None:
    ended = cli(*SMALL)
    assert ended.code == 0
    assert "done" in ended.out
    assert 'result: {"refunded": 2000}' in ended.out
    assert "refund  succeeded" in ended.err


def test_a_run_that_waits_exits_with_4_and_names_the_command_to_type_next(cli: Cli, project: Path) -> None:
    ended = cli(*LARGE)
    assert ended.code == 4
    assert "clearway approvals show apr_" in ended.err
    assert f"--project {project}" in ended.err


@pytest.mark.parametrize(
    ("skill", "given", "status", "code"),
    [
        ("desk", '{"account": "1", "amount_minor": 2000000}', "refused", 3),
        ("notice", '{"board": "gone"}', "failed", 5),
        ("notice", '{"board": "silent"}', "unknown", 6),
    ],
)
def test_each_ending_has_its_exit_code_and_says_where_and_whose_it_is(
    cli: Cli,
    skill: str,
    given: str,
    status: str,
    code: int,
) -> None:
    ended = cli("run", "Do it", "--skill", skill, "--input", given, "--as", "dana")
    assert ended.code == code
    assert f": {status}" in ended.out
    assert "owner" in ended.out + ended.err
    assert "ledger resolve --run run_" in ended.err if status == "unknown" else "ended at step" in ended.out


def test_a_run_that_sleeps_longer_than_the_wait_is_said_to_go_on_with_a_worker(cli: Cli) -> None:
    ended = cli("run", "Remind me in an hour", "--skill", "remind", "--as", "dana", "--wait", "0.3")
    assert ended.code == 4
    assert "clearway worker" in ended.err


def test_without_waiting_a_run_is_only_queued(cli: Cli) -> None:
    ended = cli(*SMALL, "--wait", "0", "--json")
    assert (ended.code, ended.data["status"], ended.data["new"]) == (0, "queued", True)
    assert "clearway worker" in ended.err


def test_the_same_key_is_the_same_run_and_another_request_with_it_is_refused(cli: Cli) -> None:
    first = cli(*SMALL, "--key", "order-1", "--wait", "0", "--json").data
    again = cli(*SMALL, "--key", "order-1", "--wait", "0", "--json").data
    assert (again["run_id"], again["new"]) == (first["run_id"], False)
    other = cli(*LARGE, "--key", "order-1", "--json")
    assert (other.code, other.document["error"]["code"]) == (2, "idempotency_mismatch")


def test_a_role_narrows_what_the_run_may_do(cli: Cli) -> None:
    assert cli(*SMALL, "--role", "trainee").code == 3
    assert "role_not_held" in cli(*SMALL, "--role", "operator", "--json").out


def test_the_real_result_is_for_whom_the_run_acts_for(cli: Cli) -> None:
    record = cli(*SMALL, "--reveal", "--json").data
    assert record["result"] == {"refunded": 2000}
    ended = cli("runs", "show", record["run_id"], "--reveal", "--as", "amir", "--json")
    assert (ended.code, ended.document["error"]["code"]) == (3, "not_yours")


def test_a_run_is_shown_whole(cli: Cli, waiting: tuple[str, str]) -> None:
    ended = cli("runs", "show", waiting[0], "--events")
    assert ended.code == 0
    for text in ("waiting", "user:dana", "refund", "held", waiting[1], "approval.requested", "desk"):
        assert text in ended.out


def test_lists_page_and_name_the_command_for_the_next_page(cli: Cli) -> None:
    ids = [cli(*SMALL, "--wait", "0", "--json").data["run_id"] for _ in range(3)]
    first = cli("runs", "list", "--limit", "2", "--status", "queued", "--json")
    assert [run["run_id"] for run in first.data["items"]] == [ids[2], ids[1]]
    assert f"clearway runs list --status queued --limit 2 --cursor {first.data['next']}" in first.err
    rest = cli("runs", "list", "--limit", "2", "--cursor", first.data["next"], "--json")
    assert [run["run_id"] for run in rest.data["items"]] == [ids[0]]
    assert rest.data["next"] is None
    assert "--cursor" not in rest.err
    assert cli("runs", "list", "--cursor", "%%%", "--json").document["error"]["code"] == "cursor"
    assert cli("runs", "list", "--limit", "0", "--json").document["error"]["code"] == "limit"


def test_whoever_reads_follows_a_run_and_carries_nothing_out(cli: Cli) -> None:
    run = cli(*SMALL, "--wait", "0", "--json").data["run_id"]
    ended = cli("runs", "show", run, "--wait", "0.3", "--json")
    assert (ended.code, ended.data["status"]) == (4, "queued")
    assert "No worker is running" in ended.err
    assert cli("runs", "show", run, "--wait", "0.3", "--as", "amir", "--json").data["status"] == "queued"


def test_a_run_is_cancelled_and_the_worker_ends_it(cli: Cli, project: Path, waiting: tuple[str, str]) -> None:
    assert cli("runs", "cancel", waiting[0], "--reason", "not needed", "--as", "dana").code == 0
    with Clearway.open(project) as app, app.working():
        ended = cli("runs", "show", waiting[0], "--wait", "20", "--json")
    assert (ended.code, ended.data["status"]) == (5, "cancelled")
    assert cli("runs", "cancel", waiting[0], "--reason", "again", "--as", "dana").code == 1


def test_a_failed_run_is_carried_on_by_who_may(cli: Cli) -> None:
    run = cli("run", "Do it", "--skill", "notice", "--input", '{"board": "gone"}', "--as", "dana", "--json").data[
        "run_id"
    ]
    assert cli("runs", "retry", run, "--reason", "mended", "--as", "dana").code == 3
    again = cli("runs", "retry", run, "--reason", "mended", "--as", "amir", "--wait", "20", "--json")
    assert (again.code, again.data["run_id"], again.data["status"]) == (5, run, "failed")


def test_a_broken_policy_file_is_named_where_it_denies_everything(cli: Cli, project: Path) -> None:
    main = project / "policies" / "main.cedar"
    main.write_text(main.read_text().rstrip("\n") + "\npermit (\n")
    ended = cli("run", "Do it", "--skill", "notice", "--input", '{"board": "silent"}', "--as", "dana")
    assert ended.code == 3
    told = f"main.cedar:{len(main.read_text().splitlines())}, so nothing is allowed. See `clearway policy check`."
    assert told in ended.out
    with Clearway.open(project) as app:
        scope = app.scope(None, "dev")
        assert told in (app.broken_policy(scope) or "")


def test_an_effect_in_doubt_is_resolved_by_a_person(cli: Cli, project: Path) -> None:
    run = cli("run", "Do it", "--skill", "notice", "--input", '{"board": "silent"}', "--as", "dana", "--json").data[
        "run_id"
    ]
    assert "--happened --result '{…}'" in cli("runs", "show", run, "--wait", "0").err
    named = ("--run", run, "--step", "s1", "--reason", "it is on the board", "--as", "amir")
    assert cli("ledger", "resolve", *named).code == 2
    assert cli("ledger", "resolve", *named, "--happened", "--did-not-happen").code == 2
    assert cli("ledger", "list", "--state", "unknown", "--json").data["items"][0]["ways_out"]
    resolved = cli("ledger", "resolve", *named, "--happened", "--remote-ref", "post-7", "--json").data
    assert (resolved["state"], resolved["remote_ref"]) == ("succeeded", "post-7")
    for row in ((resolved["key"],), ("--run", run, "--step", "s1")):
        shown = cli("ledger", "show", *row).out
        assert "post-7" in shown
        assert "user:amir at 20" in shown
        assert "Z: it is on the board" in shown
    again = cli("ledger", "resolve", *named, "--did-not-happen")
    assert "it is succeeded: user:amir settled it at 20" in again.err
    assert "Nothing was changed." in again.err
    assert "(settled by user:amir at 20" in cli("runs", "show", run).out.replace("\n", " ")
    assert cli("ledger", "show").code == 2
    with Clearway.open(project) as app, app.working():
        assert cli("runs", "show", run, "--wait", "20").code == 0
