"""Policies, tools and owners, and what policy would say."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from clearway.model.errors import ClearwayError
from clearway.server.admission import Called
from clearway.server.console.pages import PageRoute, fragment, page
from clearway.server.shapes import Explain

router = APIRouter(prefix="/rules", route_class=PageRoute, include_in_schema=False)


@router.get("")
def of_project(caller: Called) -> Response:
    """What is declared, by whom it is owned, and a form to ask what would be."""
    project = caller.site.app.project
    return page(
        caller,
        "rules.html",
        at="/rules",
        title="Policies",
        tools=caller.operations.tools()["items"],
        skills=caller.operations.skills()["items"],
        policies=project.policies,
    )


@router.post("/ask")
def ask(caller: Called, body: Explain) -> Response:
    """The decision on a call that nobody makes, as a part of the page. Changes nothing."""
    found: dict[str, Any] | None = None
    said: ClearwayError | None = None
    try:
        found = caller.operations.explain(body.tool, body.arguments, agent=body.agent, user=body.user, role=body.role)
    except ClearwayError as error:
        said = error
    return fragment("answer.html", found=found, said=said)
