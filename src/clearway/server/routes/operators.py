"""Kill switches, grants, notices, API keys, and the people who signed in."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from clearway.operate.pages import MOST_PER_PAGE
from clearway.server.admission import Called, GuardedRoute
from clearway.server.answers import answers, pages, reply
from clearway.server.shapes import ApprovalLine, AskGrant, CreateKey, Switch, TryNotices, WithReason

router = APIRouter(prefix="/v1", tags=["operators"], route_class=GuardedRoute)


@router.get("/switches", response_model=None, responses=pages())
def switches(caller: Called) -> JSONResponse:
    """Kill switches, also those that were released."""
    return reply("kill_switches", caller.operations.switches())


@router.post("/switches/engage", response_model=None, responses=answers())
def engage(caller: Called, body: Switch) -> JSONResponse:
    """Stops every send that it covers, at once. One person is enough."""
    return reply("kill_switch", caller.operations.engage(body.kind, body.id, body.reason))


@router.post("/switches/release", response_model=None, responses=answers())
def release(caller: Called, body: Switch) -> JSONResponse:
    """One of the two people whom a release needs."""
    return reply("kill_switch", caller.operations.release(body.kind, body.id, body.reason))


@router.get("/grants", response_model=None, responses=pages())
def grants(caller: Called) -> JSONResponse:
    """Standing permissions."""
    return reply("grants", caller.operations.grants())


@router.post("/grants", status_code=201, response_model=None, responses=answers(ApprovalLine, 201))
def ask_grant(caller: Called, body: AskGrant) -> JSONResponse:
    """Asks for one: the answer is the approval that it needs."""
    asked = caller.operations.ask_grant(
        body.tool,
        targets=body.targets,
        bounds=body.bounds,
        max_uses=body.max_uses,
        ttl_s=body.ttl_s,
        reason=body.reason,
    )
    return reply("approval", asked, 201)


@router.post("/grants/{grant_id}/revoke", response_model=None, responses=answers())
def revoke_grant(caller: Called, grant_id: str, body: WithReason) -> JSONResponse:
    """Ends one at once."""
    return reply("grant", caller.operations.revoke_grant(grant_id, body.reason))


@router.get("/notices", response_model=None, responses=pages())
def notices(
    caller: Called, failed: bool = False, limit: Annotated[int, Query(ge=1, le=MOST_PER_PAGE)] = 50
) -> JSONResponse:
    """How people were told, newest first. `failed`: what is not delivered, of the newest 500."""
    return reply("notices", caller.operations.notices(failed=failed, limit=limit))


@router.post("/notices/test", response_model=None, responses=answers())
def try_notices(caller: Called, body: TryNotices) -> JSONResponse:
    """Sends a notice on trial, from this server. What went wrong is in the answer."""
    return reply("notices_tried", caller.operations.try_notices(body.channel))


@router.get("/keys", response_model=None, responses=pages())
def keys(caller: Called) -> JSONResponse:
    """API keys, without their secrets."""
    return reply("keys", caller.operations.keys())


@router.post("/keys", status_code=201, response_model=None, responses=answers(dict, 201))
def create_key(caller: Called, body: CreateKey) -> JSONResponse:
    """Makes one; it is shown this once."""
    return reply("key", caller.operations.create_key(body.subject, days=body.days), 201)


@router.post("/keys/{key_id}/revoke", response_model=None, responses=answers())
def revoke_key(caller: Called, key_id: str) -> JSONResponse:
    """Ends one at once."""
    return reply("key", caller.operations.revoke_key(key_id))


@router.get("/users", response_model=None, responses=pages())
def users(caller: Called) -> JSONResponse:
    """The people of the identity provider who have signed in."""
    return reply("users", caller.operations.users())


@router.post("/users/{user_id}/disable", response_model=None, responses=answers())
def disable(caller: Called, user_id: str, body: WithReason) -> JSONResponse:
    """Keeps a person out, and ends their sessions."""
    return reply("user", caller.operations.disable_user(user_id, body.reason))


@router.post("/users/{user_id}/enable", response_model=None, responses=answers())
def enable(caller: Called, user_id: str, body: WithReason) -> JSONResponse:
    """Lets a person sign in again."""
    return reply("user", caller.operations.enable_user(user_id, body.reason))
