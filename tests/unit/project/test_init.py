"""The project that `clearway init` writes: it loads, its cases fit, its tools and skill work."""

import ast
import asyncio
from pathlib import Path
from typing import Any

import pytest

from clearway.model.context import ToolContext
from clearway.model.errors import Conflict, Invalid
from clearway.model.tool import Impact, Target
from clearway.project.init import write_template
from clearway.project.load import load_project
from clearway.project.policy_cases import load_policy_cases
from clearway.rules.summary import render


class Run:
    """Calls tools directly, as if everything was allowed."""

    def __init__(self, tools: Any) -> None:
        self._tools = tools
        self.called: list[str] = []

    async def call(self, tool: Any, *, reason: str = "", **arguments: Any) -> Any:
        spec = tool.spec
        self.called.append(spec.name)
        lead = (ToolContext("acme", "dev", "r", f"s{len(self.called)}", "key"),) if spec.takes_context else ()
        return spec.function(*lead, **spec.validate(arguments))


def test_the_template_is_a_working_project(tmp_path: Path) -> None:
    written = write_template(tmp_path)
    assert {"clearway.toml", "ownership.toml", ".gitignore", "tools/accounts.py", "policies/main.cedar"} <= set(written)
    loaded = load_project(tmp_path, environ={})
    assert {name: spec.impact for name, spec in loaded.tools.items()} == {
        "credit_account": Impact.EXTERNAL,
        "read_account": Impact.READ,
    }
    assert {case.expect.value for case in load_policy_cases(loaded)} == {"allow", "hold", "deny"}
    credit = loaded.tools["credit_account"]
    arguments = credit.validate({"account": "9182", "amount_minor": 240000, "currency": "USD"})
    assert render(credit.summary, arguments) == "Credit $2,400.00 to account 9182"
    assert credit.targets(arguments) == [Target("account", "9182")]


def test_its_skill_credits_once_for_a_key(tmp_path: Path) -> None:
    write_template(tmp_path)
    loaded = load_project(tmp_path, environ={})
    skill = loaded.skills["credit_desk"]
    for _ in range(2):
        run = Run(loaded.tools)
        answer = asyncio.run(skill.function(run, **skill.validate({"account": "9182", "amount_minor": 5})))  # pyright: ignore[reportArgumentType]
        assert run.called == ["read_account", "credit_account"]
        assert answer["answer"] == "The account was credited."
    assert len((tmp_path / ".clearway" / "credits.jsonl").read_text().splitlines()) == 1
    unknown = asyncio.run(skill.function(Run(loaded.tools), account="0", amount_minor=5))  # pyright: ignore[reportArgumentType]
    assert unknown == {"answer": "There is no such account."}


def test_every_python_file_of_the_template_is_written_as_one(tmp_path: Path) -> None:
    for name in write_template(tmp_path):
        assert not name.endswith("-tpl")
        if name.endswith(".py"):
            ast.parse((tmp_path / name).read_text())


def test_a_folder_with_other_files_is_filled(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    write_template(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"


@pytest.mark.parametrize("taken", ["clearway.toml", "policies/main.cedar"])
def test_nothing_is_overwritten(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).parent.mkdir(exist_ok=True)
    (tmp_path / taken).write_text("mine")
    with pytest.raises(Conflict, match=taken):
        write_template(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [Path(taken).name]


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Invalid, match="cannot be written"):
        write_template(tmp_path / "file" / "project")
