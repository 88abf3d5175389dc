"""What a release changes against another one: what policy lets through, what traffic would do, and the texts."""

from collections.abc import Callable
from itertools import groupby
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from clearway.model.errors import Unavailable
from clearway.model.release import Bundle
from clearway.operate.releases.reading import line
from clearway.operate.releases.shelf import Comparison
from clearway.ports import Tx
from clearway.rules.releases.changes import Change
from clearway.rules.releases.duties import POLICY
from clearway.server.admission import Called, Caller, GuardedRoute
from clearway.server.console.pages import is_htmx, page
from clearway.server.console.releases import AT, read_in
from clearway.server.console.releases_texts import side_by_side, text_of
from clearway.server.console.releases_work import Comparisons, Work

router = APIRouter(prefix="/releases", route_class=GuardedRoute, include_in_schema=False)

TIMEOUT_S = 60.0
#: A proof holds for as long as both digests and this process do; what was not proved may be next time, and what is
#: counted in traffic grows.
KEEP_PROOF_S, KEEP_UNPROVED_S, KEEP_TRAFFIC_S = 86_400.0, 60.0, 300.0
MOST_CHOICES = 50
KINDS = {
    "ownership": "Ownership",
    "policy": "Policies",
    "setting": "Settings: limits, budgets, models",
    "route": "Routes",
    "router": "Trained router",
    "prompt": "Prompts",
    "tool": "Tools: descriptions and schemas",
    "skill": "Skills",
    "code": "Code, by digest",
}
#: What becomes of a request, in words.
BECOMES = {
    "deny_to_allow": "was denied, is allowed",
    "hold_to_allow": "was held for people, is allowed at once",
    "deny_to_hold": "was denied, is held for people",
    "weaker_approval": "is held for fewer people, or the approval lasts longer",
    "allow_to_deny": "was allowed, is denied",
    "allow_to_hold": "was allowed, is held for people",
    "hold_to_deny": "was held for people, is denied",
    "stricter_approval": "is held for more people, or the approval ends sooner",
    "other_escalation": "is held as before, and escalates to somebody else",
}


@router.get("/{ref}/diff")
def diff(
    request: Request,
    caller: Called,
    ref: str,
    against: Annotated[str | None, Query(max_length=100)] = None,
    days: Annotated[int, Query(ge=0, le=30)] = 7,
) -> Response:
    """Texts at once; what takes longer is begun, and the page asks for it until it is there."""
    scope, shelf = caller.principal.scope, caller.site.app.shelf
    before, after, compared = shelf.difference(scope, against or None, ref)
    values = read_in(caller, lambda tx: {"choices": _choices(tx, compared)})
    return page(
        caller,
        "release_diff.html",
        at=AT,
        title="What it changes",
        old=line(compared.old) if compared.old else None,
        new=line(compared.new),
        against=against or "",
        days=days,
        duties=[duty.as_json() for duty in compared.duties],
        policy_signed=any(duty.name == POLICY and duty.signed_by for duty in compared.duties),
        symbolic=_symbolic(request, caller, before, after, compared),
        replayed=_replayed(request, caller, before, after, compared, days) if days and before else None,
        parts=[] if is_htmx(request) else _parts(compared.changes.items),
        kinds=KINDS,
        becomes=BECOMES,
        timeout_s=TIMEOUT_S,
        **values,
    )


def _symbolic(
    request: Request, caller: Caller, before: Bundle | None, after: Bundle, compared: Comparison
) -> dict[str, Any]:
    comparing = caller.site.app.desk.releases.comparing
    key = ("policies", compared.old.digest if compared.old else "", compared.new.digest)
    found = _asked(request, key, lambda: comparing.policies(before, after, TIMEOUT_S), _kept_for)
    return found | _by_action(found["found"]) if found["found"] else found


def _replayed(
    request: Request, caller: Caller, before: Bundle | None, after: Bundle, compared: Comparison, days: int
) -> dict[str, Any]:
    """INVARIANT: kept by tenant and environment: it is their traffic."""
    scope, comparing = caller.principal.scope, caller.site.app.desk.releases.comparing
    old = compared.old.digest if compared.old else ""
    key = ("traffic", scope.tenant, scope.environment, old, compared.new.digest, str(days))

    def replay() -> dict[str, Any]:
        return comparing.replayed(scope, before, after, compared, float(days)) or {}

    return _asked(request, key, replay, lambda _: KEEP_TRAFFIC_S)


def _kept_for(found: dict[str, Any]) -> float:
    proved = found["answer"] != "not compared" and all(tool["proved"] for tool in found.get("actions", ()))
    return KEEP_PROOF_S if proved else KEEP_UNPROVED_S


def _asked(
    request: Request,
    key: tuple[str, ...],
    compare: Callable[[], dict[str, Any]],
    keep_s: Callable[[dict[str, Any]], float],
) -> dict[str, Any]:
    """`{"over", "found", "failed", "seconds"}`."""
    comparisons: Comparisons = request.app.state.comparisons
    try:
        work: Work = comparisons.of(key, compare, keep_s)
    except Unavailable as error:
        return {"over": True, "found": None, "failed": str(error), "seconds": 0.0}
    now = work.ended if work.ended is not None else comparisons.clock()
    return {"over": work.is_over, "found": work.found, "failed": work.failed, "seconds": now - work.begun}


def _by_action(found: dict[str, Any]) -> dict[str, Any]:
    """The findings action by action, the widest first; and what was proved or not."""
    listed = [*found.get("widenings", ()), *found.get("narrowings", ()), *found.get("others", ())]
    actions: dict[str, dict[str, Any]] = {}
    for side in ("widenings", "narrowings", "others"):
        for finding in found.get(side, ()):
            at = actions.setdefault(finding["action"], {"impact": finding["impact"]})
            at.setdefault(side, []).append(finding)
    tools = found.get("actions", [])
    return {
        "count": len(listed),
        "actions": actions,
        "equivalent": [tool["action"] for tool in tools if tool["answer"] == "equivalent"],
        "not_proven": [tool for tool in tools if not tool["proved"]],
    }


def _parts(items: tuple[Change, ...]) -> list[dict[str, Any]]:
    """The differences by kind, each with its rows."""
    return [
        {
            "kind": kind,
            "changes": [
                {
                    "name": change.name,
                    "verb": change.verb,
                    "rows": side_by_side(text_of(change.before), text_of(change.after)),
                }
                for change in changes
            ],
        }
        for kind, changes in groupby(items, key=lambda change: change.kind)
    ]


def _choices(tx: Tx, compared: Comparison) -> list[dict[str, Any]]:
    """What it can be compared with."""
    return [line(row) for row in tx.releases.list(limit=MOST_CHOICES) if row.digest != compared.new.digest]
