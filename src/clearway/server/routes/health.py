"""Whether the process lives, and whether it should be sent requests."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse

from clearway.model.errors import Unavailable
from clearway.server.admission import GuardedRoute
from clearway.server.answers import answers, reply
from clearway.server.site import site_of

router = APIRouter(tags=["health"], route_class=GuardedRoute)


@router.get("/healthz", response_model=None, responses=answers())
async def health() -> JSONResponse:
    """The process answers. Reads no store."""
    return reply("health", {"status": "ok"})


@router.get("/readyz", response_model=None, responses=answers())
def readiness(request: Request) -> JSONResponse:
    """The store answers, and the server is not closing. `carries`: this process carries runs out; `carried`: some
    process does."""
    site = site_of(request)
    if site.closing.is_set():
        raise Unavailable("The server is closing.", code="closing", remedy="Ask another one.")
    site.app.store.scopes()
    return reply("readiness", {"status": "ready", "carries": site.works.is_set(), "carried": site.app.is_served()})
