"""The reference pages say what the code does: commands, options, exit codes, error codes."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from clearway.cli.command import EXIT_CODES, RUN_EXITS
from clearway.cli.main import make_app
from clearway.model.errors import SURFACES
from tests.cli.conftest import Cli

ROOT = Path(__file__).parents[2]
CLI_PAGE = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
ERRORS_PAGE = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
SHARED = {"project", "store", "user", "role", "tenant", "environment", "as_json", "server"}

#: `code="…"`, `code = "…"`, and the codes of endings: `Refused("…"`, `deny("…"`, `Failure(Meaning.…, "…"`.
CODES = re.compile(
    r'\bcode ?= ?"([a-z][a-z0-9_]*)"'
    r'|\b(?:Refused|Failed|Unknown|deny|NotSent)\(\s*"([a-z][a-z0-9_]*)"'
    r'|\b(?:Answer|Meaning)\.[A-Z_]+, "([a-z][a-z0-9_]*)"'
    r'|"code": "([a-z][a-z0-9_]*)"'
)


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    command = command or typer.main.get_command(make_app())
    if getattr(command, "commands", None):
        for name, inner in command.commands.items():
            yield from commands(inner, (*path, name))
    else:
        yield path, command


@pytest.mark.parametrize(
    ("path", "command"), list(commands()), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_each_command_is_documented_with_its_options_and_takes_the_common_ones(
    path: tuple[str, ...],
    command: Any,
    bare: Cli,
) -> None:
    section = re.search(rf"^### `clearway {' '.join(path)}\b.*?(?=^### |\Z)", CLI_PAGE, re.M | re.S)
    assert section, f"docs/reference/cli.md lacks {' '.join(path)}"
    assert {parameter.name for parameter in command.params} >= SHARED
    for parameter in command.params:
        if parameter.name not in SHARED and parameter.name != "help":
            for name in parameter.opts if parameter.param_type_name == "option" else [parameter.metavar]:
                assert name in section[0], f"docs/reference/cli.md lacks {name} of {' '.join(path)}"
    ended = bare(*path, "--help")
    assert ended.code == 0
    assert "Exit codes: 0 done" in ended.out


def test_each_exit_code_is_documented() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", CLI_PAGE, re.M)}
    assert documented == {*EXIT_CODES, 130, 141}
    assert set(RUN_EXITS.values()) | {surface.exit for _, surface in SURFACES} <= set(EXIT_CODES)


def test_each_error_code_in_the_source_is_documented() -> None:
    documented = set(re.findall(r"`([a-z][a-z0-9_]*)`", ERRORS_PAGE))
    used = {
        next(filter(None, groups)): path.name
        for path in (ROOT / "src").rglob("*.py")
        for groups in CODES.findall(path.read_text(encoding="utf-8"))
    }
    missing = {code: name for code, name in used.items() if code not in documented}
    assert not missing, f"docs/reference/errors.md lacks {missing}"


def test_each_kind_of_error_is_documented_with_its_status_and_exit_code() -> None:
    for kind, surface in SURFACES[:-1]:
        assert re.search(rf"^\| {kind.__name__}: .* \| {surface.status} \| {surface.exit} \|", ERRORS_PAGE, re.M)


def test_help_brings_along_neither_what_reads_projects_nor_what_stores() -> None:
    script = (
        "import sys\nfrom clearway.cli.main import make_app\nmake_app()\n"
        "print([name for name in ('pydantic', 'sqlalchemy', 'cedarpy', 'yaml', 'z3', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
