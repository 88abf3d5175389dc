"""Runs: start, list, read, cancel, retry."""

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import JSONResponse

from clearway.model.errors import Invalid
from clearway.server.admission import Called, GuardedRoute
from clearway.server.answers import answers, pages, reply
from clearway.server.problems import request_id_of
from clearway.server.shapes import RunLine, RunRecord, RunStatusShown, StartedRun, StartRun, Unhold, WithReason

router = APIRouter(prefix="/v1/runs", tags=["runs"], route_class=GuardedRoute)

Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str | None, Query(max_length=500)]
Filter = Annotated[str | None, Query(max_length=200)]
IdHeader = Annotated[str | None, Header(max_length=200)]


@router.post("", status_code=201, response_model=None, responses=answers(StartedRun, 200, 201))
def start(
    request: Request,
    caller: Called,
    body: StartRun,
    idempotency_key: IdHeader = None,
    x_request_id: IdHeader = None,
    x_correlation_id: IdHeader = None,
) -> JSONResponse:
    """Starts a run. The same Idempotency-Key again gives the run it had, with 200 instead of 201."""
    try:
        run = caller.operations.start(
            body.text,
            skill=body.skill,
            input=body.input,
            key=idempotency_key,
            request_id=x_request_id or request_id_of(request),
            correlation_id=x_correlation_id,
            role=body.role,
            subject=body.subject,
        )
    except Invalid as error:
        if error.code != "no_route" or body.text.strip():
            raise
        raise Invalid(
            "No skill was chosen: the field text is missing or empty, and no skill is named.",
            code=error.code,
            remedy="Send text: what is asked for. Or name the skill in the field skill.",
        ) from None
    headers = {"Location": f"/v1/runs/{run['run_id']}", "X-Correlation-Id": str(run["correlation_id"])}
    return reply("run", run, 201 if run["new"] else 200, headers)


@router.get("", response_model=None, responses=pages(RunLine))
def list_runs(
    caller: Called,
    status: Filter = None,
    skill: Filter = None,
    correlation_id: Filter = None,
    held: bool = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> JSONResponse:
    """Runs, newest first. `held`: only those that a rollback holds."""
    page = caller.operations.runs(
        status=status, skill=skill, correlation_id=correlation_id, held=held, limit=limit, cursor=cursor
    )
    return reply("runs", page)


@router.get("/{run_id}", response_model=None, responses=answers(RunRecord))
def read(caller: Called, run_id: str) -> JSONResponse:
    """The execution record, with sensitive values as tokens."""
    run = caller.operations.run(run_id)
    return reply("run", run, headers={"X-Correlation-Id": str(run["correlation_id"])})


@router.get("/{run_id}/status", response_model=None, responses=answers(RunStatusShown))
def status(caller: Called, run_id: str) -> JSONResponse:
    """How it stands; cheap enough to poll."""
    return reply("run_status", caller.operations.run_status(run_id))


@router.get("/{run_id}/result", response_model=None, responses=answers())
def result(caller: Called, run_id: str) -> JSONResponse:
    """The real result, for whom the run acts for only."""
    return reply("result", {"result": caller.operations.result(run_id)})


@router.post("/{run_id}/cancel", response_model=None, responses=answers(RunLine))
def cancel(caller: Called, run_id: str, body: WithReason) -> JSONResponse:
    """Asks it to stop: one's own, or as an operator any."""
    return reply("run", caller.operations.cancel(run_id, body.reason))


@router.post("/{run_id}/retry", response_model=None, responses=answers(RunLine))
def retry(caller: Called, run_id: str, body: WithReason) -> JSONResponse:
    """Carries a failed or refused run on from where it ended."""
    return reply("run", caller.operations.retry(run_id, body.reason))


@router.post("/{run_id}/unhold", response_model=None, responses=answers())
def unhold(caller: Called, run_id: str, body: Unhold) -> JSONResponse:
    """Lets a run that a rollback held go on, or ends it: for the incident and policy owners."""
    return reply("runs_unheld", caller.operations.unhold_run(run_id, body.reason, cancel=body.cancel))
