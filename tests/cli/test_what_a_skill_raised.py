"""Where a skill went wrong: the run names the type, the file and the line, and nothing that the exception says."""

import gc
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

SECRET = "zq@corp.example.org"
BROKEN = f'''\
from clearway import skill

from services.notes import noted


@skill(tools=["read_account"], examples=["Break it"], owner="desk")
async def breaks(run, how: str):
    if how == "index":
        return run.call("read_account", account="1")["account"]
    if how == "attribute":
        return run.propose("read_account", account="1").result
    if how == "returned":
        return run.call("read_account", account="1")
    return noted({{how: 1}}, "{SECRET}")
'''
NOTES = "def noted(notes, name):\n    return notes[name]\n"


def message_of(cli: Cli, project: Path, how: str) -> str:
    (project / "skills" / "breaks.py").write_text(BROKEN)
    (project / "services").mkdir(exist_ok=True)
    (project / "services" / "notes.py").write_text(NOTES)
    ended = cli("run", "Break it", "--skill", "breaks", "--input", f'{{"how": "{how}"}}', "--as", "dana", "--json")
    assert (ended.code, ended.data["failure"]["owner"]) == (5, "desk")
    gc.collect()  # what nobody awaited is warned of here, and not in another test
    assert SECRET not in ended.out + ended.err
    return str(ended.data["failure"]["message"])


@pytest.mark.filterwarnings("ignore:coroutine 'run.:RuntimeWarning")
@pytest.mark.parametrize(("how", "raised", "line"), [("index", "TypeError", 9), ("attribute", "AttributeError", 11)])
def test_a_forgotten_await_is_named_with_its_line(cli: Cli, project: Path, how: str, raised: str, line: int) -> None:
    hint = "A coroutine stood where its result was wanted: did you forget await?"
    assert message_of(cli, project, how) == f"The skill raised {raised} (skills/breaks.py:{line}). {hint}"


def test_a_coroutine_that_is_returned_is_named_as_one(cli: Cli, project: Path) -> None:
    assert message_of(cli, project, "returned") == "The skill returned a coroutine. Did you forget await?"


def test_the_last_place_in_the_project_s_own_files_is_named_and_no_value(cli: Cli, project: Path) -> None:
    assert message_of(cli, project, "key") == "The skill raised KeyError (services/notes.py:2)."
