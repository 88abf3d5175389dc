"""Signing in and out: the start token of this machine, and who one is. OpenID Connect is in `oidc.py`.

INVARIANT: a session's id is made anew at each sign-in and each change of who acts, and the one before ends.
"""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from clearway.model.errors import ClearwayError, Denied, Unauthenticated
from clearway.model.identity import DEV, Principal
from clearway.operate.sessions import LONGEST_S, START_TOKEN, Signed
from clearway.server.admission import COOKIE, Called, Caller, GuardedRoute, address_of
from clearway.server.answers import answers, reply
from clearway.server.shapes import Acting, Me, SignIn
from clearway.server.site import Site, site_of

router = APIRouter(prefix="/v1", tags=["sign-in"], route_class=GuardedRoute)


@router.get("/sign-in", response_model=None, responses=answers())
async def ways(request: Request) -> JSONResponse:
    """How one can sign in here."""
    site = site_of(request)
    oidc = site.app.project.settings.oidc is not None
    return reply("sign_in", {"oidc": "/v1/oidc/start" if oidc else None, "start_token": site.token is not None})


@router.post("/session", status_code=201, response_model=None, responses=answers(Me, 201))
def sign_in(request: Request, body: SignIn) -> Response:
    """Exchanges the token that `clearway serve` printed, once, for a session in environment dev."""
    site, address = site_of(request), address_of(request)
    site.failures.check(address)
    # The user is looked up for whoever has the token only, and before it is used: a slip of the pen does not spend it.
    try:
        if site.token is None or not site.token.fits(body.token):
            raise _no_token()
        name, principal = _declared(site, body.user)
        if not site.token.take(body.token):
            raise _no_token()
    except ClearwayError:
        site.failures.spend(address)
        raise
    return _opened(site, name, principal, None)


@router.post("/session/acting", status_code=201, response_model=None, responses=answers(Me, 201))
def act_as(caller: Called, body: Acting) -> Response:
    """Goes on as another declared user: on this machine, in environment dev, as --as of the command line does."""
    signed = caller.signed
    if signed is None or signed.session.authenticated_by != START_TOKEN or caller.site.token is None:
        raise Denied(
            "Acting as somebody else works on this machine, in environment dev only.",
            code="identity_not_proven",
            remedy="Sign in as yourself.",
        )
    return _opened(caller.site, *_declared(caller.site, body.user), signed)


@router.delete("/session", response_model=None, responses=answers())
def sign_out(caller: Called) -> Response:
    """Ends the session."""
    if caller.signed is not None:
        caller.site.sessions.end(caller.signed)
    answer = reply("signed_out", {})
    clear_cookie(answer)
    return answer


@router.get("/me", response_model=None, responses=answers(Me))
async def me(caller: Called) -> JSONResponse:
    """Who asks, in which tenant and environment, with which rights now."""
    return reply("me", shown(caller))


def shown(caller: Caller) -> dict[str, object]:
    """The caller as JSON. `fresh`: may approve now; None where a key says who it is."""
    return {**_principal(caller.principal), "fresh": caller.signed.fresh if caller.signed else None}


def set_cookie(answer: Response, opaque: str) -> None:
    """Hands the session's id to the browser."""
    answer.set_cookie(COOKIE, opaque, max_age=int(LONGEST_S), path="/", secure=True, httponly=True, samesite="lax")


def clear_cookie(answer: Response) -> None:
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")


def _no_token() -> Unauthenticated:
    return Unauthenticated("The token is not valid.", remedy="Use the link that clearway serve printed, once.")


def _declared(site: Site, user: str) -> tuple[str, Principal]:
    """Errors: `NotFound` (`unknown_principal`)."""
    name = user if ":" in user else f"user:{user}"
    return name, site.app.acting(name, environment=DEV).caller


def _opened(site: Site, name: str, principal: Principal, before: Signed | None) -> Response:
    opaque, session = site.sessions.open(
        principal.scope, name, START_TOKEN, instead_of=None if before is None else before.session
    )
    answer = reply("me", shown(Caller(site, principal, Signed(principal, session, fresh=True))), 201)
    set_cookie(answer, opaque)
    return answer


def _principal(principal: Principal) -> dict[str, object]:
    return {
        "name": principal.name,
        "kind": principal.kind,
        "id": principal.id,
        "subject": principal.subject,
        "tenant": principal.scope.tenant,
        "environment": principal.scope.environment,
        "roles": sorted(principal.roles),
        "groups": sorted(principal.groups),
        "authenticated_by": principal.authenticated_by,
    }
