"""`clearway drill rollback`: a bad release is put on a share of the traffic, and has to go by itself."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from clearway.cli.command import command, group_of
from clearway.cli.context import At
from clearway.model.errors import Denied
from clearway.model.identity import DEV
from clearway.operate.operations import Json

if TYPE_CHECKING:
    from clearway.model.identity import Scope
    from clearway.project.project import Project

FOUND = 1


def declare(root: typer.Typer) -> None:
    group = group_of(root, "drill", "Drills: what has to work in an emergency, carried out on a copy.")
    command(group, "rollback")(rollback)


def rollback(
    at: At, seed: Annotated[int, typer.Option("--seed", help="Which examples are routed wrongly, and the order.")] = 7
) -> int:
    """Drill a rollback: on a throw-away copy, a release that routes 30 % wrongly has to be rolled back by itself.

    The project's store, tools, skills and models are not touched. Exits with 1 where a part fails. With an owner
    acting, the audit log of the project's own store gets the outcome (drill.rollback).
    """
    from clearway.project.load import load_project

    at.check_local()
    project = load_project(at.folder(), store_url=at.shared.store)
    with TemporaryDirectory(prefix="clearway-drill-") as scratch:
        found = _carried_out(project, _scope(at, project), Path(scratch), seed)
    found["recorded"], why_not = _recorded(at, found)

    def show() -> None:
        rows = [("ok" if p["ok"] else "FAILED", f"{p['took_s']:.2f} s", p["part"], p["said"]) for p in found["parts"]]
        at.out.table(("result", "took", "part", "what happened"), rows)
        failed = next((part for part in found["parts"] if not part["ok"]), None)
        if failed is None:
            at.out.say(f"passed: rolled back after {found['requests']} requests, {found['took_s']:.1f} s in all")
        else:
            at.out.say(f"failed: {failed['part']}: {failed['said']}")

    at.out.emit("drill", found, show)
    if why_not:
        at.out.hint(f"not recorded: {why_not}")
    return 0 if found["outcome"] == "passed" else FOUND


def _carried_out(project: "Project", scope: "Scope", scratch: Path, seed: int) -> Json:
    from clearway.app import Clearway
    from clearway.operate.drills import RollbackDrill
    from clearway.operate.rehearsal import rehearsal_of, rehearsal_router
    from clearway.operate.routes import make_router
    from clearway.runtime.tracing import SILENT

    rehearsal = rehearsal_of(project, scratch)
    router = rehearsal_router(rehearsal, make_router(rehearsal, None))
    with Clearway(rehearsal, router=router, telemetry=SILENT) as app:
        drill = RollbackDrill(
            project=rehearsal,
            scope=scope,
            store=app.store,
            shelf=app.shelf,
            rollout=replace(app.rollout, unsigned=frozenset({scope.environment})),
            intake=app.desk.intake,
            decisions=app.desk.decisions,
            audit=app.audit,
            router=router,
            carry_out=app.handle_pass,
            seed=seed,
        )
        return drill.run()


def _scope(at: At, project: "Project") -> "Scope":
    """The tenant of whoever would roll back, unless another one is asked for; dev, where that is declared."""
    from clearway.model.identity import Scope

    settings, group = project.settings, project.ownership.incident_owner
    members = sorted(project.ownership.groups[group].members) if group else []
    tenant = at.shared.tenant or next((project.users[n].tenant for n in members if n in project.users), None)
    environment = DEV if DEV in settings.environments else settings.environments[0]
    return Scope(tenant or settings.tenants[0], environment)


def _recorded(at: At, found: Json) -> tuple[bool, str]:
    """(whether the outcome stands in the project's own audit log, else why not)."""
    from clearway.operate.drills import record

    if not at.names_somebody:
        return False, "nobody is acting; name an owner with --as, or set CLEARWAY_KEY"
    with at.open(make=True) as app:
        try:
            record(app.store, app.shelf, at.caller(app).caller, found)
        except Denied as denied:
            return False, f"{denied.message} {denied.remedy}".strip()
    return True, ""
