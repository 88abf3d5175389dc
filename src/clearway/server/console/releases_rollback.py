"""The one way back on one screen: from what to what, what it voids, and the runs under way."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from clearway.ports import Tx
from clearway.server.admission import Called, GuardedRoute
from clearway.server.console.pages import page
from clearway.server.console.releases import AT, read_in, seen_before, standings_of

router = APIRouter(prefix="/releases", route_class=GuardedRoute, include_in_schema=False)


@router.get("/rollback")
def rollback(caller: Called, to: Annotated[str | None, Query(max_length=100)] = None, seen: str = "") -> Response:
    """For the incident and policy owners."""

    def work(tx: Tx) -> dict[str, Any]:
        standings_of(caller).require(tx, caller.principal, "rollback")
        return seen_before(tx, seen)

    values = read_in(caller, work)
    plan = caller.operations.rollback_plan(to=to or None)
    return page(caller, "release_rollback.html", at=AT, title="Roll back", plan=plan, to=to or "", **values)
