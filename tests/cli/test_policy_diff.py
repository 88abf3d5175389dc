"""`clearway policy diff`: what people and CI see of a change of policies."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

GIT = ("git", "-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")


@pytest.fixture
def old(project: Path, tmp_path: Path) -> Path:
    """The policies as they were."""
    return Path(shutil.copytree(project / "policies", tmp_path / "old"))


def edit(project: Path, before: str, after: str) -> None:
    path = project / "policies" / "main.cedar"
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


def test_the_same_policies_pass_and_are_proved_to_be_the_same(cli: Cli, old: Path, project: Path) -> None:
    ended = cli("policy", "diff", str(old), str(project / "policies"))
    assert (ended.code, ended.out) == (0, "The same is allowed, held and denied: proved.\n")
    assert cli("policy", "diff", str(old), str(project), "--json").data["answer"] == "equivalent"


def test_a_widening_exits_with_1_and_shows_who_may_now_do_what(cli: Cli, old: Path, project: Path) -> None:
    edit(project, "amount_minor <= 5000", "amount_minor <= 6000")
    edit(project, "amount_minor > 5000 &&", "amount_minor > 6000 &&")
    ended = cli("policy", "diff", str(old))
    assert ended.code == 1
    for text in (
        "widening 1: refund (external) waited for approval, is now allowed",
        "user:dana (support",
        "agent:desk",
        '"amount_minor": 5001',
        "large-refunds (old/main.cedar:5)",
        "small-refunds (policies/main.cedar:3)",
        "More is let through.",
    ):
        assert text in ended.out


def test_the_same_as_json_names_request_decisions_and_policies(cli: Cli, old: Path, project: Path) -> None:
    edit(project, "amount_minor <= 1000000", "amount_minor <= 2000000")
    ended = cli("policy", "diff", str(old), "--json")
    assert (ended.code, ended.document["kind"], ended.data["answer"], ended.data["passes"]) == (
        1,
        "policy_diff",
        "wider",
        False,
    )
    (found,) = ended.data["widenings"]
    assert (found["change"], found["action"], found["impact"]) == ("deny_to_hold", "refund", "external")
    assert found["request"]["arguments"]["amount_minor"] == 1_000_001
    assert found["request"]["user"]["roles"] == ["support"] or "support" in found["request"]["user"]["roles"]
    assert (found["old"]["code"], found["new"]["approval"]["approvers"]) == ("no_permit", [["finance", 1]])
    assert {policy["id"] for policy in found["new"]["policies"]} == {"agents", "large-refunds"}
    assert {one["action"]: one["answer"] for one in ended.data["actions"]}["post"] == "equivalent"


def test_a_narrowing_passes_and_is_told(cli: Cli, old: Path, project: Path) -> None:
    edit(project, "amount_minor <= 1000000", "amount_minor <= 900000")
    ended = cli("policy", "diff", str(old))
    assert ended.code == 0
    assert "narrowing 1: refund (external) waited for approval, is now denied" in ended.out
    assert ended.out.endswith("Less is let through, and nothing more: proved.\n")


def test_policies_with_a_problem_deny_everything_and_are_named(cli: Cli, old: Path, project: Path) -> None:
    edit(project, "amount_minor <= 5000", "amount_minr <= 5000")
    ended = cli("policy", "diff", str(old))
    assert ended.code == 0
    assert "policies denies everything, as it has 1 problem(s):" in ended.out
    assert "policies/main.cedar:3:" in ended.out


def test_what_is_not_proved_does_not_pass(cli: Cli, old: Path, project: Path) -> None:
    edit(project, "amount_minor <= 5000", "amount_minor <= 4000")
    ended = cli("policy", "diff", str(old), "--timeout", "-1", "--json")
    assert ended.document["error"]["code"] == "usage"
    ended = cli("policy", "diff", str(old), "--timeout", "0")
    assert ended.code == 1
    assert "not proven: refund" in ended.out


def test_a_revision_in_git_is_compared_with_the_files_as_they_are(cli: Cli, project: Path) -> None:
    for words in (("init", "-q"), ("add", "policies"), ("commit", "-q", "-m", "policies")):
        subprocess.run([*GIT, *words], cwd=project, check=True)
    assert cli("policy", "diff", "git:HEAD").code == 0
    edit(project, "amount_minor <= 5000", "amount_minor <= 4000")
    ended = cli("policy", "diff", "git:HEAD", "--json")
    assert (ended.code, ended.data["answer"], ended.data["old"]["source"]) == (0, "narrower", "git:HEAD")
    assert cli("policy", "diff", str(project), "git:HEAD").code == 1


@pytest.mark.parametrize("source", ["nowhere", "git:no-such-revision", "git:", "git:--output=x"])
def test_a_source_that_is_not_there_is_named(cli: Cli, source: str) -> None:
    ended = cli("policy", "diff", source, "--json")
    assert (ended.code, ended.document["error"]["code"]) == (2, "no_policies")
