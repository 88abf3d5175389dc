"""Loads a project's folder, strictly: what is wrong becomes one `ConfigError` that names every place.

::

    clearway.toml  ownership.toml  tools/*.py  skills/*.py  policies/*.cedar  prompts/*  routes/*
"""

import contextlib
import os
import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from clearway.model.errors import ConfigError
from clearway.model.tool import SkillSpec, ToolSpec
from clearway.project.declare import Skill, Tool
from clearway.project.files import behaviour, digested_files, files_below, project_digest, read_all
from clearway.project.located import SETTINGS_FILE, Problems, Table
from clearway.project.modules import import_files
from clearway.project.parameters import place_of
from clearway.project.principals import Ownership, check_sizes, join_groups, read_ownership, read_principals
from clearway.project.project import Project
from clearway.project.settings import read_settings
from clearway.project.strict_toml import load_toml
from clearway.rules.names import did_you_mean, skeleton
from clearway.rules.present import visible

OWNERSHIP_FILE = "ownership.toml"
#: Overrides `[store] url`.
STORE_URL_VARIABLE = "CLEARWAY_STORE_URL"

_PROMPT_ENDINGS = (".md", ".txt")

K = TypeVar("K", Tool[..., Any], Skill[..., Any])


def load_project(
    folder: str | Path, *, store_url: str | None = None, environ: Mapping[str, str] = os.environ
) -> Project:
    """Reads and imports the project in `folder`.

    `store_url` goes before the variable CLEARWAY_STORE_URL, and that before clearway.toml. Errors: `ConfigError` only;
    its message has a line `file:line: what is wrong. What to write.` for each problem, files relative to the folder.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise ConfigError("There is no such folder.", remedy="Give the folder that holds clearway.toml.")
    problems = Problems()
    source = load_toml(root / SETTINGS_FILE, SETTINGS_FILE)
    top = Table(source, problems, (), source.data)
    settings = read_settings(top, root, store_url or environ.get(STORE_URL_VARIABLE) or None)
    project, owners = _with_people(Project(root, settings), top, problems)
    project, lost = _with_code(project, problems)
    project = _with_files(project, problems)
    _check_names(project, top, owners, lost)
    _check_routing(project, top.table("routing"), lost)
    problems.raise_any()
    files, code = digested_files(root, (OWNERSHIP_FILE,))
    decides = behaviour(source.data)
    return replace(project, files=files, code=code, behaviour=decides, digest=project_digest(files, code, decides))


def load_people(folder: Path) -> Project:
    """The project's settings and people only, without importing its code: to see a removed role at once.

    Errors: `ConfigError`."""
    problems = Problems()
    source = load_toml(folder / SETTINGS_FILE, SETTINGS_FILE)
    top = Table(source, problems, (), source.data)
    project, _ = _with_people(Project(folder, read_settings(top, folder, None)), top, problems)
    problems.raise_any()
    return project


def _with_people(project: Project, top: Table, problems: Problems) -> tuple[Project, Table | None]:
    settings = project.settings
    users = read_principals(top, "user", settings.environments, settings.tenants)
    services = read_principals(top, "service", settings.environments, settings.tenants)
    top.finish()
    owners = _ownership_table(project.folder, problems)
    ownership = read_ownership(owners, users) if owners else Ownership()
    users, ownership = join_groups(users, ownership, top)
    if owners:
        check_sizes(ownership, users, owners)
    return replace(project, users=users, services=services, ownership=ownership), owners


def _ownership_table(root: Path, problems: Problems) -> Table | None:
    """ownership.toml; None where there is none, or where it cannot be read (which is a problem)."""
    if not (root / OWNERSHIP_FILE).exists():
        return None
    try:
        source = load_toml(root / OWNERSHIP_FILE, OWNERSHIP_FILE)
    except ConfigError as error:
        problems.extend(error)
        return None
    return Table(source, problems, (), source.data)


@dataclass(frozen=True, slots=True)
class _Lost:
    """The text of the modules that could not be imported: a name that they may declare is no further mistake."""

    text: str = ""

    def may_declare(self, name: str) -> bool:
        named = re.escape(name)
        return re.search(rf"""\bdef\s+{named}\s*\(|["']{named}["']""", self.text) is not None


def _lost(folder: Path, files: Iterable[Path], imported: Container[str]) -> _Lost:
    texts: list[str] = []
    for path in files:
        if path.relative_to(folder).as_posix() not in imported:
            with contextlib.suppress(OSError):
                texts.append(path.read_text(encoding="utf-8", errors="replace"))
    return _Lost("\n".join(texts))


def _with_code(project: Project, problems: Problems) -> tuple[Project, _Lost]:
    folder = project.folder
    files = [path for part in ("tools", "skills") for path in files_below(folder, part, (".py",), problems)]
    tools: dict[str, Tool[..., Any]] = {}
    skills: dict[str, Skill[..., Any]] = {}
    imported = import_files(folder, files, problems)
    lost = _lost(folder, files, {file for file, _ in imported})
    for _, module in imported:
        for value in list(vars(module).values()):
            if isinstance(value, Tool):
                _declare(tools, cast("Tool[..., Any]", value), "tool", folder, problems)
            elif isinstance(value, Skill):
                _declare(skills, cast("Skill[..., Any]", value), "skill", folder, problems)
    _refuse_lookalikes(tools, folder, problems)
    _refuse_lookalikes(skills, folder, problems)
    tool_specs: dict[str, ToolSpec] = {name: tools[name].spec for name in sorted(tools)}
    skill_specs: dict[str, SkillSpec] = {
        name: replace(skills[name].spec, file=_place(skills[name], folder)[0]) for name in sorted(skills)
    }
    project = replace(project, tools=tool_specs, skills=skill_specs)
    for name, item in tools.items():
        undo = item.spec.compensate
        if undo is not None and undo.tool not in tools and not lost.may_declare(undo.tool):
            _unknown_tool(problems, f"compensate of tool {name}", undo.tool, project, *_place(item, folder))
    return project, lost


def _declare(known: dict[str, K], item: K, kind: str, folder: Path, problems: Problems) -> None:
    name = item.spec.name
    other = known.setdefault(name, item)
    if other is not item:
        (file, line), (first, at) = _place(item, folder), _place(other, folder)
        problems.extend(
            ConfigError(
                f"{kind} {name} is declared a second time; the first is at {first}:{at}.",
                file=file,
                line=line,
                remedy="Rename one of the two.",
            )
        )


def _refuse_lookalikes(known: Mapping[str, K], folder: Path, problems: Problems) -> None:
    seen: dict[str, str] = {}
    for name, item in known.items():
        other = seen.setdefault(skeleton(name), name)
        if other != name:
            file, line = _place(item, folder)
            problems.extend(
                ConfigError(
                    f"the names {other} and {name} can be taken for each other.",
                    file=file,
                    line=line,
                    remedy="Rename one of the two.",
                )
            )


def _place(item: Tool[..., Any] | Skill[..., Any], folder: Path) -> tuple[str, int]:
    file, line = place_of(item.function)
    path = Path(file)
    return (path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name), line


def _with_files(project: Project, problems: Problems) -> Project:
    folder = project.folder
    policies = tuple(read_all(folder, files_below(folder, "policies", (".cedar",), problems), problems))
    prompts: dict[str, str] = {}
    for file, text in read_all(folder, files_below(folder, "prompts", _PROMPT_ENDINGS, problems), problems):
        name = file.removeprefix("prompts/").rpartition(".")[0]
        if name in prompts:
            problems.extend(
                ConfigError(f"there are two prompts called {name}.", file=file, line=1, remedy="Rename one of the two.")
            )
        prompts[name] = text
    return replace(project, policies=policies, prompts=prompts)


def _check_names(project: Project, top: Table, owners: Table | None, lost: _Lost) -> None:
    """Notes each name of a tool, skill or group that the project does not have."""

    def stated(names: Iterable[str]) -> list[str]:
        return [name for name in names if not lost.may_declare(name)]

    for skill in project.skills.values():
        for name in stated(sorted(skill.tools - project.tools.keys())):
            _unknown_tool(top.problems, f"skill {skill.name}", name, project, skill.file, skill.line)
        if skill.models is not None and skill.models.prompt and skill.models.prompt not in project.prompts:
            top.problems.extend(_no_prompt(skill, project))
    limits = top.table("limits")
    for name in stated(project.settings.limits.tools):
        limits.table("tools").choice(name, name, project.tools, "tool")
    for name in stated(project.settings.limits.skills):
        limits.table("skills").choice(name, name, project.skills, "skill")
    if owners is not None:
        for name in stated(owners.table("owners").table("skills").values):
            owners.table("owners").table("skills").choice(name, name, project.skills, "skill")
    _check_grant_factors(project, top.table("approvals"))


def _check_grant_factors(project: Project, approvals: Table) -> None:
    for factor in project.settings.grant_factors:
        group = project.ownership.groups.get(factor.group)
        if (
            approvals.choice("grant_factors", factor.group, project.ownership.groups, "group")
            and group is not None
            and len(group.members) < factor.n
        ):
            approvals.wrong(
                "grant_factors",
                f"asks for {factor.n} of {factor.group}, which has {len(group.members)}",
                "Ask for fewer, or name more members.",
            )


def _no_prompt(skill: SkillSpec, project: Project) -> ConfigError:
    name = skill.models.prompt if skill.models else ""
    return ConfigError(
        f"agent {skill.name} has no prompt: there is no file prompts/{visible(name)[0]}.md.",
        file=skill.file,
        line=skill.line,
        remedy=did_you_mean(name, project.prompts) or "Write it, or name another with prompt=…",
    )


def _check_routing(project: Project, table: Table, lost: _Lost) -> None:
    """Notes each skill that `[routing]` names and the project does not have."""
    routing = project.settings.routing
    named = [("keywords", name) for name in routing.keywords] + [("patterns", name) for name in routing.patterns]
    for part, name in named:
        if not lost.may_declare(name):
            table.table(part).choice(name, name, project.skills, "skill")
    if routing.person and not lost.may_declare(routing.person):
        table.choice("person", routing.person, project.skills, "skill")


def _unknown_tool(problems: Problems, who: str, name: str, project: Project, file: str, line: int) -> None:
    problems.extend(
        ConfigError(
            f"{who} names the tool {visible(name)[0]}, which does not exist.",
            file=file,
            line=line,
            remedy=did_you_mean(name, project.tools) or "Declare it in tools/*.py.",
        )
    )
