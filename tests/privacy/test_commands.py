"""`clearway privacy explain` and `clearway privacy scan`, as they are typed."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearway.app import Clearway
from clearway.cli.main import main
from tests.privacy.canaries import CANARIES, NOTE, VALUES
from tests.privacy.project import write_project

EMAIL = CANARIES["EMAIL"]
Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Typed:
    for name in ("PROJECT", "STORE_URL", "ENV", "KEY", "LOG", "DEBUG"):
        monkeypatch.delenv(f"CLEARWAY_{name}", raising=False)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["privacy", *words])
        written = capsys.readouterr()
        return code, written.out, written.err

    return call


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = write_project(tmp_path / "project")
    Clearway.open(folder).close()
    return folder


def data(out: str) -> Any:
    return json.loads(out)["data"]


def test_explain_shows_types_places_and_how_the_text_would_look(typed: Typed) -> None:
    code, out, _ = typed("explain", f"Write to {EMAIL}.", "--json")
    assert code == 0
    assert data(out) == {"found": [{"type": "EMAIL", "start": 9, "end": 9 + len(EMAIL)}], "shown": "Write to <EMAIL>."}
    code, out, _ = typed("explain", f"Write to {EMAIL}.")
    assert code == 0
    assert "Write to <EMAIL>." in out
    assert EMAIL not in out


def test_explain_reads_stdin_and_knows_the_project_s_patterns(
    typed: Typed, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, known in ((["--project", str(project)], True), ([], False)):
        monkeypatch.setattr("sys.stdin", io.StringIO(NOTE))
        _, out, _ = typed("explain", "-", "--json", *folder)
        types = {one["type"] for one in data(out)["found"]}
        assert ("POLICY_NO" in types) is known
        assert types >= CANARIES.keys() - {"POLICY_NO", "DECLARED", "DIAGNOSIS", "SALARY"}


def test_a_clean_store_scans_clean_and_is_left_as_it_was(typed: Typed, project: Path) -> None:
    before = {path.name: path.read_bytes() for path in (project / ".clearway").iterdir()}
    for words in ([], ["--store"], ["--store", "--json"]):
        code, out, err = typed("scan", *words, "--project", str(project), "--canary", EMAIL)
        assert code == 0, out + err
    assert data(out)["found"] == []
    assert data(out)["cells"] > 5
    assert {path.name: path.read_bytes() for path in (project / ".clearway").iterdir()} == before


def test_a_scan_names_places_and_never_values_and_exits_with_1(typed: Typed, project: Path, tmp_path: Path) -> None:
    log = project / ".clearway" / f"{EMAIL}.log"
    log.write_text(f"first\n{NOTE}")
    (tmp_path / "planted.txt").write_text("\n".join(VALUES))
    for words in ([], ["--json"]):
        code, out, err = typed("scan", "--project", str(project), "--canary", str(tmp_path / "planted.txt"), *words)
        assert code == 1
        assert not [value for value in VALUES if value in out + err]
    found = data(out)["found"]
    assert {one["canary"] for one in found if one["type"] == "CANARY" and one["form"] == "plain"} == set(
        range(1, len(VALUES) - 2)  # all but the three declared ones, which are not in the letter
    )
    assert {one["type"] for one in found} >= {"CARD", "IBAN", "EMAIL", "JWT", "API_KEY"}
    assert any(one.get("form", "").startswith("name") for one in found)
    code, _, _ = typed("scan", "--store", "--project", str(project))
    assert code == 0, "the log is not in the store"


def test_a_scan_takes_files_and_folders_without_any_project(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(json.dumps({"email": EMAIL}))
    code, out, _ = typed("scan", str(tmp_path), "--json")
    assert code == 1
    assert data(out)["counts"] == {"EMAIL": 1}
    assert data(out)["found"][0]["offset"] == 11
    code, out, _ = typed("scan", str(tmp_path), "--json", "--canaries-only", "--canary", "somebody-else")
    assert (code, data(out)["counts"]) == (0, {})


def test_a_file_that_cannot_be_looked_through_is_no_success(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "cut.gz").write_bytes(b"\x1f\x8b\x08\x00 nothing")
    code, out, _ = typed("scan", str(tmp_path), "--json")
    assert code == 1
    assert [Path(one["path"]).name for one in data(out)["unread"]] == ["cut.gz"]


def test_canaries_that_cannot_be_read_and_a_store_that_is_not_there_are_refused(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "planted.bin").write_bytes(b"\xff\xfe planted")
    code, out, _ = typed("scan", str(tmp_path), "--canary", str(tmp_path / "planted.bin"), "--json")
    assert (code, json.loads(out)["error"]["code"]) == (2, "canary")
    (tmp_path / "clearway.toml").write_text('[project]\nname = "desk"\n')
    code, out, _ = typed("scan", "--store", "--project", str(tmp_path), "--json")
    assert (code, json.loads(out)["error"]["code"]) == (2, "no_store")
    code, _, err = typed("scan", "--project", str(tmp_path))
    assert code == 0
    assert "nothing to look through" in err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["nowhere"], "no_file"),
        (["--canary", "abc", "."], "canary"),
        (["--canaries-only", "."], "canary"),
        ([], "no_project"),
    ],
)
def test_what_cannot_be_scanned_is_refused(typed: Typed, words: list[str], code: str) -> None:
    ended, out, _ = typed("scan", *words, "--json")
    assert ended == 2
    assert json.loads(out)["error"]["code"] == code
