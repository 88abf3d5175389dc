"""Approvals, and the ledger with its effects in doubt."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from clearway.server.admission import Called, GuardedRoute
from clearway.server.answers import answers, pages, reply
from clearway.server.routes.runs import Cursor, Filter, Limit
from clearway.server.shapes import (
    ApprovalLine,
    ApprovalRecord,
    Approve,
    Edit,
    Endorse,
    EntryRecord,
    Reject,
    Resolve,
    WithReason,
)

router = APIRouter(prefix="/v1", tags=["decisions"], route_class=GuardedRoute)


@router.get("/approvals", response_model=None, responses=pages(ApprovalLine))
def list_approvals(
    caller: Called,
    state: Annotated[str, Query(max_length=50)] = "pending",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> JSONResponse:
    """Approvals, newest first; `state`: pending, approved, …, or all."""
    return reply("approvals", caller.operations.approvals(state=state, limit=limit, cursor=cursor))


@router.get("/approvals/{approval_id}", response_model=None, responses=answers(ApprovalRecord))
def read_approval(caller: Called, approval_id: str) -> JSONResponse:
    """All that has to be seen before deciding, and the digest of it."""
    return reply("approval", caller.operations.approval(approval_id))


@router.post("/approvals/{approval_id}/approve", response_model=None, responses=answers(ApprovalLine))
def approve(caller: Called, approval_id: str, body: Approve) -> JSONResponse:
    """One vote. `presented_digest` says what was seen."""
    decided = caller.operations.approve(
        approval_id, presented_digest=body.presented_digest, comment=body.comment, break_glass=body.break_glass
    )
    return reply("approval", decided)


@router.post("/approvals/{approval_id}/reject", response_model=None, responses=answers(ApprovalLine))
def reject(caller: Called, approval_id: str, body: Reject) -> JSONResponse:
    """Ends it for good."""
    return reply(
        "approval",
        caller.operations.reject(approval_id, presented_digest=body.presented_digest, comment=body.comment),
    )


@router.post("/approvals/{approval_id}/edit", response_model=None, responses=answers(ApprovalLine))
def edit(caller: Called, approval_id: str, body: Edit) -> JSONResponse:
    """Replaces the arguments: a new action, with the editor as its requester."""
    return reply("approval", caller.operations.edit(approval_id, body.arguments, comment=body.comment))


@router.post("/approvals/{approval_id}/endorse", response_model=None, responses=answers())
def endorse(caller: Called, approval_id: str, body: Endorse) -> JSONResponse:
    """Vouches for the value of one argument. Approves nothing."""
    endorsed = caller.operations.endorse(
        approval_id,
        body.argument,
        presented_digest=body.presented_digest,
        for_user=body.for_user,
        ttl_s=body.ttl_s,
        comment=body.comment,
    )
    return reply("endorsement", endorsed)


@router.get("/endorsements", response_model=None, responses=pages())
def endorsements(caller: Called) -> JSONResponse:
    """Values that somebody vouched for."""
    return reply("endorsements", caller.operations.endorsements())


@router.post("/endorsements/{endorsement_id}/revoke", response_model=None, responses=answers())
def revoke_endorsement(caller: Called, endorsement_id: str, body: WithReason) -> JSONResponse:
    """Ends one at once: whoever gave it, or somebody with the right to."""
    return reply("endorsement", caller.operations.revoke_endorsement(endorsement_id, body.reason))


@router.get("/ledger", response_model=None, responses=pages(EntryRecord))
def list_ledger(
    caller: Called, state: Filter = None, run_id: Filter = None, limit: Limit = 50, cursor: Cursor = None
) -> JSONResponse:
    """Ledger rows, newest first; `state=unknown`: what is in doubt."""
    return reply("ledger", caller.operations.ledger(state=state, run_id=run_id, limit=limit, cursor=cursor))


@router.get("/ledger/{key}", response_model=None, responses=answers(EntryRecord))
def read_entry(caller: Called, key: str) -> JSONResponse:
    """One row."""
    return reply("ledger_entry", caller.operations.ledger_entry(key))


@router.post("/ledger/{key}/resolve", response_model=None, responses=answers(EntryRecord))
def resolve(caller: Called, key: str, body: Resolve) -> JSONResponse:
    """A person's word on an effect in doubt."""
    entry = caller.operations.resolve(
        key, happened=body.happened, reason=body.reason, remote_ref=body.remote_ref, result=body.result
    )
    return reply("ledger_entry", entry)
