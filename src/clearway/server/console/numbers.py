"""The overview: figures, and charts drawn here."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from clearway.operate.overview import WINDOWS, overview
from clearway.operate.policy_texts import policy_texts
from clearway.server.admission import Called, Caller
from clearway.server.console.charts import bars, columns
from clearway.server.console.pages import PageRoute, page

router = APIRouter(route_class=PageRoute, include_in_schema=False)

MOST_BARS = 12
_DAYS = {"hour": 1, "day": 1, "week": 7}


@router.get("/overview")
def of_scope(caller: Called, window: Annotated[str, Query(pattern="^(hour|day|week)$")] = "day") -> Response:
    """Volumes, success, latency, cost, and the load of approvals."""
    found = caller.site.app.store.read(caller.principal.scope, lambda tx: overview(tx, window))
    costs = caller.operations.costs(days=_DAYS[window])["items"]
    prices = [row["usd"] for row in costs]
    return page(
        caller,
        "overview.html",
        at="/overview",
        title="Overview",
        found=found,
        windows=tuple(WINDOWS),
        costs=costs,
        days=_DAYS[window],
        usd=None if None in prices else sum(prices),
        volume=columns(found["bars"], f"Runs begun in the last {window}, by how they ended"),
        held=bars(_asking(caller, found["approvals"]["by_policy"]), "Approvals asked for, by policy"),
        tools=bars(found["approvals"]["by_tool"], "Approvals asked for, by tool"),
    )


def _asking(caller: Caller, counted: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Without the policies that only permit; one that the project has no more is kept."""
    known = policy_texts(caller.site.app.project)
    return [(id_, count) for id_, count in counted if id_ not in known or known[id_].asks][:MOST_BARS]
