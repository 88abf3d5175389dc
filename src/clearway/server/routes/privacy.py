"""Personal data: reveal a value, erase a person, apply retention, rotate keys."""

from fastapi import APIRouter
from starlette.responses import JSONResponse

from clearway.server.admission import Called, GuardedRoute
from clearway.server.answers import answers, reply
from clearway.server.shapes import Erase, Retain, Reveal, Rotate

router = APIRouter(prefix="/v1/privacy", tags=["privacy"], route_class=GuardedRoute)


@router.post("/reveal", response_model=None, responses=answers())
def reveal(caller: Called, body: Reveal) -> JSONResponse:
    """The value behind a token, for those who may; recorded, whoever asks."""
    return reply("revealed", caller.operations.reveal(body.token, body.reason))


@router.post("/erase", response_model=None, responses=answers())
def erase(caller: Called, body: Erase) -> JSONResponse:
    """Makes a person's data unreadable for good."""
    return reply("erasure", caller.operations.erase(body.subject, body.reason, dry_run=body.dry_run))


@router.post("/retention", response_model=None, responses=answers())
def retention(caller: Called, body: Retain) -> JSONResponse:
    """Applies the project's rules of retention."""
    return reply("retention", caller.operations.apply_retention(dry_run=body.dry_run))


@router.post("/rotate", response_model=None, responses=answers())
def rotate(caller: Called, body: Rotate) -> JSONResponse:
    """A new key for sealing or for tokens."""
    return reply("rotation", caller.operations.rotate_keys(body.purpose, only_rewrap=body.only_rewrap))
