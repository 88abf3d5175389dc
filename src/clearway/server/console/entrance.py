"""Signing in, and who one is."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from clearway.server.admission import Called, GuardedRoute
from clearway.server.console.pages import bare, page
from clearway.server.own_pages import is_own_page
from clearway.server.site import site_of

#: Code of a refused sign-in → what is said; of any other code, that it did not succeed.
_REFUSED = {
    "no_role": "None of your groups has a role here. Ask whoever keeps [oidc.roles] of clearway.toml.",
    "disabled": "This account was disabled. Ask an admin.",
    "limited": "There were too many tries. Wait a minute.",
}

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)


@router.get("/")
async def first(caller: Called) -> Response:
    """On to what waits."""
    return RedirectResponse("/inbox", status_code=303)


@router.get("/sign-in")
async def sign_in(
    request: Request,
    next: Annotated[str, Query(max_length=200)] = "",
    refused: Annotated[str, Query(max_length=60)] = "",
) -> Response:
    """The ways in. The start token is in the link's fragment, which only the page's script sees. `next`: the page that
    was asked for; `refused`: the code that a sign-in ended with."""
    site = site_of(request)
    settings = site.app.project.settings
    return bare(
        "sign_in.html",
        title="Sign in",
        oidc=settings.oidc is not None,
        environments=settings.environments,
        local=site.token is not None,
        next=next if next and is_own_page(next) else "/inbox",
        refused=_REFUSED.get(refused, "The sign-in did not succeed. Begin again.") if refused else "",
    )


@router.get("/account")
def account(caller: Called) -> Response:
    """Who one is here, with which rights now; and on this machine, as whom one could go on."""
    tenant = caller.principal.scope.tenant
    users = [name for name, user in caller.site.app.project.users.items() if user.tenant == tenant]
    return page(
        caller,
        "account.html",
        at="/account",
        title="Who you are",
        users=sorted(users),
        authenticated_by=caller.principal.authenticated_by,
        signed=caller.signed is not None,
    )
