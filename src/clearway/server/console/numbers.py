"""The overview: figures, and charts drawn here."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from clearway.model.ledger import LedgerState
from clearway.model.notice import Delivery
from clearway.operate.overview import WINDOWS, overview, seems_waved_through
from clearway.operate.policy_texts import policies_in_force
from clearway.operate.releases.standing import live
from clearway.ports import Tx
from clearway.server.admission import Called, Caller, GuardedRoute
from clearway.server.console.charts import bars, columns
from clearway.server.console.pages import page

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)

MOST_BARS = 12
#: Of what is wrong now, so many are counted.
MOST_WRONG = 100
_DAYS = {"hour": 1, "day": 1, "week": 7}


@router.get("/overview")
def of_scope(caller: Called, window: Annotated[str, Query(pattern="^(hour|day|week)$")] = "day") -> Response:
    """Volumes, success, latency, cost, and the load of approvals."""
    found, wrong, in_force = caller.site.app.store.read(
        caller.principal.scope, lambda tx: (overview(tx, window), _wrong(tx), live(tx))
    )
    costs = caller.operations.costs(days=_DAYS[window])["items"]
    prices = [row["usd"] for row in costs]
    return page(
        caller,
        "overview.html",
        at="/overview",
        title="Overview",
        found=found,
        wrong=wrong,
        broken=caller.site.app.broken_policy(caller.principal.scope),
        waved_through=found["approvals"] if seems_waved_through(found["approvals"]) else None,
        in_force=in_force,
        windows=tuple(WINDOWS),
        costs=costs,
        days=_DAYS[window],
        usd=None if None in prices else sum(prices),
        volume=columns(found["bars"], f"Runs begun in the last {window}, by how they ended"),
        held=bars(_asking(caller, found["approvals"]["by_policy"]), "Approvals asked for, by policy"),
        tools=bars(found["approvals"]["by_tool"], "Approvals asked for, by tool"),
    )


def _wrong(tx: Tx) -> dict[str, Any]:
    """What somebody should look at now, whatever the window."""
    notices = tx.notices.newest(limit=MOST_WRONG)
    return {
        "switches": [switch for switch in tx.switches.list() if switch.engaged],
        "unknowns": len(tx.ledger.list(state=LedgerState.UNKNOWN, limit=MOST_WRONG)),
        "undelivered": sum(one.state is Delivery.GIVEN_UP for one in notices),
        "most": MOST_WRONG,
    }


def _asking(caller: Caller, counted: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Without the policies that only permit; one that the project has no more is kept."""
    app = caller.site.app
    known = app.store.read(caller.principal.scope, lambda tx: policies_in_force(tx, app.project)).texts
    return [(id_, count) for id_, count in counted if id_ not in known or known[id_].asks][:MOST_BARS]
