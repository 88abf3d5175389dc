"""Signing in with OpenID Connect: authorization code with PKCE, by authlib (RFC 7636, OpenID Connect Core 1.0 §3.1).

What authlib leaves open is fixed here: the issuer and the audience are compared exactly, the signature's algorithm is
one of those in clearway.toml and never the provider's wish, nonce and state are needed, and a state works once.

The browser keeps what is under way (state, nonce, verifier) in a sealed cookie for ten minutes; `GET …/callback`, which
the protocol wants to be a GET, changes nothing but the session of the very browser that began.
"""

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from clearway.model.errors import ClearwayError, ConfigError, Denied, Invalid, NotFound, Unauthenticated
from clearway.model.identity import Scope
from clearway.model.session import Session, SignedInUser
from clearway.operate.people import user_id_of
from clearway.project.server_settings import OidcSettings
from clearway.server.admission import COOKIE, GuardedRoute, address_of
from clearway.server.answers import problems
from clearway.server.own_pages import is_own_page
from clearway.server.routes.sign_in import set_cookie
from clearway.server.site import Site, site_of

PENDING = "__Host-clearway-sign-in"
PENDING_S = 600
#: Difference of clocks that is put up with.
LEEWAY_S = 60
_MOST_STATES = 10_000

_logger = logging.getLogger("clearway.server")
router = APIRouter(prefix="/v1/oidc", tags=["sign-in"], route_class=GuardedRoute)
_REDIRECTS: dict[int | str, dict[str, Any]] = {
    303: {"description": "On to the identity provider, or back"},
    **{status: problems() for status in (400, 401, 403, 404, 422, 429, 500, 503)},
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the provider says it is. `proven_at`: when they proved it to the provider; 0 where it does not say."""

    user: SignedInUser | None
    subject: str
    scope: Scope
    proven_at: float


class Oidc:
    """One identity provider."""

    def __init__(self, site: Site, settings: OidcSettings, secret: str) -> None:
        self._site, self._settings = site, settings
        self._redirect = f"{site.options.origin}/v1/oidc/callback"
        self._client = _client(settings, secret)
        self._lock, self._used = threading.Lock(), OrderedDict[str, float]()

    @classmethod
    def of(cls, site: Site) -> "Oidc | None":
        """None where the project names no provider. Errors: `ConfigError` without the client's secret."""
        settings = site.app.project.settings.oidc
        if settings is None:
            return None
        secret = os.environ.get(settings.secret_variable, "")
        if not secret:
            raise ConfigError(
                "[oidc] is set, but the client's secret is not.",
                remedy=f"Set the variable {settings.secret_variable} to what the identity provider gave.",
            )
        return cls(site, settings, secret)

    async def start(self, request: Request, environment: str, again: bool, next_path: str) -> Response:
        """On to the provider, with what is under way in a cookie of this browser."""
        await self._metadata()
        request.scope["session"] = {}
        more = {"prompt": "login", "max_age": "0"} if again else {}
        answer: Response = await self._client.authorize_redirect(request, self._redirect, **more)
        answer.status_code = 303
        scope = self._scope(environment)
        pending: dict[str, Any] = {
            "at": time.time(),
            "next": next_path,
            "again": again,
            "session": request.scope["session"],
        }
        sealed = f"{environment}.{self._site.app.sealer.seal(pending, scope)}"
        answer.set_cookie(PENDING, sealed, max_age=PENDING_S, path="/", secure=True, httponly=True, samesite="lax")
        return answer

    async def finish(self, request: Request) -> tuple[Identity, str]:
        """(who it is, where they wanted to go). Errors: `Unauthenticated`, the same for every reason."""
        try:
            pending, environment = self._pending(request)
            self._use_once(str(request.query_params.get("state", "")))
            await self._metadata()
            request.scope["session"] = pending["session"]
            token = await self._client.authorize_access_token(request, claims_options=self._claims(), leeway=LEEWAY_S)
            claims: Mapping[str, Any] = token["userinfo"]
            return self._identity(claims, environment, again=bool(pending["again"])), str(pending["next"])
        except Exception as error:
            # INVARIANT: whatever the provider or the browser sent, nothing of it comes back or is logged.
            _logger.warning("a sign-in was refused: %s", type(error).__name__)
            raise Unauthenticated("The sign-in did not succeed.", remedy="Begin again.") from None

    def _pending(self, request: Request) -> tuple[dict[str, Any], str]:
        environment, _, sealed = request.cookies.get(PENDING, "").partition(".")
        pending: dict[str, Any] = self._site.app.sealer.unseal(sealed, self._scope(environment))
        if not 0 <= time.time() - pending["at"] <= PENDING_S:
            raise Unauthenticated("The sign-in took too long.")
        return pending, environment

    def _use_once(self, state: str) -> None:
        with self._lock:
            if not state or state in self._used:
                raise Unauthenticated("The state was used before.")
            self._used[state] = time.time()
            while len(self._used) > _MOST_STATES or time.time() - next(iter(self._used.values())) > PENDING_S:
                self._used.popitem(last=False)

    async def _metadata(self) -> None:
        """Errors: `Unauthenticated` where the provider calls itself something else."""
        found = await self._client.load_server_metadata()
        if found.get("issuer") != self._settings.issuer:
            raise Unauthenticated("The provider names another issuer.")
        # authlib takes what the provider lists; here it is what the project lists.
        found["id_token_signing_alg_values_supported"] = list(self._settings.algorithms)

    def _claims(self) -> dict[str, Any]:
        needed = {name: {"essential": True} for name in ("sub", "exp", "iat", "nonce")}
        exact = {"iss": self._settings.issuer, "aud": self._settings.audience}
        return {**needed, **{name: {"essential": True, "value": value} for name, value in exact.items()}}

    def _identity(self, claims: Mapping[str, Any], environment: str, *, again: bool) -> Identity:
        settings = self._settings
        if claims["aud"] not in (settings.audience, [settings.audience]):
            raise Unauthenticated("The token is for others too.")
        value = claims[settings.user_claim]
        if not isinstance(value, str) or (settings.user_claim == "email" and claims.get("email_verified") is not True):
            raise Unauthenticated("The token does not say who it is.")
        at = claims.get("auth_time")
        proven_at = float(at) if isinstance(at, int | float) and not isinstance(at, bool) else 0.0
        if again and time.time() - proven_at > PENDING_S:
            raise Unauthenticated("The provider did not ask again.")
        scope = self._scope(environment)
        declared = settings.users.get(value)
        if declared is not None:
            return Identity(None, f"user:{declared}", scope, proven_at)
        given = claims.get(settings.groups_claim)
        theirs: list[Any] = list(given) if isinstance(given, list | tuple) else []  # pyright: ignore[reportUnknownArgumentType]
        groups = [group for group in theirs if isinstance(group, str)]
        user = SignedInUser(
            user_id_of(value, self._site.app.vaults.redaction, scope),
            scope.tenant,
            scope.environment,
            settings.issuer,
            _given(settings.roles.get(environment, {}), groups),
            _given(settings.groups, groups),
            created_at=0.0,
            seen_at=0.0,
        )
        return Identity(user, f"user:{user.user_id}", scope, proven_at)

    def _scope(self, environment: str) -> Scope:
        return self._site.app.scope(self._settings.tenant, environment)


@router.get("/start", status_code=303, response_model=None, responses=_REDIRECTS)
async def start(
    request: Request,
    environment: Annotated[str, Query(max_length=63)] = "",
    again: bool = False,
    next: Annotated[str, Query(max_length=200)] = "/",
) -> Response:
    """On to the identity provider. `again`: it asks for a fresh proof, which approving takes."""
    site, oidc = site_of(request), _of(request)
    site.failures.check(address_of(request))
    if not is_own_page(next):
        raise Invalid("The page to go on to is none of this server's.", code="next", remedy="Name a path, as /runs.")
    try:
        return await oidc.start(request, environment or site.app.project.settings.environments[-1], again, next)
    except ClearwayError:
        raise
    except Exception as error:
        _logger.warning("the identity provider cannot be asked: %s", type(error).__name__)
        raise Unauthenticated("The identity provider cannot be asked.", remedy="Try again later.") from None


@router.get("/callback", status_code=303, response_model=None, responses=_REDIRECTS)
async def callback(request: Request) -> Response:
    """Back from the identity provider: opens a new session, and ends the one before."""
    site, oidc = site_of(request), _of(request)
    site.failures.check(address_of(request))
    try:
        identity, next_path = await oidc.finish(request)
        opaque = await run_in_threadpool(_open, site, identity, request.cookies.get(COOKIE))
    except (Unauthenticated, Denied):
        site.failures.spend(address_of(request))
        raise
    answer = RedirectResponse(next_path, status_code=303)
    set_cookie(answer, opaque)
    answer.delete_cookie(PENDING, path="/", secure=True, httponly=True, samesite="lax")
    return answer


def _open(site: Site, identity: Identity, before: str | None) -> str:
    if identity.user is not None:
        site.sessions.admit(identity.user)
    host = urlsplit(_settings(site).issuer).hostname or ""
    opaque, _ = site.sessions.open(
        identity.scope,
        identity.subject,
        f"oidc:{host}",
        proven_at=identity.proven_at,
        instead_of=_session_of(site, before),
    )
    return opaque


def _session_of(site: Site, opaque: str | None) -> Session | None:
    try:
        return None if opaque is None else site.sessions.find(opaque).session
    except Unauthenticated:
        return None


def _settings(site: Site) -> OidcSettings:
    settings = site.app.project.settings.oidc
    if settings is None:
        raise _none()
    return settings


def _of(request: Request) -> Oidc:
    oidc = request.app.state.oidc
    if not isinstance(oidc, Oidc):
        raise _none()
    return oidc


def _none() -> NotFound:
    return NotFound("This server has no identity provider.", code="no_oidc", remedy="Declare [oidc] in clearway.toml.")


def _given(mapped: Mapping[str, tuple[str, ...]], groups: list[str]) -> tuple[str, ...]:
    return tuple(sorted({name for group in groups for name in mapped.get(group, ())}))


def _client(settings: OidcSettings, secret: str) -> Any:
    from authlib.integrations.starlette_client import OAuth

    registry: Any = OAuth()
    return registry.register(
        "provider",
        client_id=settings.client_id,
        client_secret=secret,
        server_metadata_url=f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256", "timeout": 10.0},
    )
