"""Each guard of the road is held by a test by name: without the guard that test turns red, with it it is green."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation.mutants import MUTANTS

ROOT = Path(__file__).parents[2]


def run(tests: list[str], mutant: str = "") -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-m",
            "pytest",
            "-q",
            "-p",
            "tests.mutation.mutants",
            "-p",
            "no:xdist",
            "-p",
            "no:cacheprovider",
            "-k",
            "sqlite",
            "-x",
            *tests,
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "CLEARWAY_TEST_MUTANT": mutant},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("mutant", sorted(MUTANTS))
def test_without_the_guard_its_test_is_red(mutant: str) -> None:
    done = run([MUTANTS[mutant].test], mutant)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed" in done.stdout, done.stdout + done.stderr


def test_with_every_guard_in_place_their_tests_are_green() -> None:
    done = run(sorted({mutant.test for mutant in MUTANTS.values()}))
    assert done.returncode == 0, done.stdout + done.stderr
