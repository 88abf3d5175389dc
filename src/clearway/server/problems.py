"""Every error as a problem document (RFC 9457), by the one table `clearway.model.errors.SURFACES`; to a browser that
asks for a page, outside of the API, as the console's error page.

::

    {"type": "urn:clearway:error:not_found", "title": "Not Found", "status": 404, "detail": "No such run here.",
     "code": "not_found", "remedy": "See …", "retryable": false, "instance": "urn:clearway:request:…"}

INVARIANT: no value that a caller sent, and nothing of an unexpected exception, is in an answer (threat 27).
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from clearway.model.errors import ClearwayError, Internal, Limited, Unauthenticated, surface_of
from clearway.server.admission import Caller, recognised
from clearway.server.own_pages import is_own_page

MEDIA_TYPE = "application/problem+json"
SIGN_IN = "/sign-in"

#: (error, status, request id, who asks, where that is known) → the page that says it. The console's is
#: `app.state.error_page`, where there is one.
ErrorPage = Callable[[ClearwayError, int, str, Caller | None], Response]

_logger = logging.getLogger("clearway.server")
#: What the framework itself refuses → our codes.
_OF_STATUS = {404: "not_found", 405: "method", 400: "malformed"}
_NOTHING_THERE = "There is nothing at this address."


def problem(
    error: ClearwayError, *, request_id: str = "", status: int | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The answer that says `error`."""
    shown = status or surface_of(error).status
    return JSONResponse(
        {
            "type": f"urn:clearway:error:{error.code}",
            "title": HTTPStatus(shown).phrase,
            "status": shown,
            "detail": error.message,
            "code": error.code,
            "remedy": error.remedy,
            "retryable": error.retryable,
            "instance": f"urn:clearway:request:{request_id}",
        },
        status_code=shown,
        media_type=MEDIA_TYPE,
        headers={**_headers(error), **(headers or {})},
    )


def answer(
    asked: HTTPConnection,
    error: ClearwayError,
    page: ErrorPage | None,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer that says `error`, in the form that was asked for: `page`'s or a problem's, with the same headers."""
    if page is None or not wants_a_page(asked):
        return problem(error, request_id=request_id_of(asked), status=status, headers=headers)
    caller = asked.scope.get("state", {}).get("caller")
    said = page(error, status or surface_of(error).status, request_id_of(asked), caller)
    said.headers.update({**_headers(error), **(headers or {})})
    return said


def install(app: FastAPI) -> None:
    """Registers the handlers."""
    app.add_exception_handler(ClearwayError, _of_ours)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _of_defect)


def request_id_of(asked: HTTPConnection) -> str:
    return str(asked.scope.get("state", {}).get("request_id", ""))


def unexpected(asked: HTTPConnection, error: Exception) -> JSONResponse:
    """A defect: its kind goes to the log, nothing of it to the caller. Never a page: what makes pages may have it."""
    request_id = request_id_of(asked)
    _logger.error("request %s failed with %s", request_id, type(error).__name__, exc_info=error)
    return problem(
        Internal("This is a defect of the server.", remedy="Name the request id to whoever runs it."),
        request_id=request_id,
    )


async def _of_ours(request: Request, error: Exception) -> Response:
    if not isinstance(error, ClearwayError):  # the handler is registered for no other
        return unexpected(request, error)
    if isinstance(error, Unauthenticated) and request.method == "GET" and wants_a_page(request):
        return RedirectResponse(_sign_in(request.url.path), status_code=303)
    if _comes_from_the_provider(request):
        return RedirectResponse(f"{SIGN_IN}?refused={error.code}", status_code=303)
    return answer(request, error, _page(request))


async def _of_defect(request: Request, error: Exception) -> Response:
    return unexpected(request, error)


async def _of_validation(request: Request, error: Exception) -> Response:
    places = _places(error.errors(), _fields(request)) if isinstance(error, RequestValidationError) else ""
    text = f"The request does not fit its description{places}."
    said = ClearwayError(text, code="invalid", remedy="See /openapi.json.")
    return answer(request, said, _page(request), status=422)


async def _of_http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    text = _NOTHING_THERE if status == HTTPStatus.NOT_FOUND else HTTPStatus(status).phrase + "."
    said = ClearwayError(text, code=_OF_STATUS.get(status, "internal"))
    if _page(request) is not None and wants_a_page(request):
        request.state.caller = await run_in_threadpool(recognised, request)  # no route has admitted anybody
    return answer(request, said, _page(request), status=status, headers=headers)


def _fields(request: Request) -> Sequence[str]:
    """The fields that the body of the route that was asked may have, by their names."""
    body = getattr(request.scope.get("route"), "body_field", None)
    return tuple(getattr(getattr(getattr(body, "field_info", None), "annotation", None), "model_fields", ()))


def _places(errors: Sequence[Any], fields: Sequence[str]) -> str:
    """Where it is wrong: names of our own fields, never what was sent (unknown keys are the sender's words)."""
    known = [
        ".".join(str(part) for part in found.get("loc", ())[:2])
        for found in errors
        if found.get("type") != "extra_forbidden"
    ]
    named = ", ".join(sorted(set(known))[:5])
    if any(found.get("type") == "extra_forbidden" for found in errors):
        there_is = f" (there is {', '.join(fields)})" if fields else ""
        named += f"{' and ' if named else ''}a field that is not in it{there_is}"
    return f": {named}" if named else ""


def _headers(error: ClearwayError) -> dict[str, str]:
    found: dict[str, str] = {}
    if isinstance(error, Unauthenticated):
        found["WWW-Authenticate"] = 'Bearer realm="clearway"'
    if error.retryable:
        wait = error.retry_after_s if isinstance(error, Limited) else None
        wait = 1.0 if wait is None or not math.isfinite(wait) else wait
        found["Retry-After"] = str(max(1, math.ceil(wait)))
    return found


def wants_a_page(asked: HTTPConnection) -> bool:
    """Whether a browser asks for what it shows whole, by whatever method: the API's answers are read by programs."""
    return "text/html" in asked.headers.get("accept", "") and not asked.scope["path"].startswith("/v1/")


def _page(request: Request) -> ErrorPage | None:
    return getattr(request.app.state, "error_page", None)


def _sign_in(asked: str) -> str:
    """On to the sign-in, and from there to the page that was asked for."""
    return f"{SIGN_IN}?next={asked}" if asked != "/" and is_own_page(asked) else SIGN_IN


def _comes_from_the_provider(request: Request) -> bool:
    """A person in a browser, whom a sign-in did not let in: the sign-in page says why."""
    wants_html = "text/html" in request.headers.get("accept", "")
    return request.method == "GET" and wants_html and request.url.path.startswith("/v1/oidc/")
