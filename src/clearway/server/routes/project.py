"""What the project declares, what its models took, what policy says to a call, the audit log."""

import base64
import binascii
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from clearway.model.errors import Invalid
from clearway.operate.costs import MOST_DAYS
from clearway.server.admission import Called, GuardedRoute
from clearway.server.answers import answers, pages, reply
from clearway.server.shapes import Explain, Export, Prove, Verify

router = APIRouter(prefix="/v1", tags=["project and audit"], route_class=GuardedRoute)


@router.get("/costs", response_model=None, responses=pages())
def costs(caller: Called, days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = 1) -> JSONResponse:
    """What models took: turns, tokens and dollars by UTC day, skill and model. A price that is not known is null."""
    return reply("costs", caller.operations.costs(days=days))


@router.get("/tools", response_model=None, responses=pages())
def tools(caller: Called) -> JSONResponse:
    """The tools, with impact, owner and the ways out of an unknown outcome."""
    return reply("tools", caller.operations.tools())


@router.get("/skills", response_model=None, responses=pages())
def skills(caller: Called) -> JSONResponse:
    """The skills, with owner, tools and examples."""
    return reply("skills", caller.operations.skills())


@router.post("/explain", response_model=None, responses=answers())
def explain(caller: Called, body: Explain) -> JSONResponse:
    """What policy says to a call that nobody makes, and which policies say it."""
    answer = caller.operations.explain(body.tool, body.arguments, agent=body.agent, user=body.user, role=body.role)
    return reply("explanation", answer)


@router.post("/audit/verify", response_model=None, responses=answers())
def verify(caller: Called, body: Verify) -> JSONResponse:
    """Whether the log is whole: intact, tampered (and where), or incomplete."""
    key = None if body.public_key is None else _key(body.public_key)
    return reply("audit_verdict", caller.operations.audit_verify(checkpoint=body.checkpoint, public_key=key))


@router.post("/audit/export", response_model=None, responses=answers())
def export(caller: Called, body: Export) -> JSONResponse:
    """A page of the log: JSONL lines behind event `after`. With the last page (`next` is null) comes the signed
    checkpoint that covers it."""
    return reply("audit_export", caller.operations.audit_page(after=body.after, limit=body.limit))


@router.post("/audit/prove", response_model=None, responses=answers())
def prove(caller: Called, body: Prove) -> JSONResponse:
    """An RFC 6962 inclusion proof of one event."""
    return reply("audit_proof", caller.operations.audit_prove(body.seq))


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise Invalid("This is no Ed25519 public key.", code="public_key", remedy="Send 32 bytes in base64.")
    return key
