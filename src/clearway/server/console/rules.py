"""Policies, tools and owners, and what policy would say."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from clearway.model.errors import ClearwayError
from clearway.operate.policy_texts import policies_in_force
from clearway.operate.records import grant_record
from clearway.ports import Tx
from clearway.server.admission import Called, GuardedRoute
from clearway.server.console.pages import fragment, may, page
from clearway.server.rights import Need
from clearway.server.shapes import Explain

router = APIRouter(prefix="/rules", route_class=GuardedRoute, include_in_schema=False)


@router.get("")
def of_project(caller: Called) -> Response:
    """What is declared, by whom it is owned, and a form to ask what would be."""
    app = caller.site.app

    def work(tx: Tx) -> dict[str, Any]:
        grants = [one for one in tx.grants.list() if one.state == "active" and tx.now < one.expires_at]
        return {"in_force": policies_in_force(tx, app.project), "grants": [grant_record(one) for one in grants]}

    return page(
        caller,
        "rules.html",
        at="/rules",
        title="Policies",
        tools=caller.operations.tools()["items"],
        skills=caller.operations.skills()["items"],
        may_revoke=may(caller, Need.OPERATE),
        **app.store.read(caller.principal.scope, work),
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
