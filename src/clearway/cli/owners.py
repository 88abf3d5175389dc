"""`clearway owners list | codeowners | catalog`: who owns what, for people and for other systems."""

from pathlib import Path
from typing import Annotated

import typer

from clearway.cli.command import command, group_of
from clearway.cli.context import At
from clearway.model.errors import Invalid

FOUND = 1

Below = Annotated[
    str | None,
    typer.Option("--below", metavar="PATH", help="The project's folder in the repository; else found by .git."),
]


def declare(root: typer.Typer) -> None:
    group = group_of(root, "owners", "Who owns what, for people and for other systems.")
    command(group, "list")(list_)
    command(group, "codeowners")(code_owners)
    command(group, "catalog")(catalog)


def list_(at: At) -> None:
    """List who owns what in the project, and whom to ask next."""
    from clearway.project.owner_files import owned

    project = at.load()
    groups = project.ownership.groups
    rows = [
        {
            "path": line.path,
            "what": line.what,
            "groups": list(line.groups),
            "members": sorted({name for group in line.groups if group in groups for name in groups[group].members}),
            "escalation": sorted({e for group in line.groups if group in groups and (e := groups[group].escalation)}),
        }
        for line in owned(project)
    ]

    def show() -> None:
        at.out.table(
            ("path", "what", "owner", "members", "escalation"),
            [
                (r["path"] or "*", r["what"], *(", ".join(r[name]) for name in ("groups", "members", "escalation")))
                for r in rows
            ],
        )

    at.out.emit("owners", {"items": rows, "next": None}, show)


def code_owners(
    at: At,
    org: Annotated[str, typer.Option("--org", metavar="ORG", help="The organization whose teams the groups are.")],
    below: Below = None,
    check: Annotated[
        Path | None, typer.Option("--check", metavar="FILE", help="Print nothing; exit with 1 where FILE is another.")
    ] = None,
) -> int:
    """Print a CODEOWNERS file: each group of ownership.toml as the team @ORG/GROUP."""
    from clearway.project.owner_files import codeowners, owned

    project = at.load()
    text = codeowners(owned(project), org, _below(project.folder) if below is None else below)
    same = True
    if check is not None:
        try:
            same = check.read_text(encoding="utf-8") == text
        except (OSError, UnicodeDecodeError):
            raise Invalid("The file cannot be read.", code="file", remedy="Name a CODEOWNERS file.") from None
    at.out.emit(
        "codeowners",
        {"text": text, "same": same},
        lambda: _print(at, "" if check is not None else text),
    )
    if not same:
        at.out.hint(f"{check} is not what ownership.toml says: write it anew.")
    return 0 if same else FOUND


def catalog(
    at: At,
    lifecycle: Annotated[str, typer.Option("--lifecycle", help="As the catalog calls it.")] = "production",
) -> None:
    """Print a Backstage catalog-info.yaml: the project, its skills, and the groups that own them."""
    from clearway.project.owner_files import catalog as catalog_of

    text = catalog_of(at.load(), lifecycle=lifecycle)
    at.out.emit("catalog", {"text": text}, lambda: _print(at, text))


def _print(at: At, text: str) -> None:
    for line in text.splitlines():
        at.out.say(line)


def _below(folder: Path) -> str:
    """Where `folder` lies in its git repository; empty where it is its root, or in none."""
    for above in (folder, *folder.parents):
        if (above / ".git").exists():
            return folder.relative_to(above).as_posix().removeprefix(".")
    return ""
