"""The inbox, and one approval on one page."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from clearway.model.approval import Approval, ApprovalState, Vote
from clearway.model.errors import NotFound
from clearway.operate import inbox
from clearway.operate.records import approval_record
from clearway.ports import Tx
from clearway.server.admission import Called, Caller
from clearway.server.console.pages import PageRoute, fragment, is_htmx, page
from clearway.server.routes.runs import Cursor

router = APIRouter(prefix="/inbox", route_class=PageRoute, include_in_schema=False)

PAGE = 40
#: What the tabs show beside what waits.
_DECIDED = ("approved", "consumed", "rejected", "expired", "cancelled", "invalidated")

Show = Annotated[str, Query(pattern=f"^(mine|all|{'|'.join(_DECIDED)})$")]


@router.get("")
def waiting(request: Request, caller: Called, show: Show = "mine", cursor: Cursor = None) -> Response:
    """What waits for the caller, or for anybody, or how it was decided."""
    found = _found(caller, show, cursor)
    if is_htmx(request):
        return fragment("inbox_list.html", found=found, show=show)
    return page(caller, "inbox.html", at="/inbox", title="Inbox", found=found, show=show, decided=_DECIDED)


@router.get("/next")
def following(caller: Called, after: Annotated[str, Query(max_length=200)] = "") -> Response:
    """On to what waits next, but for the one that was just seen."""
    items = _found(caller, "mine", None, limit=2)["items"]
    left = [item["approval_id"] for item in items if item["approval_id"] != after]
    return RedirectResponse(f"/inbox/{left[0]}" if left else "/inbox", status_code=303)


@router.get("/{approval_id}")
def one(caller: Called, approval_id: str) -> Response:
    """All that has to be seen before deciding."""
    seen = _seen(caller, approval_id, earlier=True)
    return page(caller, "approval.html", at="/inbox", title="Approval", **seen)


@router.get("/{approval_id}/standing")
def standing(caller: Called, approval_id: str) -> Response:
    """How it stands: what changes while somebody looks at it."""
    return fragment("standing.html", **_seen(caller, approval_id, earlier=False))


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
            "break_glass": inbox.can_break_glass(caller.principal),
            "before": inbox.before(tx, approval) if earlier else [],
            **_editing(caller, approval, votes),
        }

    return _read(caller, work)


def _editing(caller: Caller, approval: Approval, votes: list[Vote]) -> dict[str, Any]:
    spec = caller.site.app.project.tools.get(approval.tool)
    return {"editable": approval.kind == "action" and spec is not None, "owner": spec.owner if spec else ""}


def _read(caller: Caller, work: Any) -> Any:
    return caller.site.app.store.read(caller.principal.scope, work)
