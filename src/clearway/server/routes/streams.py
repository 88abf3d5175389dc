"""Events as they are recorded, as server-sent events (WHATWG HTML §9.2), resumable by Last-Event-ID.

::

    id: 1042
    event: action.succeeded
    data: {"clearway": "v1", "kind": "event", "data": {"seq": 1042, "at": "…", "kind": "action.succeeded", …}}

`id` is the event's number in the audit log of the tenant and environment. A run's stream says `event: end` when the
run has ended, and closes; asked again with nothing new, it is 204, on which a browser stops asking.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from clearway.model.errors import Limited, NotFound
from clearway.model.event import RecordedEvent
from clearway.server.admission import Called, Caller, GuardedRoute, identified_again
from clearway.server.answers import VERSION, answers

router = APIRouter(prefix="/v1", tags=["events"], route_class=GuardedRoute)

_RESPONSES: dict[int | str, dict[str, Any]] = {
    **answers(),
    200: {"description": "Server-sent events", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
}
LastEventId = Annotated[int, Header(ge=0, lt=2**53)]
After = Annotated[int, Query(ge=0, lt=2**53, description="As Last-Event-ID, for those who cannot send it.")]


class Places:
    """How many streams are open, in all and a caller. On the loop's thread."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def enter(self, caller: Caller) -> None:
        """Errors: `Limited` (`too_many_streams`)."""
        options = caller.site.options
        if self._open.total() >= options.most_streams or self._open[caller.name] >= options.most_streams_each:
            raise Limited(
                "Too many event streams are open.", code="too_many_streams", remedy="Close some.", retry_after_s=5.0
            )
        self._open[caller.name] += 1

    def leave(self, caller: Caller) -> None:
        self._open[caller.name] -= 1
        if self._open[caller.name] <= 0:
            del self._open[caller.name]


@router.get(
    "/runs/{run_id}/events",
    response_model=None,
    responses={**_RESPONSES, 204: {"description": "The run has ended, and there is nothing new"}},
)
async def of_run(
    request: Request, caller: Called, run_id: str, last_event_id: LastEventId = 0, after: After = 0
) -> Response:
    """The events of one run, from behind Last-Event-ID."""
    after = max(after, last_event_id)
    status = await run_in_threadpool(caller.operations.run_status, run_id)
    if status["final"]:
        found = await caller.site.app.store.aread(
            caller.principal.scope, lambda tx: tx.audit.read(after=after, limit=1, run_id=run_id)
        )
        if not found:
            return Response(status_code=204)
    return _streamed(request, caller, after, run_id, ())


@router.get("/events", response_model=None, responses=_RESPONSES)
async def of_scope(
    request: Request,
    caller: Called,
    kinds: Annotated[str, Query(max_length=200, description="Beginnings of kinds, as approval.,run.")] = "",
    last_event_id: LastEventId = 0,
    after: After = 0,
) -> Response:
    """Every event of the caller's tenant and environment; without a number, from now on."""
    after = max(after, last_event_id)
    if after == 0:
        after = await caller.site.app.store.aread(caller.principal.scope, lambda tx: tx.audit.head()[0])
    return _streamed(request, caller, after, None, tuple(filter(None, kinds.split(","))))


def _streamed(
    request: Request, caller: Caller, after: int, run_id: str | None, kinds: tuple[str, ...]
) -> StreamingResponse:
    if caller.site.closing.is_set():
        raise NotFound("The server is closing.", code="closing", remedy="Ask again: another one answers.")
    places: Places = request.app.state.places
    places.enter(caller)
    return StreamingResponse(
        _lines(request, caller, after, run_id, kinds),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _lines(
    request: Request, caller: Caller, after: int, run_id: str | None, kinds: tuple[str, ...]
) -> AsyncIterator[str]:
    """INVARIANT: whoever lost their key, session or roles gets nothing after the next beat."""
    site, places = caller.site, request.app.state.places
    beat_s = site.options.beat_s
    try:
        begun = checked = _now()
        yield "retry: 1000\n\n"
        async for events in site.feed.follow(caller.principal.scope, after=after, run_id=run_id, beat_s=beat_s):
            if _now() - checked >= beat_s:
                checked = _now()
                if await request.is_disconnected() or not await run_in_threadpool(identified_again, caller, request):
                    return
            for event in events:
                if not kinds or event.kind.startswith(kinds):
                    yield _said(event)
            if run_id is not None and events and await _has_ended(caller, run_id, events):
                yield "event: end\ndata: {}\n\n"
                return
            if not events:
                yield ": \n\n"
            if _now() - begun >= site.options.stream_for_s:
                return  # the caller comes again with Last-Event-ID
    finally:
        places.leave(caller)


def _said(event: RecordedEvent) -> str:
    shown = {
        "seq": event.seq,
        "at": event.at,
        "kind": event.kind,
        "run_id": event.run_id,
        "step": event.step_id,
        "payload": event.payload,
    }
    text = json.dumps({"clearway": VERSION, "kind": "event", "data": shown}, ensure_ascii=True, separators=(",", ":"))
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {text}\n\n"


async def _has_ended(caller: Caller, run_id: str, events: list[RecordedEvent]) -> bool:
    if events[-1].kind != "run.finished":
        return False
    status = await run_in_threadpool(caller.operations.run_status, run_id)
    return bool(status["final"])


def _now() -> float:
    return asyncio.get_running_loop().time()
