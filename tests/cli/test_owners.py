"""`clearway owners`: what other systems are told of who owns what."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from clearway.cli.main import main
from clearway.project.load import load_project
from clearway.project.owner_files import codeowners, lint, owned
from tests.releases.conftest import EXAMPLE


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    folder = tmp_path / "desk"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", ".clearway", "demonstration"))
    return folder


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["owners", *words])
    written = capsys.readouterr()
    return code, written.out, written.err


def owner_of(text: str, path: str) -> list[str]:
    """As GitHub reads it: the last line that matches."""
    found: list[str] = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            pattern, *teams = line.split()
            if pattern == "*" or path == pattern or (pattern.endswith("/") and path.startswith(pattern)):
                found = teams
    return found


def test_the_codeowners_file_names_for_each_path_whom_ownership_names(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text, _ = said(capsys, "codeowners", "--org", "acme", "--project", str(desk))
    assert code == 0
    assert lint(text) == []
    assert owner_of(text, "/README.md") == ["@acme/finance"]
    assert owner_of(text, "/policies/desk.cedar") == ["@acme/finance"]
    assert owner_of(text, "/routes/README.md") == ["@acme/desk"]
    assert owner_of(text, "/ownership.toml") == ["@acme/finance", "@acme/operations"]
    assert owner_of(text, "/skills/refund_desk.py") == ["@acme/finance"], "its own approver, not the default one"
    assert owner_of(text, "/skills/another.py") == ["@acme/desk"]
    assert owner_of(text, "/prompts/complaints.md") == ["@acme/desk"]


@pytest.mark.parametrize("below", ["", "desks/support", "two words"])
def test_every_line_has_an_owner_wherever_the_project_lies(desk: Path, below: str) -> None:
    text = codeowners(owned(load_project(desk)), "acme", below)
    assert lint(text) == []
    assert len([line for line in text.splitlines() if not line.startswith("#")]) > 10
    if below == "desks/support":
        assert owner_of(text, "/desks/support/skills/refund_desk.py") == ["@acme/finance"]
        assert owner_of(text, "/elsewhere.py") == [], "what is not the project's is nobody's here"


def test_the_folder_within_the_repository_is_found(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk.parent / ".git").mkdir()
    _, text, _ = said(capsys, "codeowners", "--org", "acme", "--project", str(desk))
    assert owner_of(text, "/desk/policies/desk.cedar") == ["@acme/finance"]


def test_check_compares_with_what_is_there(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--org", "acme", "--project", str(desk))
    file = desk.parent / "CODEOWNERS"
    file.write_text(said(capsys, "codeowners", *where)[1])
    assert said(capsys, "codeowners", *where, "--check", str(file))[:2] == (0, "")
    owners = (desk / "ownership.toml").read_text()
    (desk / "ownership.toml").write_text(owners.replace('routing = "desk"', 'routing = "operations"'))
    code, _, hint = said(capsys, "codeowners", *where, "--check", str(file))
    assert code == 1
    assert "write it anew" in hint


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("/policies/\n", "line 1: /policies/ has no owner"),
        ("/policies/ finance\n", "line 1: finance is no team"),
        ("/a/ @acme/x\n/a/ @acme/y\n", "line 2: /a/ stands in line 1 already"),
        ("/a/b.py @acme/x\n/a/ @acme/y\n", "line 2: /a/ makes line 1 (/a/b.py) void"),
        ("/a/ @acme/x\n* @acme/y\n", "line 2: * makes line 1 (/a/) void"),
    ],
)
def test_the_lint_sees_what_it_is_for(text: str, wrong: str) -> None:
    assert lint(text) == [wrong]


@pytest.mark.parametrize("org", ["", "acme inc", "@acme", "acme/x"])
def test_what_is_no_organization_is_refused(desk: Path, org: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = said(capsys, "codeowners", "--org", org, "--project", str(desk))
    assert code == 2
    assert "no name of an organization" in error


def test_the_catalog_is_yaml_and_each_owner_is_a_group_in_it(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = said(capsys, "catalog", "--project", str(desk))
    assert code == 0
    entities: list[dict[str, Any]] = list(yaml.safe_load_all(text))
    groups = {f"group:{e['metadata']['name']}" for e in entities if e["kind"] == "Group"}
    components = {e["metadata"]["name"]: e["spec"] for e in entities if e["kind"] == "Component"}
    assert groups == {"group:desk", "group:finance", "group:operations"}
    assert components["support-desk"]["owner"] == "group:operations"
    assert components["support-desk.refund_desk"]["owner"] == "group:finance"
    assert {spec["owner"] for spec in components.values()} <= groups
    assert {s["subcomponentOf"] for s in components.values() if "subcomponentOf" in s} == {"component:support-desk"}


def test_the_list_says_who_they_are_and_whom_to_ask_next(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = said(capsys, "list", "--project", str(desk), "--json")
    assert code == 0
    items = {row["path"]: row for row in json.loads(text)["data"]["items"]}
    assert items["skills/refund_desk.py"]["members"] == ["amir", "bo"]
    assert items["routes/"]["escalation"] == ["finance"]


def test_without_owners_it_says_so(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "ownership.toml").unlink()
    settings = (desk / "clearway.toml").read_text().replace("groups =", "# ")
    (desk / "clearway.toml").write_text(settings.replace("grant_factors =", "# "))
    for words in (("list",), ("catalog",), ("codeowners", "--org", "acme")):
        code, _, error = said(capsys, *words, "--project", str(desk))
        assert code != 0
        assert "names no owners" in error
