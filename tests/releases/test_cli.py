"""`clearway release`, from the cut to the rollback, as people type it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from clearway.cli.main import main
from tests.releases.desk import HOLD, write

OPEN = '@id("support") permit (principal in Role::"support", action, resource);'


class Shell:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys

    def __call__(self, *words: str, user: str = "olga", code: int = 0) -> Any:
        self._capsys.readouterr()
        ended = main([*words, "--as", user, "--json", "--project", str(self.folder)])
        written = self._capsys.readouterr()
        assert ended == code, written.err or written.out
        document = json.loads(written.out)
        return document.get("data", document.get("error"))

    def edit(self, old: str, new: str) -> None:
        path = self.folder / "policies" / "main.cedar"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(write(tmp_path / "desk"), capsys)


def test_a_release_is_cut_compared_signed_promoted_and_rolled_back(
    shell: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.edit(OPEN, HOLD)
    first = shell("release", "cut", "--note", "the first", user="dana")["digest"]
    shell("release", "promote", first, "--reason", "to begin")
    waiting = shell("run", "a refund please", "--wait", "20", user="dana", code=4)
    assert waiting["status"] == "waiting"

    shell.edit(HOLD, OPEN)
    second = shell("release", "cut", "--note", "no more approvals", user="dana")["digest"]
    found = shell("release", "diff", second, "--replay-days", "1", code=1)
    assert found["unsigned_widening"] is True
    assert found["policy"]["answer"].startswith("wider")
    assert {w["change"] for w in found["policy"]["widenings"]} >= {"hold_to_allow"}
    assert found["replayed"]["decisions"]["moves"] == {"hold → allow": 1}
    assert found["replayed"]["decisions"]["approvals"] == {"old": 1, "new": 0}
    assert found["replayed"]["routes"]["changed"] == 0
    assert [d["duty"] for d in found["duties"]] == ["policy"]

    assert shell("release", "sign", second, "--reason", "mine", user="dana", code=3)["code"] == "own_release"
    assert shell("release", "sign", second, "--reason", "it was agreed")["missing"] == []
    assert shell("release", "diff", second)["unsigned_widening"] is False
    shell("release", "promote", second, "--reason", "as agreed")
    assert shell("run", "a refund please", "--wait", "20", user="dana")["release"] == second

    back = shell("release", "rollback", "--reason", "refunds go out unseen")
    assert (back["active"], back["rolled_back"]) == (first, second)
    assert shell("run", "a refund please", "--wait", "20", user="dana", code=4)["release"] == first
    assert [m["kind"] for m in shell("release", "status")["moves"]] == ["rollback", "promote", "promote"]

    shell("release", "revoke", second, "--reason", "never again")
    assert shell("release", "promote", second, "--reason", "again", code=1)["code"] == "revoked"
    assert shell("release", "reinstate", second, "--reason", "well")["revoked"] is not None
    assert shell("release", "reinstate", second, "--reason", "agreed", user="dana")["revoked"] is None

    file = tmp_path / "bundle.json"
    shell("release", "export", second, str(file))
    other = Shell(write(tmp_path / "other"), capsys)
    assert other("release", "import", str(file), "--note", "from there")["digest"] == second
    assert [r["digest"] for r in other("release", "list")["items"]] == [second]
    assert other("release", "show", second[7:19])["duties"] != []
    assert other("audit", "verify")["events"] >= 1


def test_a_widening_passes_policy_diff_where_the_policy_owner_has_signed_for_just_that(
    shell: Shell, tmp_path: Path
) -> None:
    shell.edit(OPEN, HOLD)
    first = shell("release", "cut", "--note", "the first", user="dana")["digest"]
    shell("release", "promote", first, "--reason", "to begin")
    before = tmp_path / "before"
    shutil.copytree(shell.folder / "policies", before)
    shell.edit(HOLD, OPEN)
    wider = shell("release", "cut", "--note", "no more approvals", user="dana")["digest"]
    compared = ("policy", "diff", str(before))
    assert shell(*compared, code=1)["accepted_by"] == []
    assert shell(*compared, "--accept", wider, code=1)["accepted_by"] == [], "nobody has signed"
    shell("release", "sign", wider, "--reason", "it was agreed")
    accepted = shell(*compared, "--accept", wider)
    assert (accepted["answer"].split()[0], accepted["passes"]) == ("wider", False), "it is told all the same"
    assert len(accepted["accepted_by"]) == 1

    (before / "main.cedar").write_text((before / "main.cedar").read_text() + "\n// not what was in force\n")
    shell(*compared, "--accept", wider, code=1)
    shell.edit(OPEN, OPEN + "\n// not what was signed\n")
    assert shell(*compared, "--accept", wider, code=1)["code"] == "other_policies"


def test_in_dev_a_promotion_without_signatures_names_those_that_elsewhere_it_would_be_refused_for(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = shell("release", "cut", "--note", "the first", user="dana")["digest"]
    here = ("--project", str(shell.folder), "--as", "olga")
    assert main(["release", "promote", digest, "--reason", "to try it", *here]) == 0
    said = capsys.readouterr().out
    assert f"in force: {digest}" in said
    assert "not signed, which this environment does not ask for; others refuse it until these have signed:" in said
    assert "policy" in said
    assert "missing" in said
    assert main(["release", "status", *here]) == 0
    assert "not signed" not in capsys.readouterr().out
