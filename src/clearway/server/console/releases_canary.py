"""The canary that runs: its guard's evidence against the threshold, the traffic of both arms; and those of before."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from markupsafe import Markup
from starlette.responses import Response

from clearway.operate.releases.history import canaries
from clearway.operate.releases.pointer import MOST_MOVES
from clearway.ports import Tx
from clearway.server.admission import Called, GuardedRoute
from clearway.server.console.pages import page
from clearway.server.console.releases import AT, read_in, standings_of
from clearway.server.console.releases_course import course

router = APIRouter(prefix="/releases", route_class=GuardedRoute, include_in_schema=False)

MOST_PAST = 20
#: Measure → what it compares, as people say it.
MEASURES = {
    "routes": "Routed otherwise",
    "failures": "Runs that fail",
    "denials": "Denied by policy",
    "approvals": "Held for people",
    "durations": "Takes longer",
    "costs": "Costs more",
}
_WIDTH, _NAMES, _END, _ROW = 1_040, 140, 130, 28


@router.get("/canary")
def running(caller: Called) -> Response:
    """Live, while somebody looks at it."""

    def work(tx: Tx) -> dict[str, Any]:
        return {
            "past": canaries(tx.releases.moves(limit=MOST_MOVES))[:MOST_PAST],
            "may_roll_back": standings_of(caller).may(tx, caller.principal, "rollback"),
            "may_promote": standings_of(caller).may(tx, caller.principal, "promote"),
        }

    record = caller.operations.canary_record()
    chart = evidence(record["measures"], record["enough"]) if record.get("enough") else Markup("")
    return page(
        caller,
        "release_canary.html",
        at=AT,
        title="Canary",
        found=record,
        chart=chart,
        course=course(record["course"], MEASURES, record["enough"], e_value(record["enough"])) if chart else "",
        words=MEASURES,
        enough=e_value(record.get("enough")),
        **read_in(caller, work),
    )


def e_value(log_e: float | None) -> str:
    """`1.0`, `37`, `4,100`, `2.0e+07`; below one: nothing speaks against it."""
    if log_e is None:
        return "–"
    if log_e > math.log(1e6):
        return f"10^{log_e / math.log(10):.1f}"
    value = math.exp(log_e)
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 0.1 else "under 0.1"


def evidence(measures: Sequence[Mapping[str, Any]], enough: float) -> Markup:
    """A bar a measure, on a logarithmic scale from an e-value of 1 to the threshold, a line, and a fifth beyond.

    `enough`: the threshold's natural logarithm."""
    room = _WIDTH - _NAMES - _END
    line = _NAMES + room / 1.2
    tall = len(measures) * _ROW
    drawn: list[Markup] = []
    for place, one in enumerate(measures):
        log_e = float(one["log_e"])
        wide = min(max(log_e, 0.0) / enough, 1.2) * room / 1.2
        word = e_value(log_e) if one["compared"] else "nothing seen yet"
        drawn.append(
            Markup(
                '<text x="0" y="{0}">{1}</text><rect class="track" x="{2}" y="{3}" width="{4}" height="12"/>'
                '<rect class="{5}" x="{2}" y="{3}" width="{6:.1f}" height="12"><title>{1}: {7}</title></rect>'
                '<text x="{8}" y="{0}">{7}</text>'
            ).format(
                place * _ROW + 19,
                MEASURES.get(str(one["name"]), str(one["name"])),
                _NAMES,
                place * _ROW + 9,
                room,
                "part-not_done" if log_e >= enough else "part-done",
                wide,
                word,
                _NAMES + room + 8,
            )
        )
    said = "; ".join(f"{MEASURES.get(str(one['name']), one['name'])}: {e_value(one['log_e'])}" for one in measures)
    drawn.append(
        Markup(
            '<line class="threshold" x1="{0:.1f}" x2="{0:.1f}" y1="2" y2="{1}"/>'
            '<text x="{0:.1f}" y="{2}" class="end">threshold {3}</text><text x="{4}" y="{2}">e = 1</text>'
        ).format(line, tall + 4, tall + 18, e_value(enough), _NAMES)
    )
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _WIDTH,
        tall + 24,
        f"Evidence against the canary, as e-values; the threshold is {e_value(enough)}. {said}",
        Markup("").join(drawn),
    )
