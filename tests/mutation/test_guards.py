"""Each guard of the road is held by a test by name: without the guard that test turns red, with it it is green."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mutation.mutants import MUTANTS

# One process runs them all, with and without guards.
pytestmark = [pytest.mark.slow]

ROOT = Path(__file__).parents[2]
OPTIONS = ["-q", "-p", "tests.mutation.mutants", "-p", "no:xdist", "-p", "no:cacheprovider", "-k", "sqlite"]


@dataclass(frozen=True)
class Verdicts:
    """`outcomes`: by test and mutant, phase and outcome of each of its cases. The mutant "" is the road as it is."""

    outcomes: dict[tuple[str, str], list[tuple[str, str]]]
    printed: str


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    written = tmp_path_factory.mktemp("mutation") / "verdicts"
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", *OPTIONS, *sorted({one.test for one in MUTANTS.values()})],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "CLEARWAY_TEST_VERDICTS": str(written)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr  # some failed, as they should
    outcomes: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for line in written.read_text(encoding="utf-8").splitlines():
        test, mutant, phase, outcome = json.loads(line)
        outcomes.setdefault((test, mutant), []).append((phase, outcome))
    return Verdicts(outcomes, done.stdout + done.stderr)


@pytest.mark.parametrize("mutant", sorted(MUTANTS))
def test_without_the_guard_its_test_is_red(verdicts: Verdicts, mutant: str) -> None:
    found = verdicts.outcomes[MUTANTS[mutant].test, mutant]
    assert ("call", "failed") in found, verdicts.printed
    assert ("setup", "failed") not in found, verdicts.printed


def test_with_every_guard_in_place_their_tests_are_green(verdicts: Verdicts) -> None:
    found = {test: outcomes for (test, mutant), outcomes in verdicts.outcomes.items() if not mutant}
    assert set(found) == {mutant.test for mutant in MUTANTS.values()}
    assert {outcome for each in found.values() for _, outcome in each} == {"passed"}, verdicts.printed
