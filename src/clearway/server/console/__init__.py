"""The console: pages for the people who operate and approve, over the same operations as the API.

A page only reads. What changes something is sent by the page's script to the API (`/v1/…`), as JSON. The two POSTs of
pages answer with a part of one: what policy would say, and the value behind a token (`opening`).
"""

from fastapi import APIRouter, FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from clearway.server.admission import add_routes
from clearway.server.console import (
    effects,
    entrance,
    inbox,
    numbers,
    opening,
    releases,
    releases_canary,
    releases_diff,
    releases_rollback,
    rules,
    runs,
)
from clearway.server.console.pages import error_page
from clearway.server.console.releases_work import Comparisons
from clearway.server.rights import Need, Routes
from clearway.server.site import Site

__all__ = ["declare"]

ROUTES: Routes = {
    ("GET", "/sign-in"): Need.PUBLIC,
    ("GET", "/"): Need.SELF,
    ("GET", "/account"): Need.SELF,
    ("GET", "/inbox"): Need.READ,
    ("GET", "/inbox/next"): Need.READ,
    ("GET", "/inbox/batch"): Need.READ,
    ("GET", "/inbox/{approval_id}"): Need.READ,
    ("GET", "/inbox/{approval_id}/standing"): Need.READ,
    ("POST", "/inbox/{approval_id}/open"): Need.REVEAL,
    ("GET", "/runs"): Need.READ,
    ("GET", "/runs/{run_id}"): Need.READ,
    ("POST", "/runs/{run_id}/open"): Need.REVEAL,
    ("GET", "/unknowns"): Need.READ,
    ("GET", "/ledger/{key}"): Need.READ,
    ("POST", "/ledger/{key}/open"): Need.REVEAL,
    ("GET", "/switches"): Need.READ,
    ("GET", "/overview"): Need.READ,
    ("GET", "/releases"): Need.READ,
    ("GET", "/releases/canary"): Need.READ,
    ("GET", "/releases/rollback"): Need.READ,
    ("GET", "/releases/moves/{generation}"): Need.READ,
    ("GET", "/releases/{ref}"): Need.READ,
    ("GET", "/releases/{ref}/diff"): Need.READ,
    ("GET", "/releases/{ref}/{act}"): Need.READ,
    ("GET", "/rules"): Need.READ,
    ("POST", "/rules/ask"): Need.READ,
}


class _Assets(StaticFiles):
    """Files of the package. Asked for again at each page, answered with 304 where nothing changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        answer.headers["Cache-Control"] = "no-cache"
        return answer


def declare(api: FastAPI, site: Site) -> Routes:
    """Adds the pages to `api`; returns what each needs."""
    routers: tuple[APIRouter, ...] = (
        entrance.router,
        inbox.router,
        runs.router,
        effects.router,
        numbers.router,
        opening.router,
        rules.router,
        releases_canary.router,  # these first: a release's own page takes any name
        releases_rollback.router,
        releases_diff.router,
        releases.router,
    )
    for router in routers:
        add_routes(api, router)
    api.state.error_page = error_page
    api.state.comparisons = Comparisons()
    api.mount("/assets", _Assets(packages=[("clearway.server.console", "static")]))
    return ROUTES
