"""What `tests/scheduling.py` promises: a module's fixtures are made once, and the slow modules come first."""

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from tests.scheduling import APART, FIRST, TOGETHER, in_order, unit_of

ROOT = Path(__file__).parents[2]
MODULE = """
import os
import pytest

@pytest.fixture(scope="module", autouse=True)
def made():
    with open("made", "a") as file:
        file.write(f"{__file__} {os.environ['PYTEST_XDIST_WORKER']}\\n")

@pytest.mark.parametrize("number", range(10))
def test_it(number):
    pass
"""


def test_every_path_that_it_names_is_there() -> None:
    assert [path for path in (*TOGETHER, *APART, *FIRST) if not (ROOT / path).exists()] == []


def test_modules_are_units_but_for_those_that_are_named() -> None:
    assert unit_of("tests/flow/test_effects.py::test_x[a::b]") == "tests/flow/test_effects.py"
    assert unit_of("tests/crash/test_turns.py::test_x") == unit_of("tests/crash/test_crash.py::test_y")
    assert unit_of(f"{APART[0]}::test_x[a]") != unit_of(f"{APART[0]}::test_x[b]")


def test_the_slow_ones_come_first_and_the_others_as_they_were() -> None:
    given = ["tests/unit/b.py::x", "tests/unit/a.py::y", f"{APART[0]}::z", "tests/crash/test_turns.py::t"]
    assert in_order(given) == [given[3], given[2], given[0], given[1]]


def test_with_two_processes_each_module_has_its_fixtures_from_one(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / f"test_{name}.py").write_text(MODULE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "2", "-q", "-p", "tests.scheduling", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "40 passed" in done.stdout, done.stdout + done.stderr
    made = defaultdict[str, list[str]](list)
    for line in (tmp_path / "made").read_text().splitlines():
        module, worker = line.split()
        made[module].append(worker)
    assert len(made) == 4
    assert all(len(workers) == 1 for workers in made.values()), made
