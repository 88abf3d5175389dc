"""The inbox, and one approval on one page."""

from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from clearway.model.approval import Approval, ApprovalState
from clearway.model.errors import NotFound
from clearway.operate import inbox
from clearway.operate.overview import waved_through
from clearway.operate.policy_texts import policies_in_force, unknown
from clearway.operate.records import approval_record
from clearway.ports import Tx
from clearway.runtime.limits import switch_scopes
from clearway.server.admission import Called, Caller, GuardedRoute
from clearway.server.console.opening import openable
from clearway.server.console.pages import fragment, is_htmx, page
from clearway.server.routes.runs import Cursor

router = APIRouter(prefix="/inbox", route_class=GuardedRoute, include_in_schema=False)

PAGE = 40
#: What the tabs show beside what waits.
_DECIDED = ("approved", "consumed", "rejected", "expired", "cancelled", "invalidated")

Show = Annotated[str, Query(pattern=f"^(mine|all|{'|'.join(_DECIDED)})$")]


@router.get("")
def waiting(request: Request, caller: Called, show: Show = "mine", cursor: Cursor = None) -> Response:
    """What waits for the caller, or for anybody, or how it was decided."""
    found = _found(caller, show, cursor)
    counted = Counter(str(item["tool"]) for item in found["items"]) if show == "mine" else Counter[str]()
    values = {"found": found, "show": show, "several": [tool for tool, count in counted.items() if count > 1]}
    if is_htmx(request):
        return fragment("inbox_list.html", **values)
    return page(caller, "inbox.html", at="/inbox", title="Inbox", waved_through=_waved_through(caller), **values)


@router.get("/next")
def following(caller: Called, after: Annotated[str, Query(max_length=200)] = "") -> Response:
    """On to what waits next, but for the one that was just seen."""
    items = _found(caller, "mine", None, limit=2)["items"]
    left = [item["approval_id"] for item in items if item["approval_id"] != after]
    return RedirectResponse(f"/inbox/{left[0]}" if left else "/inbox", status_code=303)


@router.get("/batch")
def together(caller: Called, tool: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Several of one tool: each by its own digest, with the total and the targets."""
    found = _read(caller, lambda tx: inbox.batch(tx, caller.principal, tool))
    named = tool if found["items"] or found["alone"] else "one tool"  # what the address says is not repeated
    values = {"found": found, "tool": named, "waved_through": _waved_through(caller)}
    return page(caller, "batch.html", at="/inbox", title="Decide several", **values)


@router.get("/{approval_id}")
def one(caller: Called, approval_id: str) -> Response:
    """All that has to be seen before deciding."""
    seen = _seen(caller, approval_id, earlier=True)
    may_open = openable(caller, seen["approval"], seen["arguments"])
    at = f"/inbox/{approval_id}/open"
    # Who decides is told, and nobody else: the figures are of people who decided.
    decides = seen["pending"] and not seen["why_not"]
    values = {"openable": may_open, "opened_at": at, "waved_through": _waved_through(caller) if decides else None}
    return page(caller, "approval.html", at="/inbox", title="Approval", **values, **seen)


@router.get("/{approval_id}/standing")
def standing(caller: Called, approval_id: str) -> Response:
    """How it stands: what changes while somebody looks at it."""
    return fragment("standing.html", **_seen(caller, approval_id, earlier=False))


def _waved_through(caller: Caller) -> dict[str, Any] | None:
    return caller.site.app.store.read(caller.principal.scope, waved_through)


def _found(caller: Caller, show: str, cursor: str | None, limit: int = PAGE) -> dict[str, Any]:
    if show in _DECIDED:
        return {**caller.operations.approvals(state=show, limit=limit, cursor=cursor), "left": None}
    return _read(
        caller,
        lambda tx: inbox.waiting(tx, caller.principal, everyone=show == "all", limit=limit, cursor=cursor),
    )


def _seen(caller: Caller, approval_id: str, *, earlier: bool) -> dict[str, Any]:
    def work(tx: Tx) -> dict[str, Any]:
        approval = tx.approvals.get(approval_id)
        if approval is None:
            raise NotFound("There is no such approval here.", remedy="See `clearway approvals list`.")
        votes = tx.approvals.votes(approval_id)
        return {
            "approval": approval_record(approval, votes),
            "pending": approval.state is ApprovalState.PENDING and tx.now < approval.expires_at,
            "why_not": inbox.why_not(approval, caller.principal, votes),
            "break_glass": inbox.can_break_glass(approval, caller.principal, votes),
            "before": inbox.before(tx, approval) if earlier else [],
            **_declared(caller, tx, approval),
        }

    return _read(caller, work)


def _declared(caller: Caller, tx: Tx, approval: Approval) -> dict[str, Any]:
    """What the project says about it, and its arguments as they can be sent back edited."""
    project = caller.site.app.project
    spec = project.tools.get(approval.tool)
    step = next((e for e in tx.ledger.of_run(approval.run_id) if e.step_id == approval.step_id), None)
    run = tx.runs.get(approval.run_id)
    known = policies_in_force(tx, project, run_release=run.release if run else None).texts
    return {
        "owner": spec.owner if spec else "",
        "previews": spec is not None and spec.preview is not None,
        "editable": approval.kind == "action" and spec is not None and step is not None,
        "held_for": run.held_for if run else None,
        "stopped": tx.switches.engaged(switch_scopes(caller.principal.scope, run.skill if run else "", approval.tool)),
        "outcome": step.state.value if step and approval.state is ApprovalState.CONSUMED else None,
        "arguments": (step.shown_arguments if step else None) or {},
        "policies": sorted((known.get(id_) or unknown(id_) for id_ in approval.policies), key=lambda p: not p.asks),
    }


def _read(caller: Caller, work: Callable[[Tx], dict[str, Any]]) -> dict[str, Any]:
    return caller.site.app.store.read(caller.principal.scope, work)
