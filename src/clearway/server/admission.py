"""Who asks, and whether they may: the one place that every route passes, before its body is read.

An API key (`Authorization: Bearer cw_…`) or a session's cookie; a key goes first. Endpoints get the answer as
`Caller` (`Called`), and reach stores by its operations only.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from clearway.model.errors import ClearwayError, Denied, Internal, Invalid, Malformed, Unauthenticated
from clearway.model.identity import Principal
from clearway.operate.local import LocalOperations
from clearway.operate.sessions import START_TOKEN, Signed
from clearway.rules.canonical import Json, parse_json
from clearway.server.rights import FRESH, Need, require
from clearway.server.site import Site, site_of

#: `__Host-`: of this host only, over TLS (or on this machine), for all paths; no other site can set it.
COOKIE = "__Host-clearway"
ROLE_HEADER = "clearway-role"
#: Values in one body, counted together: objects, lists, texts, numbers.
MOST_VALUES = 10_000
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `signed`: the session; None where a key says who it is."""

    site: Site
    principal: Principal
    signed: Signed | None = None

    @property
    def operations(self) -> LocalOperations:
        """What this caller can do, in their own tenant and environment."""
        return LocalOperations(self.site.app.desk, self.principal.scope, self.principal)

    @property
    def name(self) -> str:
        """Whom requests are counted for."""
        scope = self.principal.scope
        return f"{scope.tenant}/{scope.environment}/{self.principal.name}"


class GuardedRoute(APIRoute):
    """A route that is admitted first, and whose body is strict JSON: `APIRouter(route_class=GuardedRoute)`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer, path = super().get_route_handler(), self.path

        async def guarded(request: Request) -> Response:
            need = site_of(request).routes.get((request.method, path))
            if need is None:
                raise Internal("This route names no right that it needs.")
            if need is not Need.PUBLIC:
                request.state.caller = await run_in_threadpool(admit, request, need)
            if request.method not in _WITHOUT_BODY:
                body = await request.body()
                if body:
                    request._json = strict_json(body)  # pyright: ignore[reportPrivateUsage]
            return await answer(request)

        return guarded


def add_routes(api: FastAPI, router: APIRouter) -> None:
    """The routes of `router`, as they stand. (`include_router` wraps them, so that they could not be enumerated.)"""
    api.router.routes.extend(router.routes)


def admit(request: Request, need: Need) -> Caller:
    """Errors: `Unauthenticated`, uniformly; `Denied`; `Limited`."""
    site = site_of(request)
    caller = _identified(site, request)
    site.requests.take(caller.principal.scope, caller.principal.name)
    require(caller.principal, need)
    if need is Need.APPROVE and caller.signed is None and not site.app.project.settings.server.keys_decide:
        raise Denied(
            "People decide signed in here, not by an API key: whoever made the key has seen it.",
            code="key_decides",
            remedy="Sign in to the console. [server] keys_decide of clearway.toml says so.",
        )
    if need in FRESH:
        require_fresh(caller)
    return caller


def recognised(request: Request) -> Caller | None:
    """Who asks for what there is not, so that they are told so on a page of theirs. It admits to nothing, and is
    counted as every other request."""
    site = site_of(request)
    try:
        caller = _identified(site, request)
        site.requests.take(caller.principal.scope, caller.principal.name)
    except ClearwayError:
        return None
    return caller


def caller_of(request: Request) -> Caller:
    """The caller that the route was admitted for. Errors: `Unauthenticated` on a public route."""
    caller = getattr(request.state, "caller", None)
    if not isinstance(caller, Caller):
        raise Unauthenticated("Who is asking is not known.", remedy="Send an API key, or sign in.")
    return caller


async def _called(request: Request) -> Caller:
    return caller_of(request)


#: For endpoints: `def runs(caller: Called) -> …`.
Called = Annotated[Caller, Depends(_called)]


def require_fresh(caller: Caller) -> None:
    """Of people at a browser: they proved who they are within five minutes. A key proves it with each request; on
    this machine, in environment dev, nothing is proven anyway. Errors: `Denied` (`step_up`)."""
    signed = caller.signed
    if signed is not None and not signed.fresh and signed.session.authenticated_by != START_TOKEN:
        raise Denied(
            "This takes a sign-in of the last five minutes.",
            code="step_up",
            remedy="Prove who you are again: /v1/oidc/start?again=1.",
        )


def identified_again(caller: Caller, request: Request) -> bool:
    """Whether the caller of a long answer is still who they were, with the same roles."""
    try:
        again = _identified(caller.site, request)
    except ClearwayError:
        return False
    return again.principal == caller.principal


def address_of(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _identified(site: Site, request: Request) -> Caller:
    """INVARIANT: whatever is wrong with a key or a cookie, the answer is the same one (threat 47).

    Whether one was sent at all its sender knows."""
    address = address_of(request)
    site.failures.check(address)
    try:
        caller = _by_key(site, request) or _by_session(site, request)
        if caller is None:
            raise Unauthenticated("Who is asking is not known.", remedy="Send an API key, or sign in.")
    except Unauthenticated:
        if _has_tried(request):
            site.failures.spend(address)
        said = "The key or session is not valid." if _has_tried(request) else "No key and no session was sent."
        raise Unauthenticated(said, remedy="Send an API key as Authorization: Bearer cw_…, or sign in.") from None
    return _narrowed(caller, request.headers.get(ROLE_HEADER))


def _by_key(site: Site, request: Request) -> Caller | None:
    given = request.headers.getlist("authorization")
    if not given:
        return None
    scheme, _, key = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer":
        raise Unauthenticated("The key is not valid.")
    return Caller(site, site.app.access.authenticate(key))


def _by_session(site: Site, request: Request) -> Caller | None:
    opaque = request.cookies.get(COOKIE)
    if opaque is None:
        return None
    signed = site.sessions.find(opaque)
    return Caller(site, signed.principal, signed)


def _narrowed(caller: Caller, role: str | None) -> Caller:
    if role is None:
        return caller
    narrowed = caller.principal.narrowed(role)
    if narrowed is None:
        raise Denied(
            f"{caller.principal.name} does not have that role here.",
            code="role_not_held",
            remedy="A role can only be narrowed to one that the principal has.",
        )
    return Caller(caller.site, narrowed, caller.signed)


def _has_tried(request: Request) -> bool:
    return "authorization" in request.headers or COOKIE in request.cookies


def strict_json(body: bytes) -> Json:
    """The body's value. Errors: `Malformed` (`json`): no JSON, a key twice, too deep, too many values (threat 49)."""
    try:
        value = parse_json(body, what="The body")
    except Invalid as error:
        raise Malformed(error.message, code=error.code, remedy=error.remedy) from None
    except ValueError:  # a number of thousands of digits
        raise Malformed("The body holds a number that is too long.", code="json", remedy="Send it as a text.") from None
    if _count(value) > MOST_VALUES:
        raise Malformed(f"The body holds over {MOST_VALUES} values.", code="json", remedy="Send less.")
    return value


def _count(value: Json) -> int:
    seen, todo = 0, [value]
    while todo and seen <= MOST_VALUES:
        item = todo.pop()
        seen += 1
        if isinstance(item, dict):
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)
    return seen
