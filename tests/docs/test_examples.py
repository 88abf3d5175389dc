"""Runs the examples that the documents show.

`<!-- run: NAME -->` before a Python block: it is run as a script. `<!-- file: PATH -->` before a block: it is written
to PATH. `<!-- shell -->` before a console block: its `$` commands are run one after the other in the page's folder; a
line `# exit N` after a command says how it ends (0 where none is). Blocks of one page share one folder.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(p for p in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")] if "<!-- " in p.read_text(encoding="utf-8"))
_BLOCK = re.compile(r"<!-- (run|file|shell)(?:: (\S+))? -->\n```\w*\n(.*?)```", re.S)


@pytest.mark.docs
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_the_page_run_as_shown(page: Path, tmp_path: Path) -> None:
    blocks = _BLOCK.findall(page.read_text(encoding="utf-8"))
    assert blocks, f"{page.name} marks no example"
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
    }
    shell = ShellPage(tmp_path, environment)
    for kind, name, text in blocks:
        if kind == "file":
            (shell.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (shell.folder / name).write_text(text, encoding="utf-8")
        elif kind == "run":
            (shell.folder / name).write_text(text, encoding="utf-8")
            shell.check(f"{sys.executable} -W error {name}", 0)
        else:
            shell.run(text)


class ShellPage:
    """One page's commands. `cd` is followed; `$NAME` set by `NAME=$(…)` stays set."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self._environment = folder, environment

    def run(self, text: str) -> None:
        for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
            command, _, shown = part.partition("\n")
            expected = re.search(r"^# exit (\d+)", shown, re.M)
            self.check(command, int(expected[1]) if expected else 0)

    def check(self, command: str, exit_code: int) -> None:
        script = f"set -a\n{command}\nstatus=$?\n{{ pwd; env -0; }} > {self._state}\nexit $status"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == exit_code, f"$ {command}\n{done.stdout}\n{done.stderr}"
        where, _, variables = self._state.read_text(encoding="utf-8").partition("\n")
        self.folder = Path(where)
        self._environment = dict(pair.split("=", 1) for pair in variables.split("\0") if "=" in pair)

    @property
    def _state(self) -> Path:
        return Path(self._environment.get("TMPDIR", "/tmp")) / f"clearway-docs-{os.getpid()}"
