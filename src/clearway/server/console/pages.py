"""What every page has: its frame, the navigation, who is signed in; and how an error looks."""

from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from clearway.model.errors import ClearwayError, Denied
from clearway.model.identity import DEV
from clearway.operate.sessions import START_TOKEN
from clearway.server.admission import Caller
from clearway.server.console.rendering import make_environment
from clearway.server.rights import Need, require


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation. `key`: what is pressed after `g`."""

    path: str
    title: str
    key: str


#: The navigation. A further page is a line here.
NAVIGATION = (
    Place("/inbox", "Inbox", "i"),
    Place("/runs", "Runs", "r"),
    Place("/unknowns", "Unknowns", "u"),
    Place("/overview", "Overview", "o"),
    Place("/rules", "Policies", "p"),
    Place("/releases", "Releases", "l"),
    Place("/switches", "Kill switches", "k"),
)


@cache
def environment() -> Environment:
    return make_environment()


def page(caller: Caller, template: str, *, at: str = "", title: str, **values: Any) -> HTMLResponse:
    """A whole page. `at`: the path of its place in the navigation."""
    text = environment().get_template(template).render(title=title, at=at, places=NAVIGATION, me=_me(caller), **values)
    return html(text)


def fragment(template: str, **values: Any) -> HTMLResponse:
    """A part of a page that replaces another one."""
    return html(environment().get_template(template).render(**values))


def bare(template: str, *, title: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page for somebody who is not known."""
    return html(environment().get_template(template).render(title=title, me=None, at="", places=(), **values), status)


def error_page(error: ClearwayError, status: int, request_id: str, caller: Caller | None = None) -> Response:
    """How an error looks: with the menu, or to somebody who is not known."""
    said = {"detail": error.message, "remedy": error.remedy, "code": error.code, "request_id": request_id}
    title = HTTPStatus(status).phrase
    if caller is None:
        return bare("error.html", title=title, status=status, **said)
    answer = page(caller, "error.html", title=title, **said)
    answer.status_code = status
    return answer


def html(text: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})


def is_htmx(request: Request) -> bool:
    """Whether a part of a page is asked for, not the page."""
    return request.headers.get("hx-request") == "true"


def may(caller: Caller, need: Need) -> bool:
    """Whether it is worth showing a button. The route behind it decides."""
    try:
        require(caller.principal, need)
    except Denied:
        return False
    return True


def _me(caller: Caller) -> dict[str, Any]:
    who, signed = caller.principal, caller.signed
    local = signed is not None and signed.session.authenticated_by == START_TOKEN
    return {
        "id": who.id,
        "kind": who.kind,
        "tenant": who.scope.tenant,
        "environment": who.scope.environment,
        "roles": sorted(who.roles),
        "groups": sorted(who.groups),
        "acts_as": local and who.scope.environment == DEV,
        "fresh": local or signed is None or signed.fresh,
    }
