"""Effects in doubt, ledger rows, and kill switches."""

from fastapi import APIRouter
from starlette.responses import Response

from clearway.server.admission import Called, Caller
from clearway.server.console.pages import PageRoute, may, page
from clearway.server.rights import Need
from clearway.server.routes.runs import Cursor

router = APIRouter(route_class=PageRoute, include_in_schema=False)

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
    return page(
        caller,
        "entry.html",
        at="/unknowns",
        title="Ledger row",
        row=row,
        events=_events(caller, row["run_id"], row["step"]),
        may_resolve=may(caller, Need.OPERATE) and row["state"] == "unknown",
    )


@router.get("/switches")
def switches(caller: Called) -> Response:
    """Kill switches: one person engages, two release."""
    return page(
        caller,
        "switches.html",
        at="/switches",
        title="Kill switches",
        switches=caller.operations.switches()["items"],
        tools=sorted(caller.site.app.project.tools),
        skills=sorted(caller.site.app.project.skills),
        may_switch=may(caller, Need.OPERATE),
    )


def _events(caller: Caller, run_id: str, step: str) -> list[dict[str, object]]:
    found = caller.site.app.store.read(caller.principal.scope, lambda tx: tx.audit.read(run_id=run_id))
    return [
        {"seq": event.seq, "at": event.at, "kind": event.kind, "payload": event.payload}
        for event in found
        if event.step_id == step
    ]
