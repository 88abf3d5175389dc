"""What the command line tells people before and while something moves; and one comparison at a time."""

import threading
from pathlib import Path
from typing import Any

import pytest

from clearway.app import Clearway
from clearway.cli.main import main
from clearway.model.errors import Unavailable
from clearway.operate import policy_diff
from clearway.operate.policy_diff import compare, world_of
from clearway.project.load import load_project
from tests.releases.desk import write


def told(capsys: pytest.CaptureFixture[str], folder: Path, *words: str, code: int = 0) -> str:
    capsys.readouterr()
    ended = main([*words, "--as", "olga", "--project", str(folder)])
    written = capsys.readouterr()
    assert ended == code, written.err
    return written.out


def test_people_read_a_rollbacks_plan_and_a_canarys_evidence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "desk")
    Clearway.open(folder).close()  # a store, where nothing was promoted yet
    dry = ("release", "rollback", "--reason", "x", "--dry-run")
    assert "Nothing was ever promoted here. Stop what does harm instead: clearway kill" in told(
        capsys, folder, *dry, code=1
    )
    first = told(capsys, folder, "release", "cut", "--note", "first")[:71]
    told(capsys, folder, "release", "promote", first, "--reason", "begin")
    policies = folder / "policies" / "main.cedar"
    policies.write_text(policies.read_text() + "\n// another\n")
    second = told(capsys, folder, "release", "cut", "--note", "second")[:71]
    told(capsys, folder, "release", "canary", second, "--reason", "try", "--share", "0.5")
    status = told(capsys, folder, "release", "status")
    assert "it ends at an e-value of 6e+05" in status
    for measure in ("routes", "failures", "denials", "approvals", "durations", "costs"):
        assert measure in status
    plan = told(capsys, folder, *dry)
    assert f"{second} (second)" in plan
    assert f"{first} (first)" in plan
    assert "owners, with --runs hold" in plan
    assert second in told(capsys, folder, "release", "status"), "it was only said"


def test_of_two_comparisons_at_once_the_solver_has_one_and_the_other_waits_or_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = load_project(write(tmp_path / "desk"))
    world = world_of(project)
    at_work, most, go_on, begun = [0], [0], threading.Event(), threading.Event()

    def compared(*_: Any) -> Any:
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        begun.set()
        assert go_on.wait(20)
        at_work[0] -= 1

    monkeypatch.setattr(policy_diff, "_compared", compared)
    threads = [threading.Thread(target=compare, args=([], [], world)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert begun.wait(20)
    with pytest.raises(Unavailable) as refused:
        compare([], [], world, timeout_s=0.05)
    assert refused.value.code == "busy"
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert most == [1]
