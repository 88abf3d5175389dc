"""Runs: found, and one of them as a timeline."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from clearway.model.run import RunStatus
from clearway.server.admission import Called
from clearway.server.console.pages import PageRoute, fragment, is_htmx, may, page
from clearway.server.rights import Need
from clearway.server.routes.runs import Cursor, Filter

router = APIRouter(prefix="/runs", route_class=PageRoute, include_in_schema=False)

PAGE = 50
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
    """Runs that fit, newest first."""
    asked = {"status": status or None, "skill": skill or None, "correlation_id": correlation_id or None}
    runs = caller.operations.runs(**asked, limit=PAGE, cursor=cursor)
    values: dict[str, Any] = {"found": runs, "asked": asked}
    if is_htmx(request):
        return fragment("runs_list.html", **values)
    skills = [skill["name"] for skill in caller.operations.skills()["items"]]
    return page(
        caller, "runs.html", at="/runs", title="Runs", statuses=[s.value for s in RunStatus], skills=skills, **values
    )


@router.get("/{run_id}")
def one(caller: Called, run_id: str) -> Response:
    """The execution record: what happened, where it failed, who owns the fix."""
    run = caller.operations.run(run_id)
    slowest = max((step["latency_s"] or 0.0 for step in run["steps"]), default=0.0)
    failure: dict[str, Any] = run["failure"] or {}
    failed = next((step["step"] for step in reversed(run["steps"]) if step["state"] in _ENDED_BADLY), None)
    return page(
        caller,
        "run.html",
        at="/runs",
        title="Run",
        run=run,
        slowest=slowest,
        failed=failure.get("step") or failed,
        may_cancel=may(caller, Need.ASK) and run["finished_at"] is None,
        may_retry=may(caller, Need.OPERATE) and run["status"] in ("failed", "refused"),
    )
