"""How a pass is carried out: until it ends, whatever the store does meanwhile."""

import asyncio
import logging
import random
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from clearway.adapters.keyring import Keyring
from clearway.adapters.sealed_json import PassFailed, unseal_value
from clearway.model.errors import ClearwayError, Internal
from clearway.model.run_ref import RunRef

FIRST_RETRY_S = 0.2
LONGEST_RETRY_S = 30.0
DEFECT_ATTEMPTS = 3

_log = logging.getLogger("clearway.engine")


class Passes:
    """The passes at work in this process.

    A retryable `ClearwayError` (store locked, full or gone; a key not here yet) is tried again for ever, with backoff
    and jitter. Anything else is a defect, for the handler is to record how its run ends: tried
    `DEFECT_ATTEMPTS` times in all, then the pass ends with `PassFailed` and its code. What is logged is code or type.
    """

    def __init__(self, handle: Callable[[RunRef, str], Awaitable[None]], keyring: Keyring) -> None:
        self._handle = handle
        self._keyring = keyring
        self._lock = threading.Lock()
        self._idle: set[str] = set()
        self._stopping = False

    def stop(self) -> None:
        """Starts no further attempt. What is at work goes on."""
        with self._lock:
            self._stopping = True

    def idle(self) -> set[str]:
        """The passes that wait: for their next attempt, or, once stopping, for the engine's end."""
        with self._lock:
            return set(self._idle)

    async def carry_out(self, text: str, pass_id: str) -> None:
        """Carries out the pass. Errors: `PassFailed`; `asyncio.CancelledError` when the engine ends first."""
        tries = defects = 0
        while True:
            if self._stopping:
                await self._idly(pass_id, asyncio.Event().wait())  # only cancellation ends it, so it is recovered
            try:
                return await self._handle(self._ref(text), pass_id)
            except Exception as error:
                code = error.code if isinstance(error, ClearwayError) else "internal"
                shown = code if isinstance(error, ClearwayError) else type(error).__name__
                retryable = isinstance(error, ClearwayError) and error.retryable
            tries += 1
            defects += not retryable
            if defects >= DEFECT_ATTEMPTS:
                _log.error("engine: pass %s ended in an error (%s)", pass_id, shown)
                # Outside the except clause: what the handler raised is no context of this, and reaches no log.
                raise PassFailed(code)
            _log.warning("engine: pass %s is tried again (%s)", pass_id, shown)
            await self._idly(pass_id, asyncio.sleep(backoff_s(tries)))

    def _ref(self, text: str) -> RunRef:
        if text.count("/") == 0:  # still sealed: its key was not here when the row was read
            match unseal_value(self._keyring, text):
                case {"args": (str(text),)}:
                    pass
                case _:
                    raise Internal("A pass has no run.", code="engine_row")
        return RunRef.parse(text)

    async def _idly(self, pass_id: str, waiting: Coroutine[Any, Any, object]) -> None:
        with self._lock:
            self._idle.add(pass_id)
        await waiting
        with self._lock:
            self._idle.discard(pass_id)


def backoff_s(tries: int) -> float:
    """Seconds before try `tries` + 1: doubling, at most `LONGEST_RETRY_S`, with up to half taken off at random."""
    longest = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(tries - 1, 16))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards nothing
