"""`clearway drill rollback`: carried out on a copy, in any project that declares examples."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from clearway.app import Clearway
from clearway.cli.main import main
from clearway.model.identity import Scope
from clearway.operate.rehearsal import Texts, rehearsal_of
from clearway.project.init import write_template
from clearway.project.load import load_project
from clearway.rules.releases.guard import Advice, Guard
from tests.releases.conftest import EXAMPLE
from tests.releases.desk import FILES, write

Json = dict[str, Any]
EXAMPLES = FILES["skills/desk.py"].replace(
    "@skill(tools=[refund])", '@skill(tools=[refund], examples=["a refund please", "refund me", "I want a refund"])'
)
PARTS = [
    "the routers are ready",
    "a good release is put in force",
    "a bad release gets a share of the requests",
    "an approval waits under the bad release",
    "the guard rolls back by itself",
    "a new request goes to the good release",
    "the approval is void",
    "the audit log is intact",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "desk", **{"skills/desk.py": EXAMPLES})


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the drill keeps its copy."""
    made = tmp_path / "scratch"
    made.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    monkeypatch.delenv("CLEARWAY_KEY", raising=False)
    return made


def drill(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Json, str]:
    """(exit code, the document, what was said beside it)."""
    capsys.readouterr()
    code = main(["drill", "rollback", "--project", str(folder), "--json", *words])
    written = capsys.readouterr()
    return code, json.loads(written.out)["data"], written.err


def support_desk(folder: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", ".clearway", "demonstration", "demo.py")
    shutil.copytree(EXAMPLE, folder, ignore=ignored)
    return folder


def template(folder: Path) -> Path:
    write_template(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("make", [support_desk, template])
def test_a_bad_canary_goes_by_itself_within_a_hundred_requests(
    make: Any, tmp_path: Path, scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make(tmp_path / "made")
    code, found, _ = drill(folder, capsys)
    assert (code, found["outcome"]) == (0, "passed"), found["parts"]
    assert [part["part"] for part in found["parts"]] == PARTS
    assert found["requests"] <= 100
    assert 0.3 <= found["wrong_share"] < 0.5
    assert not list(scratch.iterdir()), "the copy is gone"
    assert not (folder / ".clearway").exists(), "the project's own store was not made"


def test_the_projects_tools_and_skills_do_not_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file, old in (("tools/desk.py", "    return {"), ("skills/desk.py", "    return await")):
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, f"    raise SystemExit('it ran')\n{old}"))
    code, found, _ = drill(folder, capsys)
    assert (code, found["outcome"]) == (0, "passed"), found["parts"]


def test_limits_of_the_project_do_not_stop_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = (folder / "clearway.toml").read_text()
    (folder / "clearway.toml").write_text(settings + "[limits]\ntenant = { count = 1, per_s = 3600 }\n")
    assert drill(folder, capsys)[0] == 0


def test_an_owners_drill_stands_in_the_projects_audit_log_and_nobody_elses(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for user, recorded in (("olga", True), ("amir", False)):
        code, found, said = drill(folder, capsys, "--as", user)
        assert (code, found["recorded"]) == (0, recorded)
        assert ("not recorded" in said) is not recorded
    with Clearway.open(folder) as app:
        events = app.store.read(Scope("acme", "dev"), lambda tx: tx.audit.read())
    drills = [event.payload for event in events if event.kind == "drill.rollback"]
    assert [(d["outcome"], d["by"], d["failed"]) for d in drills if d] == [("passed", "user:olga", None)]


def failing(found: Json) -> tuple[str, str]:
    assert found["outcome"] == "failed"
    assert [part["ok"] for part in found["parts"]] == [True] * (len(found["parts"]) - 1) + [False]
    return found["parts"][-1]["part"], found["parts"][-1]["said"]


def test_a_guard_that_sees_nothing_fails_the_drill(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Guard, "advice", lambda _: (Advice.WATCH, ""))
    code, found, _ = drill(folder, capsys, "--as", "olga")
    assert code == 1
    assert failing(found) == (
        "the guard rolls back by itself",
        "After 100 requests the bad release is still there.",
    )
    with Clearway.open(folder) as app:
        events = app.store.read(Scope("acme", "dev"), lambda tx: tx.audit.read())
    assert [e.payload["outcome"] for e in events if e.kind == "drill.rollback" and e.payload] == ["failed"]


def test_an_approval_that_is_left_over_fails_the_drill(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearway.operate.releases.rollback._void", lambda *_: 0)
    code, found, _ = drill(folder, capsys)
    assert code == 1
    assert failing(found) == ("the approval is void", "The approval is pending, not invalidated.")


def test_without_an_incident_owner_it_says_that_nobody_could_roll_back(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "ownership.toml").unlink()
    (folder / "clearway.toml").write_text((folder / "clearway.toml").read_text().replace("groups =", "#"))
    code, found, _ = drill(folder, capsys)
    assert code == 1
    assert failing(found)[1] == "ownership.toml names no incident owner: nobody could roll back."


def test_without_examples_it_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found, _ = drill(write(tmp_path / "plain"), capsys)
    assert code == 1
    assert "No skill declares an example" in failing(found)[1]


def test_the_same_seed_picks_the_same_examples_and_a_third_goes_wrong(folder: Path, tmp_path: Path) -> None:
    project = rehearsal_of(load_project(folder), tmp_path / "copy")

    class ToRefunds:
        def route(self, text: str, skills: Any) -> Any:
            from clearway.rules.route import Route

            return Route("refunds", "test", 1.0, "")

    first, second = Texts.of(project, ToRefunds(), 1), Texts.of(project, ToRefunds(), 1)
    assert first == second
    assert len(first.wrong) == 1
    assert set(first.wrong.values()) == {"questions"}
