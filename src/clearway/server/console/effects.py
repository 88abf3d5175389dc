"""Effects in doubt, ledger rows, and kill switches."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from clearway.server.admission import Called, GuardedRoute
from clearway.server.console.opening import openable, recorded
from clearway.server.console.pages import may, page
from clearway.server.rights import Need
from clearway.server.routes.runs import Cursor

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)

PAGE = 50


@router.get("/unknowns")
def unknowns(caller: Called, cursor: Cursor = None) -> Response:
    """What was sent and not confirmed."""
    found = caller.operations.ledger(state="unknown", limit=PAGE, cursor=cursor)
    return page(caller, "unknowns.html", at="/unknowns", title="Unknowns", found=found, is_first=cursor is None)


@router.get("/ledger/{key}")
def entry(caller: Called, key: str) -> Response:
    """One ledger row, what is recorded of it, and where it is in doubt a person's word on it."""
    row = caller.operations.ledger_entry(key)
    events = recorded(caller, row["run_id"], row["step"])
    return page(
        caller,
        "entry.html",
        at="/unknowns",
        title="Ledger row",
        row=row,
        events=events,
        openable=openable(caller, row, events),
        opened_at=f"/ledger/{key}/open",
        may_resolve=may(caller, Need.OPERATE) and row["state"] == "unknown",
    )


@router.get("/switches")
def switches(caller: Called, tool: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Kill switches: one person engages, two release. `tool`: the one that somebody comes to stop."""
    project = caller.site.app.project
    return page(
        caller,
        "switches.html",
        at="/switches",
        title="Kill switches",
        switches=caller.operations.switches()["items"],
        tools=sorted(project.tools),
        skills=sorted(project.skills),
        chosen=tool if tool in project.tools else "",
        may_switch=may(caller, Need.OPERATE),
    )
