"""`clearway policy check | explain | test`: from the project's files, without a store."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearway.cli import policy_diff
from clearway.cli.command import command, group_of
from clearway.cli.context import At
from clearway.cli.values import json_object
from clearway.model.errors import Invalid, NotFound
from clearway.model.identity import Scope
from clearway.operate.operations import Json

if TYPE_CHECKING:
    from clearway.project.project import Project

FOUND = 1


def declare(root: typer.Typer) -> None:
    group = group_of(root, "policy", "Policies: check them, ask them, test them, compare them.")
    command(group, "check")(check)
    command(group, "explain")(explain)
    command(group, "test")(run_tests)
    command(group, "diff")(policy_diff.diff)


def check(at: At) -> int:
    """List everything that is wrong with the project and its policies, with file and line."""
    from clearway.operate import policy_bench

    problems = policy_bench.check(at.folder())

    def show() -> None:
        for problem in problems:
            at.out.say(str(problem))
        if not problems:
            at.out.say("no problems")

    at.out.emit("problems", {"items": [problem.as_json() for problem in problems], "next": None}, show)
    return FOUND if any(not problem.is_warning for problem in problems) else 0


def explain(
    at: At,
    tool: Annotated[str, typer.Argument(metavar="TOOL", help="The tool's name.")],
    arguments: Annotated[str, typer.Argument(metavar="ARGUMENTS", help="Its arguments, as a JSON object.")],
    agent: Annotated[
        str | None,
        typer.Option("--agent", metavar="SKILL", help="The skill that acts; else the first that may use the tool."),
    ] = None,
    untrusted: Annotated[
        list[str] | None,
        typer.Option("--untrusted", metavar="ARGUMENT", help="It came from an untrusted source. Repeatable."),
    ] = None,
    endorsed: Annotated[
        list[str] | None,
        typer.Option("--endorsed", metavar="ARGUMENT", help="A person has vouched for it. Repeatable."),
    ] = None,
    history: Annotated[
        str, typer.Option("--history", metavar="JSON", help='What happened before, as {"count": {"user_day": 3}}.')
    ] = "{}",
) -> None:
    """Say what policy answers to a call, and why. --as names whose rights are asked for, --role narrows them.

    Nothing is run and nobody has to be authenticated: it reads the project's files only.
    """
    from clearway.operate import policy_bench

    given = json_object(arguments, "ARGUMENTS")
    if at.shared.server is not None:
        with at.asking() as ops:
            answer = ops.explain(tool, given, agent=agent, user=at.shared.user, role=at.shared.role)
        return at.out.emit("explanation", answer, lambda: _show(at, answer))
    from clearway.project.assumptions import assumption_of

    project = at.load()
    assumed = assumption_of(
        {
            "untrusted": untrusted or [],
            "endorsed": endorsed or [],
            "history": json_object(history, "--history"),
        },
        project.tools.get(tool),
        project.tools,
    )
    answer = policy_bench.what_if(project).explain(
        _scope(at, project), tool, given, agent=agent, user=at.shared.user, role=at.shared.role, assumed=assumed
    )
    at.out.emit("explanation", answer, lambda: _show(at, answer))


def run_tests(
    at: At,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Else policies/tests.yaml and policies/**/*.tests.yaml."),
    ] = None,
) -> int:
    """Run the tables of policy tests."""
    from clearway.operate import policy_bench

    project = at.load()
    wanted = [_in_project(project, file) for file in files] if files else policy_bench.case_files(project)
    if not wanted:
        raise NotFound(
            "The project has no policy tests.",
            code="no_policy_tests",
            remedy="Write policies/tests.yaml; `clearway init` has one to start from.",
        )
    results = policy_bench.run_cases(project, wanted)
    failed = [result for result in results if not result["passed"]]
    at.out.emit(
        "policy_tests",
        {"items": results, "passed": len(results) - len(failed), "failed": len(failed), "next": None},
        lambda: _show_results(at, results, failed),
    )
    return FOUND if failed else 0


def _scope(at: At, project: "Project") -> Scope:
    settings = project.settings
    declared = project.users.get((at.shared.user or "").removeprefix("user:"))
    tenant = at.shared.tenant or (declared.tenant if declared else settings.tenants[0])
    for name, asked, known in (
        ("environment", at.environment, settings.environments),
        ("tenant", tenant, settings.tenants),
    ):
        if asked not in known:
            raise Invalid(f"The project declares no such {name}.", code=name, remedy=f"Use one of: {', '.join(known)}.")
    return Scope(tenant, at.environment)


def _in_project(project: "Project", file: Path) -> str:
    path = next((path for path in (file.resolve(), (project.folder / file).resolve()) if path.is_file()), None)
    if path is None or not path.is_relative_to(project.folder):
        raise NotFound(
            "There is no such file of policy tests in the project.", remedy="Name one as policies/tests.yaml."
        )
    return path.relative_to(project.folder).as_posix()


def _show(at: At, answer: Json) -> None:
    out = at.out
    out.say(f"{answer['verdict']}: {answer['message']} [{answer['code']}]", style="bold")
    out.fields(
        [
            ("user", answer["user"]),
            ("agent", answer["agent"]),
            ("where", f"{answer['tenant']}/{answer['environment']}"),
            ("impact", answer["impact"]),
            ("targets", ", ".join(answer["targets"])),
            ("policies", ", ".join(answer["policies"])),
            ("approvers", ", ".join(f"{n} of {group}" for group, n in answer["approvers"])),
            ("untrusted", _with_trust(answer, "untrusted")),
            ("endorsed", _with_trust(answer, "endorsed")),
            ("asks the past", ", ".join(answer["history_read"])),
        ]
    )
    rows = [
        (f"{part['party']} at target {part['target']}", _effect(policy["text"]), label, policy["id"], policy["place"])
        for part in answer["details"].get("answers", [])
        for label, key in (
            ("decides", "determined_by"),
            ("fails", "erring"),
            ("does not hold", "unmet"),
            ("is for others", "for_others"),
        )
        for policy in part[key]
    ]
    if rows:
        out.say()
        out.table(("for", "effect", "policy that", "id", "place"), rows)


def _with_trust(answer: Json, trust: str) -> str:
    return ", ".join(path for path, found in answer["labels"].items() if found == trust)


def _effect(text: str) -> str:
    """What a policy does where it holds: `permit`, `permit, hold` or `forbid`."""
    holds = '@obligation("require_approval")' in text
    found = re.search(r"\b(permit|forbid)\b", re.sub(r'"(?:[^"\\]|\\.)*"|//[^\n]*', "", text))
    effect = found[1] if found else ""
    return f"{effect}, hold" if effect == "permit" and holds else effect


def _show_results(at: At, results: list[Json], failed: list[Json]) -> None:
    out = at.out
    out.table(
        ("result", "expected", "got", "case", "tool", "user"),
        [
            ("pass" if r["passed"] else "FAIL", r["expected"], r["got"], r["name"], r["tool"], r["user"])
            for r in results
        ],
    )
    for result in failed:
        out.say()
        out.say(f"FAIL {result['name']} ({result['file']}:{result['line']})", style="bold")
        wanted = result["expected_policies"]
        out.fields(
            [
                (
                    "expected",
                    f"{result['expected']}{'' if wanted is None else ' by ' + (', '.join(wanted) or 'no policy')}",
                ),
                ("got", f"{result['got']} by {', '.join(result['policies']) or 'no policy'}"),
                ("because", result["message"]),
            ]
        )
    out.say()
    out.say(f"{len(results) - len(failed)} passed, {len(failed)} failed")
