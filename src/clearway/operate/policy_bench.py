"""A project's policies on the bench: checked, asked and tested from its files alone, without a store."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from clearway.adapters.cedar.policies import PolicyFile, load, read_folder
from clearway.adapters.cedar.policy import CedarPolicy
from clearway.model.errors import ClearwayError, ConfigError
from clearway.model.identity import Scope
from clearway.operate.what_if import WhatIf
from clearway.project.directory import ProjectDirectory
from clearway.project.load import OWNERSHIP_FILE, load_project
from clearway.project.policy_cases import CASES_FILE, PolicyCase, load_policy_cases
from clearway.project.principals import LEAST_MEMBERS
from clearway.project.privacy_names import strangers
from clearway.project.project import Project
from clearway.rules.names import did_you_mean
from clearway.rules.present import visible

Json = dict[str, Any]

_MONEY = re.compile(r"(?:^|_)(?:amount|price|total|fee|balance|cost|salary|rent)(?:_|$)", re.IGNORECASE)
_PLACED = re.compile(r"([^\n:]+):(\d+): (.*)")


@dataclass(frozen=True, slots=True)
class Problem:
    """`file` is relative to the project; empty, with line 0, where the problem has no place. `is_warning`: the policies
    can be put in force all the same."""

    file: str
    line: int
    text: str
    is_warning: bool = False

    def __str__(self) -> str:
        text = f"warning: {self.text}" if self.is_warning else self.text
        return f"{self.file}:{self.line}: {text}" if self.file else text

    def as_json(self) -> Json:
        severity = "warning" if self.is_warning else "error"
        return {"file": self.file, "line": self.line, "problem": self.text, "severity": severity}


def check(folder: Path) -> tuple[Problem, ...]:
    """Everything that is wrong with the project, its policies and its tables of policy tests; by file and line.

    Where the project itself does not load, of the policies only their form is checked: its tools are not known.
    """
    try:
        project = load_project(folder)
    except ConfigError as error:
        found = [*_problems(error, folder), *_malformed(folder)]
    else:
        policy = _policy(project)
        found = [problem for error in policy.check() for problem in _problems(error, folder)]
        warnings = [*policy.warnings(), *strangers(project)]
        found += [replace(problem, is_warning=True) for error in warnings for problem in _problems(error, folder)]
        found += [*_decimal_amounts(project), *_few_deciders(project), *_unknown_owners(project)]
        for file in case_files(project):
            try:
                load_policy_cases(project, file)
            except ConfigError as error:
                found += _problems(error, folder)
    return tuple(sorted(dict.fromkeys(found), key=lambda problem: (problem.file, problem.line)))


def what_if(project: Project) -> WhatIf:
    """Answers from the policy files as the project was loaded."""
    return WhatIf(_policy(project), ProjectDirectory(project, watched=False), project.tools, project.skills)


def case_files(project: Project) -> list[str]:
    """The tables of policy tests: `policies/tests.yaml`, and `*.tests.yaml` below `policies`."""
    found = {
        path.relative_to(project.folder).as_posix() for path in (project.folder / "policies").rglob("*.tests.yaml")
    }
    return sorted(found | ({CASES_FILE} if (project.folder / CASES_FILE).exists() else set()))


def run_cases(project: Project, files: Sequence[str]) -> list[Json]:
    """A result for each case of `files` (relative to the project): `{"name", "file", "line", "tool", "user",
    "expected", "got", "expected_policies", "policies", "message", "passed"}`.

    Errors: `ConfigError` where a table is malformed."""
    bench = what_if(project)
    return [_result(bench, project, case) for file in files for case in load_policy_cases(project, file)]


def _result(bench: WhatIf, project: Project, case: PolicyCase) -> Json:
    user = f"user:{case.user}" if case.user in project.users else f"service:{case.user}"
    try:
        _, decision = bench.decide(
            Scope(case.tenant, case.environment),
            case.tool,
            case.arguments,
            agent=case.agent,
            user=user,
            role=case.role,
            assumed=case.assumed,
        )
        got, policies, message = decision.verdict.value, sorted(decision.policies), decision.message
    except ClearwayError as error:
        got, policies, message = f"error {error.code}", [], error.message
    wanted = None if case.policies is None else sorted(case.policies)
    return {
        "name": case.name,
        "file": case.file,
        "line": case.line,
        "tool": case.tool,
        "user": user,
        "expected": case.expect.value,
        "got": got,
        "expected_policies": wanted,
        "policies": policies,
        "message": message,
        "passed": got == case.expect.value and wanted in (None, policies),
    }


def _policy(project: Project) -> CedarPolicy:
    everybody = [*project.users.values(), *project.services.values()]
    return CedarPolicy(
        project.tools,
        project.skills,
        project.settings.environments,
        [PolicyFile(file, text) for file, text in project.policies],
        groups=group_sizes(project),
        roles={role for declared in everybody for roles in declared.roles.values() for role in roles},
    )


def group_sizes(project: Project) -> dict[str, int]:
    """The number of different people in each group who could decide: of the tenant that has most of them, as all who
    approve an action are of its tenant, in the environment where most of them could."""
    return {
        name: max((len(able) for able, _ in deciders(project, name).values()), default=0)
        for name in project.ownership.groups
    }


def deciders(project: Project, group: str) -> dict[Scope, tuple[frozenset[str], frozenset[str]]]:
    """(who of a group could decide, who is an admin there, as whatever login, and could not), by subject, in each
    environment of each tenant that has people in it."""
    members = [user for user in map(project.users.get, project.ownership.groups[group].members) if user]
    directory = ProjectDirectory(project, watched=False)
    found: dict[Scope, tuple[frozenset[str], frozenset[str]]] = {}
    for tenant, environment in product({user.tenant for user in members}, project.settings.environments):
        scope = Scope(tenant, environment)
        people = frozenset(user.principal(environment).subject for user in members if user.tenant == tenant)
        admins = people & directory.admins(scope)
        found[scope] = (people - admins, admins)
    return found


def _few_deciders(project: Project) -> list[Problem]:
    """Groups of ownership.toml of which admins leave fewer than two people who could decide."""
    if not (project.folder / OWNERSHIP_FILE).exists():
        return []
    return [
        Problem(
            OWNERSHIP_FILE,
            1,
            f"In {scope.environment} of {scope.tenant} only {len(able)} of the group {name} could decide: an admin "
            f"approves nothing ({', '.join(sorted(admins))}). Name further members, or take that role from them.",
            is_warning=True,
        )
        for name in project.ownership.groups
        for scope, (able, admins) in deciders(project, name).items()
        if admins and len(able) < LEAST_MEMBERS
    ]


def _decimal_amounts(project: Project) -> list[Problem]:
    """Amounts of money with decimals: 0.1 + 0.2 is not 0.3 in them, and policy sees four decimals at most."""
    return [
        Problem(
            "",
            0,
            f"tool {tool.name}: {name} is a number with decimals. Amounts of money should be whole minor units "
            "(amount_minor: int, currency: str).",
            is_warning=True,
        )
        for tool in project.tools.values()
        for name, part in tool.schema.get("properties", {}).items()
        if _MONEY.search(name) and "number" in {part.get("type"), *(one.get("type") for one in part.get("anyOf", ()))}
    ]


def _unknown_owners(project: Project) -> list[Problem]:
    """Owners of tools and skills that are neither a group nor somebody, where ownership.toml says who there is."""
    is_owned = (project.folder / OWNERSHIP_FILE).exists()
    known = {*project.ownership.groups, *project.users}
    every = [
        *(("", 0, "tool", tool.name, tool.owner) for tool in project.tools.values()),
        *((skill.file, skill.line, "skill", skill.name, skill.owner) for skill in project.skills.values()),
    ]
    return [
        Problem(
            file,
            line,
            f"{kind} {name}: its owner, {visible(owner)[0]}, is neither a group of {OWNERSHIP_FILE} nor a user. "
            f"{did_you_mean(owner, known)}",
            is_warning=True,
        )
        for file, line, kind, name, owner in every
        if owner and is_owned and owner not in known
    ]


def _malformed(folder: Path) -> list[Problem]:
    try:
        return [problem for error in load(read_folder(folder / "policies"))[1] for problem in _problems(error, folder)]
    except ConfigError as error:
        return _problems(error, folder)


def _problems(error: ConfigError, folder: Path) -> list[Problem]:
    """A `ConfigError` of a project holds a line for each problem."""
    found: list[Problem] = []
    for text in str(error).splitlines():
        placed = _PLACED.fullmatch(text)
        file = placed[1].removeprefix(f"{folder.resolve()}/").removeprefix(f"{folder}/") if placed else ""
        found.append(Problem(file, int(placed[2]), placed[3]) if placed else Problem("", 0, text))
    return found
