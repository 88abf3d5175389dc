"""The envelope of every answer, and its description in the OpenAPI document."""

from typing import Any

from starlette.responses import JSONResponse

from clearway.server.shapes import Envelope, Object, Page

VERSION = "v1"
#: What any route may answer beside its own: the edge, admission, the store.
_ALWAYS = (400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503)


def reply(kind: str, data: Any, status: int = 200, headers: dict[str, str] | None = None) -> JSONResponse:
    """`{"clearway": "v1", "kind": …, "data": …}`, as the command line's `--json`."""
    return JSONResponse({"clearway": VERSION, "kind": kind, "data": data}, status_code=status, headers=headers)


def answers(model: Any = Object, *statuses: int) -> dict[int | str, dict[str, Any]]:
    """For `responses=` of a route: `model` in the envelope with these statuses (200), and the problems."""
    found: dict[int | str, dict[str, Any]] = {status: problems() for status in _ALWAYS}
    for status in statuses or (200,):
        found[status] = {"model": Envelope[model], "description": "Done"}
    return found


def pages(model: Any = Object) -> dict[int | str, dict[str, Any]]:
    """As `answers`, for a list."""
    return answers(Page[model])


def problems() -> dict[str, Any]:
    """A problem document, as a response's description."""
    return {
        "description": "A problem (RFC 9457)",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
