"""Runs: found, and one of them as a timeline."""

import re
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from clearway.model.run import RunStatus
from clearway.server.admission import Called, Caller, GuardedRoute
from clearway.server.console.opening import openable
from clearway.server.console.pages import fragment, is_htmx, may, page
from clearway.server.rights import Need
from clearway.server.routes.runs import Cursor, Filter

router = APIRouter(prefix="/runs", route_class=GuardedRoute, include_in_schema=False)

PAGE = 50
#: Beside the statuses of runs: those that a rollback holds.
HELD = "held"
_RUN_ID = re.compile(r"run_[0-9a-f]{8,64}", re.ASCII)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_ENDED_BADLY = frozenset({"failed_final", "refused", "unknown"})


@router.get("")
def found(
    request: Request,
    caller: Called,
    status: Filter = None,
    skill: Filter = None,
    correlation_id: Filter = None,
    cursor: Cursor = None,
) -> Response:
    """Runs that fit, newest first. A run's own id in the place of a correlation id leads to that run."""
    if correlation_id is not None and _RUN_ID.fullmatch(correlation_id):
        return _to_run(request, correlation_id)
    asked = {"status": status or None, "skill": skill or None, "correlation_id": correlation_id or None}
    held = asked["status"] == HELD
    runs = caller.operations.runs(
        status=None if held else asked["status"],
        skill=asked["skill"],
        correlation_id=asked["correlation_id"],
        held=held,
        limit=PAGE,
        cursor=cursor,
    )
    values: dict[str, Any] = {"found": runs, "asked": asked, "is_first": cursor is None}
    if is_htmx(request):
        return fragment("runs_list.html", **values)
    skills = [skill["name"] for skill in caller.operations.skills()["items"]]
    statuses = [*(status.value for status in RunStatus), HELD]
    return page(caller, "runs.html", at="/runs", title="Runs", statuses=statuses, skills=skills, **values)


@router.get("/{run_id}")
def one(caller: Called, run_id: str) -> Response:
    """The execution record: what happened, where it failed, who owns the fix."""
    run = caller.operations.run(run_id)
    slowest = max((step["latency_s"] or 0.0 for step in run["steps"]), default=0.0)
    failure: dict[str, Any] = run["failure"] or {}
    for approval in run["approvals"]:
        approval["waited_s"] = _waited_s(approval)
    failed = next((step["step"] for step in reversed(run["steps"]) if step["state"] in _ENDED_BADLY), None)
    at_fault = failure.get("step") or failed
    return page(
        caller,
        "run.html",
        at="/runs",
        title="Run",
        run=run,
        openable=openable(caller, run),
        opened_at=f"/runs/{run_id}/open",
        slowest=slowest,
        failed=at_fault,
        failed_tool=next(
            (step["tool"] for step in run["steps"] if step["step"] == at_fault and "turn" not in step), ""
        ),
        may_switch=may(caller, Need.OPERATE),
        asked={approval["approval_id"]: approval for approval in run["approvals"]},
        allowed=_allowed(run["events"]),
        pending=[approval for approval in run["approvals"] if approval["state"] == "pending"],
        doubtful=[step for step in run["steps"] if step["state"] == "unknown"],
        trace=_trace(caller, run["route"]),
        skill_owner=_skill_owner(caller, run["skill"]),
        is_stored=_is_stored(caller, run["release"]),
        may_cancel=may(caller, Need.ASK) and run["finished_at"] is None,
        may_retry=may(caller, Need.OPERATE) and run["status"] in ("failed", "refused"),
    )


def _is_stored(caller: Caller, release: str) -> bool:
    """Whether it is a release, and not a folder that was never released."""
    return caller.site.app.store.read(caller.principal.scope, lambda tx: tx.releases.get(release) is not None)


def _to_run(request: Request, run_id: str) -> Response:
    if is_htmx(request):
        return Response(headers={"HX-Redirect": f"/runs/{run_id}"})
    return RedirectResponse(f"/runs/{run_id}", status_code=303)


def _waited_s(approval: dict[str, Any]) -> float | None:
    """Until people had decided."""
    if approval["decided_at"] is None:
        return None
    asked, decided = (datetime.fromisoformat(approval[name]) for name in ("requested_at", "decided_at"))
    return (decided - asked).total_seconds()


def _allowed(events: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Step → the policies that let it through, as the newest attempt recorded them."""
    found: dict[str, list[str]] = {}
    for event in events:
        if event["kind"] in ("action.started", "action.succeeded") and event["payload"]:
            found[event["step"]] = list(event["payload"].get("policies") or found.get(event["step"], ()))
    return found


def _skill_owner(caller: Caller, name: str) -> str:
    """Who owns what a model says in it."""
    skill = caller.site.app.project.skills.get(name)
    return (skill.owner if skill else "") or "unowned"


def _trace(caller: Caller, route: dict[str, Any]) -> dict[str, str] | None:
    """`{"id", "url"}` of the trace that the run is told in; `url` is empty where the project names no place."""
    found = _TRACEPARENT.fullmatch(str(route.get("traceparent", "")))
    if found is None:
        return None
    template = caller.site.app.project.settings.telemetry.trace_url or ""
    return {"id": found[1], "url": template.replace("{trace_id}", found[1])}
