"""`policies/tests.yaml`: who may do what, written down as a table that is checked with every change of policy.

::

    - name: a small credit goes through
      principal: {user: dana, environment: prod, tenant: acme, agent: desk}    # role: one of dana's, to narrow her
      tool: credit_account
      arguments: {account: "9182", amount_minor: 2500, currency: USD}
      expect: allow                                                            # or hold, or deny
      policies: [small-credit, desk-agent]                                     # the @ids that decide; may be left out
      untrusted: [account]                                                     # and what `assumptions` says

"""

from dataclasses import dataclass, field
from typing import Any, cast

from clearway.model.assumption import Assumption
from clearway.model.decision import Verdict
from clearway.model.errors import Invalid
from clearway.project.assumptions import read_assumption
from clearway.project.located import Problems, Source, Table
from clearway.project.project import Project
from clearway.project.strict_yaml import load_yaml

CASES_FILE = "policies/tests.yaml"


@dataclass(frozen=True, slots=True)
class PolicyCase:
    """One row. `arguments` are canonical; `role` None: all roles of the user in the environment; `policies` None: any.

    `user` is a declared user or service of `tenant`. `line` is that of the row in `file`.
    """

    name: str
    user: str
    role: str | None
    environment: str
    tenant: str
    agent: str
    tool: str
    expect: Verdict
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    policies: tuple[str, ...] | None = None
    assumed: Assumption = field(default_factory=Assumption)
    file: str = CASES_FILE
    line: int = 0


def load_policy_cases(project: Project, file: str = CASES_FILE) -> tuple[PolicyCase, ...]:
    """The table of a project, checked against what the project declares; no cases where there is no such file.

    Errors: one `ConfigError`, with file and line of each problem.
    """
    path = project.folder / file
    if not path.exists():
        return ()
    source, problems = load_yaml(path, file), Problems()
    data: Any = source.data
    rows = cast("list[Any]", data) if isinstance(data, list) else []
    if data is not None and not isinstance(data, list):
        problems.add(source, (), "the table is not a list of cases", "Begin each case with `- name: …`.")
    cases = [_case(source, problems, place, row, project) for place, row in enumerate(rows)]
    names: set[str] = set()
    for place, case in enumerate(cases):
        if case is not None and case.name in names:
            problems.add(source, (place, "name"), "two cases have this name", "Rename one of the two.")
        names |= {case.name} if case is not None else set()
    problems.raise_any()
    return tuple(case for case in cases if case is not None)


def _case(source: Source, problems: Problems, place: int, row: Any, project: Project) -> PolicyCase | None:
    if not isinstance(row, dict):
        problems.add(source, (place,), "a case is not a mapping", "Begin it with `- name: …`.")
        return None
    before = len(problems.errors)
    table = Table(source, problems, (place,), row)  # pyright: ignore[reportUnknownArgumentType]
    name, tool, expect = (
        _needed(table, key, example)
        for key, example in (("name", "a small credit goes through"), ("tool", "refund"), ("expect", "allow"))
    )
    user, role, environment, tenant, agent = _principal(table.table("principal"), project)
    if "principal" not in table.values:
        table.wrong("principal", "is missing", "Write principal: {user: …, environment: …, agent: …}.")
    table.choice("expect", expect, [verdict.value for verdict in Verdict], "verdict")
    arguments = _arguments(table, tool, project)
    policies = table.texts("policies", example="[small-credit]") if "policies" in table.values else None
    assumed = read_assumption(table, project.tools.get(tool), project.tools)
    table.finish()
    if len(problems.errors) > before:
        return None
    return PolicyCase(
        name,
        user,
        role,
        environment,
        tenant,
        agent,
        tool,
        Verdict(expect),
        arguments,
        policies,
        assumed,
        source.file,
        source.line(place),
    )


def _principal(table: Table, project: Project) -> tuple[str, str | None, str, str, str]:
    subjects = {**project.services, **project.users}
    user = _needed(table, "user", "dana")
    environment, agent = _needed(table, "environment", "dev"), _needed(table, "agent", "desk")
    role = table.text("role", None, example="support")
    tenant = table.text("tenant", subjects[user].tenant if user in subjects else "", example="acme")
    table.finish()
    if user and table.choice("user", user, subjects, "user") and role is not None:
        table.choice("role", role, subjects[user].roles.get(environment, ()), f"role of {user}")
    if environment:
        table.choice("environment", environment, project.settings.environments, "environment")
    if "tenant" in table.values:
        table.choice("tenant", tenant, project.settings.tenants, "tenant")
    if agent:
        table.choice("agent", agent, project.skills, "skill")
    return user, role, environment, tenant, agent


def _arguments(table: Table, tool: str, project: Project) -> dict[str, Any]:
    given = table.table("arguments").values
    if not tool or not table.choice("tool", tool, project.tools, "tool"):
        return {}
    try:
        return project.tools[tool].validate(given)
    except Invalid as error:
        table.wrong("arguments", f"do not fit: {error.message.rstrip('.')}", error.remedy)
        return {}


def _needed(table: Table, key: str, example: str) -> str:
    value = table.text(key, "", example=example)
    if key not in table.values:
        table.wrong(key, "is missing", f"Write {key}: {example}.")
    return value
