"""Kill switches, grants and keys; and who may do what where."""

from pathlib import Path

import pytest

from tests.cli.conftest import LARGE, SMALL, Cli


def test_a_kill_switch_stops_effects_until_two_people_release_it(cli: Cli) -> None:
    assert cli("kill", "engage", "tool", "refund", "--reason", "wrong amounts", "--as", "amir").code == 0
    stopped = cli(*SMALL, "--json")
    assert (stopped.code, stopped.data["failure"]["code"]) == (3, "kill_switch")
    first = cli("kill", "release", "tool", "refund", "--reason", "mended", "--as", "amir")
    assert (first.code, "second person" in first.out, "missing: " in first.err) == (4, True, True)
    assert cli("kill", "release", "tool", "refund", "--reason", "mended", "--as", "amir").code == 1
    assert "released" in cli("kill", "release", "tool", "refund", "--reason", "mended", "--as", "olga").out
    assert cli(*SMALL).code == 0
    listed = cli("kill", "list", "--json").data["items"]
    assert (listed[0]["engaged"], listed[0]["at"][-1]) == (False, "Z")


def test_whoever_asked_for_a_release_and_lost_the_right_does_not_count_when_the_second_one_asks(
    cli: Cli, project: Path
) -> None:
    release = ("kill", "release", "tool", "refund", "--reason", "mended", "--json", "--as")
    assert cli("kill", "engage", "tool", "refund", "--reason", "wrong amounts", "--as", "amir").code == 0
    assert cli(*release, "amir").data["release_votes"] == ["user:amir"]
    settings = (project / "clearway.toml").read_text()
    operator = 'roles = { dev = ["operator"], prod = ["operator"] }'
    assert settings.count(operator) == 1
    (project / "clearway.toml").write_text(settings.replace(operator, 'roles = { dev = ["viewer"] }'))
    still = cli(*release, "olga")
    assert (still.code, still.data["engaged"], still.data["release_votes"]) == (4, True, ["user:olga"])
    (project / "clearway.toml").write_text(settings)
    assert cli(*release, "olga").document["error"]["code"] == "already_voted"
    again = cli(*release, "amir")
    assert (again.code, again.data["engaged"], again.data["release_votes"]) == (0, False, ["user:olga", "user:amir"])


def test_a_kill_switch_for_something_that_does_not_exist_is_refused(cli: Cli) -> None:
    ended = cli("kill", "engage", "tool", "refnd", "--reason", "x", "--as", "amir")
    assert ended.code == 2
    assert 'Did you mean "refund"?' in ended.err
    assert cli("kill", "engage", "tool", "--reason", "x", "--as", "amir").code == 2
    assert cli("kill", "engage", "tenant", "globex", "--reason", "x", "--as", "amir").code == 2
    assert cli("kill", "engage", "planet", "--reason", "x", "--as", "amir").code == 2
    assert cli("kill", "engage", "tenant", "--reason", "x", "--as", "dana").code == 3


def test_a_grant_holds_once_somebody_else_has_approved_it(cli: Cli) -> None:
    bounds = '{"account": {"equals": "9182"}, "amount_minor": {"max": 300000}, "memo": {"any": true}}'
    asked = cli(
        "grants",
        "ask",
        "refund",
        "--target",
        "account:9182",
        "--bounds",
        bounds,
        "--max-uses",
        "1",
        "--reason",
        "month end",
        "--as",
        "amir",
        "--json",
    )
    approval = asked.data["approval_id"]
    assert (asked.code, "missing: approval by 1 of finance" in asked.err) == (4, True)
    shown = cli("approvals", "show", approval)
    for text in ("the asker's reason", "month end", "account:9182", "300000", "max_uses"):
        assert text in shown.out
    digest = cli("approvals", "show", approval, "--json").data["presented_digest"]
    for refused, why in (("amir", "separation_of_duties"), ("olga", "admin_approves")):
        ended = cli("approvals", "approve", approval, "--digest", digest, "--as", refused, "--json")
        assert (ended.code, ended.document["error"]["code"]) == (3, why)
    assert cli("approvals", "approve", approval, "--digest", digest, "--as", "bo").code == 0
    assert cli(*LARGE).code == 0
    assert cli(*LARGE).code == 4
    grant = cli("grants", "list", "--json").data["items"][0]
    assert (grant["uses"], grant["expires_at"][-1]) == (1, "Z")
    assert "1 of 1" in cli("grants", "list").out
    assert cli("grants", "revoke", grant["grant_id"], "--reason", "done", "--as", "amir").code == 0


def test_outside_dev_a_key_says_who_is_acting(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    named = cli("runs", "list", "--env", "prod", "--as", "dana", "--json")
    assert (named.code, named.document["error"]["code"]) == (3, "identity_not_proven")
    unnamed = cli("runs", "list", "--env", "prod", "--json")
    assert (unnamed.code, unnamed.document["error"]["code"]) == (3, "unauthenticated")
    assert "CLEARWAY_KEY" in unnamed.document["error"]["remedy"]

    stranger = cli("keys", "create", "nobody", "--env", "prod", "--first")
    assert stranger.code == 2
    assert "user:ID (the command line takes the ID alone), or service:ID" in stranger.err
    assert cli("keys", "create", "dana", "--env", "prod", "--first").code == 0, "that of no admin makes no further ones"
    key = cli("keys", "create", "olga", "--env", "prod", "--first").out.strip()
    assert cli("keys", "create", "dana", "--env", "prod", "--first", "--json").document["error"]["code"] == "not_first"
    monkeypatch.setenv("CLEARWAY_KEY", key)
    for_dana = cli("keys", "create", "dana", "--json").data
    listed = cli("keys", "list")
    assert for_dana["key_id"] in listed.out
    assert for_dana["key"] not in listed.out
    assert cli("runs", "list", "--env", "dev", "--json").document["error"]["code"] == "wrong_scope"
    assert cli("runs", "list", "--tenant", "globex", "--json").document["error"]["code"] == "wrong_scope"

    for words in (("kill", "engage", "environment", "--reason", "x"), ("runs", "list")):
        both = cli(*words, "--as", "amir", "--json")
        assert (both.code, both.document["error"]["code"]) == (2, "usage")
    assert cli("kill", "list", "--json").data["items"] == []

    monkeypatch.setenv("CLEARWAY_KEY", for_dana["key"])
    assert cli(*SMALL[:-2], "--wait", "0", "--json").data["user"] == "user:dana"
    assert cli("keys", "create", "amir").code == 3
    monkeypatch.setenv("CLEARWAY_KEY", key)
    assert cli("keys", "revoke", for_dana["key_id"]).code == 0
    monkeypatch.setenv("CLEARWAY_KEY", for_dana["key"])
    assert cli("runs", "list", "--json").document["error"]["code"] == "unauthenticated"


def test_in_dev_nobody_in_particular_may_read_but_not_act(cli: Cli, waiting: tuple[str, str]) -> None:
    assert cli("runs", "show", waiting[0]).code == 0
    for words in (
        ("runs", "cancel", waiting[0], "--reason", "x"),
        ("keys", "create", "dana"),
        SMALL[:-2],
        ("kill", "engage", "global", "--reason", "x"),
    ):
        ended = cli(*words, "--json")
        assert (ended.code, ended.document["error"]["code"]) == (3, "unauthenticated")


def test_another_tenants_things_are_not_there(cli: Cli, waiting: tuple[str, str]) -> None:
    for words in (("runs", "show", waiting[0]), ("approvals", "show", waiting[1])):
        for who in (("--as", "gil"), ("--tenant", "globex")):
            ended = cli(*words, *who, "--json")
            assert (ended.code, ended.document["error"]["code"]) == (2, "not_found")


def test_common_options_stand_before_or_after_the_command(
    bare: Cli,
    cli: Cli,
    project: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert bare("runs", "list", "--project", str(project), "--json").data["items"] == []
    assert bare("--json", "--project", str(project), "runs", "list").data["items"] == []
    monkeypatch.setenv("CLEARWAY_ENV", "prod")
    assert bare("runs", "list", "--project", str(project)).code == 3
    assert bare("--env", "dev", "runs", "list", "--project", str(project)).code == 0
    monkeypatch.chdir(str(project))
    assert bare("runs", "list", "--env", "dev").code == 0
