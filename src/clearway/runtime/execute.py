"""Calls the tool. Only the gate imports this module (held by the import linter): it is the one door to the world."""

import asyncio
import contextvars
import copy
import functools
import inspect
import math
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from clearway.model.action import Action
from clearway.model.context import ToolContext
from clearway.model.errors import Invalid
from clearway.model.outcome import Returned
from clearway.model.signals import NotSent
from clearway.model.tool import Found, LookupUnavailable, NotFound, ToolSpec
from clearway.ports import Clock
from clearway.rules.canonical import canonical, parse_json
from clearway.rules.failure import Failure, Meaning, read_failure, type_name
from clearway.runtime.carry import is_cancelled

#: A synchronous tool cannot be stopped by a time-out: it keeps its thread, hence its slot, until it returns.
SYNC_SLOTS = 32


class Executor:
    """Runs tools and lookups within a time-out. Holds the threads of the synchronous ones."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._threads = ThreadPoolExecutor(SYNC_SLOTS, thread_name_prefix="clearway-tool")
        self._slots = threading.Semaphore(SYNC_SLOTS)
        self._under_way: set[tuple[str, object]] = set()

    def close(self) -> None:
        """Takes no further synchronous calls. Those under way go on."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def call(
        self,
        spec: ToolSpec,
        action: Action,
        *,
        attempt: int,
        timeout_s: float,
        now: Callable[[], Awaitable[float]],
        send_by: float = math.inf,
    ) -> Returned | Failure:
        """One attempt. `now`: epoch seconds, asked where an HTTP date has to be read. After `send_by` (monotonic
        seconds) nothing is sent any more: the claim may be somebody else's by then. Never raises but on the caller's
        cancellation."""
        context = ToolContext(
            tenant=action.scope.tenant,
            environment=action.scope.environment,
            run_id=action.run_id,
            step_id=action.step_id,
            idempotency_key=action.key,
            attempt=attempt,
            deadline_s=timeout_s,
            raw=copy.deepcopy(action.arguments),
        )
        lead = (context,) if spec.takes_context else ()
        if not inspect.iscoroutinefunction(spec.function) and not self._slots.acquire(blocking=False):
            return Failure(Meaning.LATER, "no_free_slot", 1.0)
        try:
            function = self._in_time(spec.function, send_by)
            result = await self._bounded(function, lead, copy.deepcopy(action.arguments), timeout_s, action.key)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            # A tool that ends in SystemExit or in a cancellation of its own must not take the worker with it.
            if isinstance(error, asyncio.CancelledError) and is_cancelled():
                raise
            return await _read(error, spec, now)
        try:
            return Returned(parse_json(canonical(result), what="A tool's result"))
        except Invalid:
            # It ran; only its result cannot be stored. Saying that it failed would invite a second one.
            return Returned({"clearway_note": "The tool returned something that is not JSON; it was dropped."})

    async def look_up(self, spec: ToolSpec, action: Action, timeout_s: float) -> Found | NotFound | LookupUnavailable:
        """Asks the other side whether the effect happened. Anything unclear is `LookupUnavailable`; so is "not found"
        while a call that has run into its time-out is still at work here."""
        lookup = spec.idempotency.lookup
        if lookup is None:
            return LookupUnavailable()
        late = any(key == action.key for key, _ in tuple(self._under_way))
        try:
            async with asyncio.timeout(timeout_s):
                found: object = await _await_or_thread(lookup, (action.key, copy.deepcopy(action.arguments)))
        except Exception:
            return LookupUnavailable()
        if late and isinstance(found, NotFound):
            return LookupUnavailable()
        return found if isinstance(found, Found | NotFound) else LookupUnavailable()

    async def ask(self, function: Callable[..., Any], arguments: dict[str, Any], timeout_s: float) -> Any:
        """Runs a tool's preview; None where it fails. It is shown to people, nothing depends on it."""
        try:
            async with asyncio.timeout(timeout_s):
                found = await _await_or_thread(function, (copy.deepcopy(arguments),))
                return parse_json(canonical(found), what="A preview")
        except Exception:
            return None

    def _in_time(self, function: Callable[..., Any], send_by: float) -> Callable[..., Any]:
        """Looks at the clock as the last thing before the tool: a worker that stood still since must not send late."""

        def check() -> None:
            if self._clock.monotonic() > send_by:
                raise NotSent("stopped_before_send")

        if inspect.iscoroutinefunction(function):

            async def call_async(*lead: Any, **arguments: Any) -> Any:
                check()
                return await function(*lead, **arguments)

            return call_async

        def call(*lead: Any, **arguments: Any) -> Any:
            check()
            return function(*lead, **arguments)

        return call

    async def _bounded(
        self, function: Callable[..., Any], lead: tuple[Any, ...], arguments: dict[str, Any], timeout_s: float, key: str
    ) -> Any:
        if inspect.iscoroutinefunction(function):
            async with asyncio.timeout(timeout_s):
                return await function(*lead, **arguments)
        call = functools.partial(contextvars.copy_context().run, function, *lead, **arguments)
        try:
            future = self._threads.submit(call)
        except RuntimeError:  # closed
            self._slots.release()
            raise NotSent("worker_closing") from None
        self._under_way.add((key, future))

        def done(_: object) -> None:
            self._under_way.discard((key, future))
            self._slots.release()

        future.add_done_callback(done)
        answer = asyncio.wrap_future(future)
        # A late failure, after the time-out, is nobody's to read: without this asyncio would log it, values and all.
        answer.add_done_callback(lambda late: late.cancelled() or late.exception())
        async with asyncio.timeout(timeout_s):
            return await asyncio.shield(answer)


async def _read(error: BaseException, spec: ToolSpec, now: Callable[[], Awaitable[float]]) -> Failure:
    try:
        at = await now()
    except Exception:  # no store to ask for the time: an HTTP date then means at once
        at = math.inf
    try:
        return read_failure(error, spec.retry, now=at)
    except Exception:  # an exception that cannot even be looked at
        return Failure(Meaning.IN_DOUBT, type_name(error))


async def _await_or_thread(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    if inspect.iscoroutinefunction(function):
        return await cast(Awaitable[Any], function(*arguments))
    return await asyncio.to_thread(function, *arguments)
