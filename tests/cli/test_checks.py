"""`clearway policy`, `clearway audit`, and what a project declares."""

import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import SMALL, Cli


def test_policy_check_lists_every_problem_with_its_place(cli: Cli, project: Path) -> None:
    assert (cli("policy", "check").code, cli("policy", "check").out) == (0, "no problems\n")
    main = project / "policies" / "main.cedar"
    main.write_text(
        main.read_text() + '\n@id("bad1") permit (principal, action == Action::"refnd", resource);\n'
        '@id("bad2") permit (principal, action == Action::"refund", resource) when { context.nope };\n'
    )
    ended = cli("policy", "check", "--json")
    assert ended.code == 1
    assert [(item["file"], item["line"]) for item in ended.data["items"]] == [
        ("policies/main.cedar", 10),
        ("policies/main.cedar", 11),
    ]
    assert "policies/main.cedar:10: " in cli("policy", "check").out


def test_policy_check_finds_what_is_wrong_with_the_project_too(cli: Cli, project: Path) -> None:
    (project / "clearway.toml").write_text('[project]\nname = "x"\n[users.dana]\ntenant = "nowhere"\nrolls = 1\n')
    (project / "policies" / "broken.cedar").write_text("permit (principal action resource);\n")
    ended = cli("policy", "check", "--json")
    assert ended.code == 1
    assert {item["file"] for item in ended.data["items"]} >= {"clearway.toml", "policies/broken.cedar"}
    assert len(cli("policy", "check").out.splitlines()) == len(ended.data["items"])


def test_policy_explain_says_which_policies_decide(cli: Cli) -> None:
    words = ("policy", "explain", "refund", '{"account": "1", "amount_minor": 9000}', "--as", "dana", "--env", "prod")
    answer = cli(*words, "--json").data
    assert (answer["verdict"], answer["approvers"], answer["environment"]) == ("hold", [["finance", 1]], "prod")
    shown = cli(*words)
    assert (shown.code, "large-refunds" in shown.out, "policies/main.cedar:" in shown.out) == (0, True, True)
    assert cli(*words[:3], '{"account": "1"}', "--as", "dana", "--json").document["error"]["code"] == "arguments"
    assert cli(*words[:3], '{"a": 1, "a": 2}', "--as", "dana", "--json").document["error"]["code"] == "json"
    assert cli(*words, "--tenant", "nowhere", "--json").document["error"]["code"] == "tenant"


def test_policy_test_exits_with_1_and_shows_expected_and_got(cli: Cli, project: Path) -> None:
    assert cli("policy", "test").code == 0
    (project / "policies" / "more.tests.yaml").write_text(
        "- name: a large refund goes through\n"
        "  principal: {user: dana, environment: prod, agent: desk}\n  tool: refund\n"
        '  arguments: {account: "1", amount_minor: 9000, memo: ""}\n  expect: allow\n  policies: [small-refunds]\n'
    )
    ended = cli("policy", "test")
    assert ended.code == 1
    for text in (
        "1 passed, 1 failed",
        "policies/more.tests.yaml:1",
        "allow by small-refunds",
        "hold by agents, large-refunds",
    ):
        assert text in ended.out
    only = cli("policy", "test", "policies/more.tests.yaml", "--json")
    assert (only.code, only.data["failed"], len(only.data["items"])) == (1, 1, 1)
    assert cli("policy", "test", "/etc/hosts").code == 2


def test_the_audit_log_is_verified_in_the_store_and_offline(
    cli: Cli,
    bare: Cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cli(*SMALL)
    verified = cli("audit", "verify")
    assert (verified.code, verified.out.startswith("acme/dev: intact")) == (0, True)
    assert "not checked: acme/prod, globex/dev, globex/prod" in verified.err
    out = tmp_path / "export"
    assert cli("audit", "export", "--out", str(out)).code == 0
    assert cli("audit", "export", "--out", str(out)).code == 2
    assert {path.stat().st_mode & 0o777 for path in out.iterdir()} == {0o600}

    monkeypatch.chdir(tmp_path)  # no project here
    events = out / "events.jsonl"
    against = ("--checkpoint", str(out / "checkpoint.txt"), "--public-key", str(out / "public-key.txt"))
    assert bare("audit", "verify", "--export", str(events), *against).code == 0
    assert bare("audit", "verify", "--export", str(events)).code == 7
    lines = events.read_text(encoding="utf-8").splitlines(keepends=True)
    events.write_text("".join(lines[:-1]), encoding="utf-8")
    cut = bare("audit", "verify", "--export", str(events), *against, "--json")
    assert (cut.code, cut.data["first_bad_seq"]) == (1, len(lines))
    events.write_text("".join([*lines[:2], lines[2].replace('"step_id"', '"step_id "'), *lines[3:]]), encoding="utf-8")
    assert bare("audit", "verify", "--export", str(events), *against, "--json").document["error"]["code"] == "export"
    (out / "public-key.txt").write_text("not a key")
    assert (
        bare("audit", "verify", *against, "--export", str(events), "--json").document["error"]["code"] == "public_key"
    )


def test_a_changed_event_is_found_by_its_number(cli: Cli, project: Path) -> None:
    cli(*SMALL)
    with sqlite3.connect(project / ".clearway" / "clearway.db") as store:
        for (trigger,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            store.execute(f"DROP TRIGGER {trigger}")
        table = next(
            name
            for (name,) in store.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%commitment%'"
            )
        )
        assert store.execute(f"UPDATE {table} SET kind = 'run.forged' WHERE seq = 2").rowcount == 1
    store.close()
    ended = cli("audit", "verify", "--json")
    assert (ended.code, ended.data["status"], ended.data["first_bad_seq"]) == (1, "tampered", 2)
    assert "first bad event  2" in cli("audit", "verify").out


def test_an_event_is_proved_against_a_signed_checkpoint(cli: Cli) -> None:
    cli(*SMALL)
    proof = cli("audit", "prove", "2", "--json").data
    assert (proof["header"]["seq"], proof["leaf_index"]) == (2, 1)
    assert cli("audit", "prove", "2").code == 0
    assert cli("audit", "prove", "999").code == 2


def test_tools_and_skills_are_listed_with_their_owners(cli: Cli) -> None:
    tools = {tool["name"]: tool for tool in cli("tools", "list", "--json").data["items"]}
    assert (tools["refund"]["owner"], tools["refund"]["ways_out_of_unknown"]) == ("billing", ["person"])
    assert "billing" in cli("tools", "list").out
    assert {skill["name"] for skill in cli("skills", "list", "--json").data["items"]} == {"desk", "notice", "remind"}
    assert "read_account, refund" in cli("skills", "list").out


def test_init_writes_a_project_whose_policy_tests_pass(bare: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "fresh"
    ended = bare("init", str(folder))
    assert (ended.code, "clearway policy test" in ended.err) == (0, True)
    assert bare("policy", "test", "--project", str(folder)).code == 0
    assert bare("init", str(folder), "--json").document["error"]["code"] == "not_empty"
