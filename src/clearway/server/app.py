"""The app factory: the API, behind its edge, with room for pages.

How to add pages: put them into `clearway.server.console`, whose `declare(api, site)` is called here, if it is there,
and returns its routes' needs::

    from clearway.server.admission import Called, GuardedRoute, add_routes  # who asks, admitted beforehand
    from clearway.server.rights import Need

    router = APIRouter(route_class=GuardedRoute)                   # needed: a plain route is refused at the start

    @router.get("/inbox", include_in_schema=False)
    def inbox(caller: Called) -> HTMLResponse:                     # `def`: runs in a thread, so operations may block
        page = caller.operations.approvals()                       # the same operations as the API and the CLI
        …

    def declare(api: FastAPI, site: Site) -> Routes:
        add_routes(api, router)
        api.mount("/assets", StaticFiles(…))                       # public; everything else needs an entry
        return {("GET", "/inbox"): Need.READ}

- Rights: `Need` in `rights.py`; GET and HEAD may change nothing.
- Whoever is not signed in and asks for a page (`Accept: text/html`) is sent to `/sign-in`, which is the console's page
  (`Need.PUBLIC`). It finds the ways in at `GET /v1/sign-in`; the start token comes in the link's fragment
  (`/sign-in#token=…`, so no log has it) and is exchanged by `POST /v1/session {"token", "user"}`.
- CSRF: what changes something is sent by `fetch`/htmx with `Content-Type: application/json` from the same origin
  (htmx: its `json-enc` extension); the edge refuses everything else, so pages carry no token of their own.
- Approving needs a proof of the last five minutes: 403 `step_up` → send the browser to
  `/v1/oidc/start?again=1&next=/…&environment=…`.
  `shown(caller)["fresh"]` in `routes/sign_in.py` says so beforehand.
- Live pages: `GET /v1/events?kinds=approval.,run.` and `GET /v1/runs/{id}/events` (server-sent events).
- The Content-Security-Policy is set for all: no inline script or style, no other host.
- Errors: raise `ClearwayError`s; they become problem documents, or for whoever asks for a page what
  `api.state.error_page` makes of them.
"""

import importlib
import importlib.util
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from anyio import to_thread
from fastapi import FastAPI
from starlette.routing import Mount
from starlette.types import ASGIApp

from clearway.app import Clearway
from clearway.model.errors import Internal
from clearway.server import oidc, problems
from clearway.server.admission import GuardedRoute, add_routes
from clearway.server.edge import Edge
from clearway.server.rights import ROUTES, Need
from clearway.server.routes import decisions, health, operators, privacy, project, releases, runs, sign_in, streams
from clearway.server.shapes import Problem
from clearway.server.site import Options, Site, make_site

CONSOLE = "clearway.server.console"


def make_app(app: Clearway, options: Options, **settings: Any) -> "Served":
    """The server of `app`. `settings`: as `make_site` takes them."""
    needs = dict(ROUTES)
    site = make_site(app, options, needs, **settings)
    api = FastAPI(
        title="Clearway",
        version="v1",
        description="Runs, approvals, the ledger and the audit log. See docs/reference/api.md.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        separate_input_output_schemas=False,
    )
    api.state.site, api.state.places = site, streams.Places()
    api.state.oidc = oidc.Oidc.of(site)
    problems.install(api)
    for part in (health, sign_in, runs, streams, decisions, project, operators, privacy, oidc, releases):
        add_routes(api, part.router)
    _describe(api)
    console = importlib.import_module(CONSOLE) if importlib.util.find_spec(CONSOLE) is not None else None
    if console is not None and hasattr(console, "declare"):
        needs.update(console.declare(api, site))
    check_routes(api, needs)
    return Served(Edge(api, options, getattr(api.state, "error_page", None)), api, site)


class Served:
    """The finished application (`asgi`), the FastAPI inside it and what its requests share."""

    def __init__(self, asgi: ASGIApp, api: FastAPI, site: Site) -> None:
        self.asgi, self.api, self.site = asgi, api, site


@asynccontextmanager
async def _lifespan(api: FastAPI) -> AsyncGenerator[None]:
    site: Site = api.state.site
    to_thread.current_default_thread_limiter().total_tokens = site.options.threads
    yield
    site.closing.set()
    site.feed.close()


def _describe(api: FastAPI) -> None:
    """`/openapi.json`, with the shape of problems and the two ways to say who one is."""
    made = api.openapi

    def described() -> dict[str, Any]:
        document = made()
        parts = document.setdefault("components", {})
        parts.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
        parts["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "An API key: cw_<environment>_…"},
            "session": {"type": "apiKey", "in": "cookie", "name": "__Host-clearway"},
        }
        for path, item in document["paths"].items():
            for method, operation in item.items():
                public = ROUTES.get((method.upper(), path)) is Need.PUBLIC
                operation["security"] = [] if public else [{"key": []}, {"session": []}]
        return document

    api.openapi = described
    api.router.add_api_route(
        "/openapi.json", described, include_in_schema=False, route_class_override=GuardedRoute, response_model=None
    )


def check_routes(api: FastAPI, needs: dict[tuple[str, str], Need]) -> None:
    """INVARIANT: there is no way past `admission`: each route is guarded and names what it needs."""
    for route in api.routes:
        if isinstance(route, Mount):
            continue  # assets only: it is given no store
        if not isinstance(route, GuardedRoute) or any((m, route.path) not in needs for m in route.methods or ()):
            raise Internal(f"The route {getattr(route, 'path', '')} is not guarded, or names no right that it needs.")
