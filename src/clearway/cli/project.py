"""`clearway init` and `demo`, and what a project declares: `clearway tools list`, `clearway skills list`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from clearway.cli.command import command, group_of
from clearway.cli.context import At
from clearway.cli.demo import run_demo
from clearway.model.errors import Invalid
from clearway.operate.operations import Json


def declare(root: typer.Typer) -> None:
    command(root, "init")(init)
    command(root, "demo", context_settings={"ignore_unknown_options": True})(demo)
    command(group_of(root, "tools", "The project's tools."), "list")(tools)
    command(group_of(root, "skills", "The project's skills."), "list")(skills)


def init(at: At, folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or an empty folder.")]) -> None:
    """Write a project to start from: tools, a skill, policies and their tests."""
    from clearway.project.init import write_template

    at.check_local()
    files = write_template(folder)

    def show() -> None:
        at.out.say(f"{folder}: {len(files)} files", style="bold")
        for name in files:
            at.out.say(f"  {name}")

    at.out.emit("project", {"folder": str(folder), "files": files}, show)
    at.out.hint("try next:")
    for words in (
        f"cd {folder}",
        "clearway policy test",
        'clearway run \'Refund 12.50 to account 9182.\' --input \'{"account": "9182", "amount_minor": 1250}\' '
        "--as dana",
        "clearway runs list",
    ):
        at.out.hint(f"  {words}")


def demo(
    at: At,
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[OPTIONS]...", help="Handed on to the demonstration.")
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Where it keeps its data.")] = None,
) -> int:
    """Run the demonstration: a support desk, with stand-ins for its systems. Needs no key and no network."""
    at.check_local()
    if at.out.as_json:
        raise Invalid(
            "The demonstration is a story for people; it has no JSON.", code="usage", remedy="Leave --json out."
        )
    return run_demo([*(["--data", str(data)] if data else []), *(more or [])])


def tools(at: At) -> None:
    """List the tools: impact, owner, and how each can leave an unknown outcome."""
    page = _declared(at, "tools")
    at.out.emit(
        "tools",
        page,
        lambda: at.out.table(
            ("tool", "impact", "owner", "out of unknown by", "undone by", "description"),
            [
                (
                    t["name"],
                    t["impact"] + (", irreversible" if t["irreversible"] else ""),
                    t["owner"],
                    ", ".join(t["ways_out_of_unknown"]),
                    t["compensated_by"],
                    t["description"],
                )
                for t in page["items"]
            ],
        ),
    )


def skills(at: At) -> None:
    """List the skills: owner, tools, and what they are asked like."""
    page = _declared(at, "skills")
    at.out.emit(
        "skills",
        page,
        lambda: at.out.table(
            ("skill", "owner", "tools", "description", "for instance"),
            [
                (s["name"], s["owner"], ", ".join(s["tools"]), s["description"], next(iter(s["examples"]), None))
                for s in page["items"]
            ],
        ),
    )


def _declared(at: At, what: Literal["tools", "skills"]) -> Json:
    """Of the project's files, without a store; with --server, of the project that is served."""
    if at.shared.server is not None:
        with at.operations() as ops:
            return ops.tools() if what == "tools" else ops.skills()
    from clearway.operate.local.project import skills_page, tools_page
    from clearway.project.caps import capped

    project = at.load()
    if what == "tools":
        return tools_page(project.tools)
    most = project.settings.limits.run_budget
    return skills_page({name: capped(skill, most) for name, skill in project.skills.items()})
