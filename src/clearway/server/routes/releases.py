"""Releases: what is in force, and the acts that change it. Who may is decided by ownership, in the operations."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from clearway.server.admission import Called, GuardedRoute, require_fresh
from clearway.server.answers import answers, pages, reply
from clearway.server.shapes import (
    Canary,
    CutRelease,
    DiffRelease,
    ImportRelease,
    MoveRelease,
    PolicyChange,
    Rollback,
    SignRelease,
    Unhold,
    WithReason,
)

router = APIRouter(prefix="/v1/releases", tags=["releases"], route_class=GuardedRoute)


@router.get("", response_model=None, responses=pages())
def releases(
    caller: Called, limit: Annotated[int, Query(ge=1, le=500)] = 50, cursor: str | None = None
) -> JSONResponse:
    """Newest first, with what is in force here."""
    return reply("releases", caller.operations.releases(limit=limit, cursor=cursor))


@router.post("", status_code=201, response_model=None, responses=answers(dict, 201))
def cut(caller: Called, body: CutRelease) -> JSONResponse:
    """A release of the project as this server has it loaded."""
    return reply("release", caller.operations.cut_release(body.note), 201)


@router.post("/import", status_code=201, response_model=None, responses=answers(dict, 201))
def take_in(caller: Called, body: ImportRelease) -> JSONResponse:
    """Stores a bundle that was exported elsewhere; it is not in force."""
    return reply("release", caller.operations.import_release(body.bundle, body.note), 201)


@router.get("/status", response_model=None, responses=answers())
def status(caller: Called) -> JSONResponse:
    """What is in force here, and how it came to be."""
    return reply("release_status", caller.operations.release_status())


@router.post("/rollback", response_model=None, responses=answers())
def rollback(caller: Called, body: Rollback) -> JSONResponse:
    """The one way back. It waits for no proof of who one is: whoever is signed in can do it at once."""
    found = caller.operations.rollback_release(body.reason, to=body.to, runs=body.runs, seen=body.seen)
    return reply("release_rollback", found)


@router.get("/rollback", response_model=None, responses=answers())
def plan(caller: Called, to: Annotated[str | None, Query(max_length=100)] = None) -> JSONResponse:
    """What a rollback would do now: from what to what, and what would be void."""
    return reply("rollback_plan", caller.operations.rollback_plan(to=to))


@router.get("/canary", response_model=None, responses=answers())
def running_canary(caller: Called) -> JSONResponse:
    """The canary that runs here: its guard's evidence, and how both arms fare."""
    return reply("canary", caller.operations.canary_record())


@router.get("/moves/{generation}", response_model=None, responses=answers())
def move(caller: Called, generation: str) -> JSONResponse:
    """One move of what is in force, with what it ended and voided."""
    return reply("release_move", caller.operations.release_move(numbered(generation)))


@router.get("/{ref}", response_model=None, responses=answers())
def show(caller: Called, ref: str) -> JSONResponse:
    """A release, who has to sign it, and who has."""
    return reply("release", caller.operations.release_record(ref))


@router.get("/{ref}/bundle", response_model=None, responses=answers())
def export(caller: Called, ref: str) -> JSONResponse:
    """The bundle's bytes, base64."""
    return reply("bundle", caller.operations.export_release(ref))


@router.post("/{ref}/diff", response_model=None, responses=answers())
def diff(caller: Called, ref: str, body: DiffRelease) -> JSONResponse:
    """What it changes, newly lets through, and would have done with recorded traffic. Changes nothing."""
    found = caller.operations.release_diff(
        ref, against=body.against, replay_days=body.replay_days, timeout_s=body.timeout_s
    )
    return reply("release_diff", found)


@router.post("/{ref}/acceptance", response_model=None, responses=answers())
def acceptance(caller: Called, ref: str, body: PolicyChange) -> JSONResponse:
    """Who has signed, as policy owner, that it may put just these policies in place of those. Changes nothing."""
    found = caller.operations.release_acceptance(ref, old=body.old, new=body.new)
    return reply("release_acceptance", found)


@router.post("/{ref}/sign", response_model=None, responses=answers())
def sign(caller: Called, ref: str, body: SignRelease) -> JSONResponse:
    """Signs for every duty that the caller has, or for one. Freshly proven, at a browser."""
    require_fresh(caller)
    return reply("release_signature", caller.operations.sign_release(ref, body.reason, duty=body.duty))


@router.post("/{ref}/promote", response_model=None, responses=answers())
def promote(caller: Called, ref: str, body: MoveRelease) -> JSONResponse:
    """Puts it in force for new requests here. Freshly proven, at a browser."""
    require_fresh(caller)
    return reply("release_status", caller.operations.promote_release(ref, body.reason, seen=body.seen))


@router.post("/{ref}/canary", response_model=None, responses=answers())
def canary(caller: Called, ref: str, body: Canary) -> JSONResponse:
    """Gives it a guarded share of the requests. Freshly proven, at a browser."""
    require_fresh(caller)
    found = caller.operations.canary_release(
        ref,
        body.reason,
        share=body.share,
        route_shift=body.route_shift,
        promote_after=body.promote_after,
        seen=body.seen,
    )
    return reply("release_status", found)


@router.post("/{ref}/shadow", response_model=None, responses=answers())
def shadow(caller: Called, ref: str, body: MoveRelease) -> JSONResponse:
    """Lets it route and decide beside the live one, without effects."""
    return reply("release_status", caller.operations.shadow_release(ref, body.reason, seen=body.seen))


@router.post("/{ref}/unhold", response_model=None, responses=answers())
def unhold(caller: Called, ref: str, body: Unhold) -> JSONResponse:
    """Lets the runs that its rollback held go on, or ends them."""
    return reply("runs_unheld", caller.operations.unhold_runs_of(ref, body.reason, cancel=body.cancel))


@router.post("/{ref}/revoke", response_model=None, responses=answers())
def revoke(caller: Called, ref: str, body: WithReason) -> JSONResponse:
    """Never promoted or rolled back to again."""
    return reply("release", caller.operations.revoke_release(ref, body.reason))


@router.post("/{ref}/reinstate", response_model=None, responses=answers())
def reinstate(caller: Called, ref: str, body: WithReason) -> JSONResponse:
    """One of the two people whom it takes to have it back. Freshly proven, at a browser."""
    require_fresh(caller)
    return reply("release", caller.operations.reinstate_release(ref, body.reason))


def numbered(text: str) -> int:
    """A move's number; 0, which no move has, for a text that is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else 0
