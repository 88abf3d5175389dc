"""DBOS' log lines, without the values that they interpolate, and not more of them than anybody reads."""

import logging
import re
import threading
import time
from collections.abc import Callable

# DBOS writes "what happened: <exception text or object>", so a value may follow any of these.
_PLAIN = re.compile(r"[^:<{\[(\"'=]*")
_MOST = 120
#: While the database is away each of DBOS' threads would write a line at every attempt, ten a second.
EVERY_S = 30.0


class Scrub(logging.Filter):
    """Leaves of a record the plain words, its place and the exception's type.

    A filter, not a handler: whatever handlers a program attaches, they see the record after this. Of each place in DBOS
    one line in `EVERY_S` seconds passes; the next says how many did not.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._lock = threading.Lock()
        #: Bounded by the number of places in DBOS that log. (when the last one passed, how many were left out since)
        self._passed: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        left_out = self._left_out(record)
        if left_out is None:
            return False
        found = _PLAIN.match(_said(record))
        words = found.group().strip()[:_MOST] if found else ""
        raised = record.exc_info[0] if record.exc_info else None
        again = f", and {left_out} more since the last" if left_out else ""
        record.msg = (
            f"engine: {words} ({record.module}:{record.lineno}{f', {raised.__name__}' if raised else ''}{again})"
        )
        record.args = record.exc_info = record.exc_text = record.stack_info = None
        return True

    def _left_out(self, record: logging.LogRecord) -> int | None:
        """How many of its kind were left out before this one; None where it is left out too."""
        place, now = (record.module, record.lineno), self._monotonic()
        with self._lock:
            last, count = self._passed.get(place, (-EVERY_S, 0))
            if now - last < EVERY_S:
                self._passed[place] = (last, count + 1)
                return None
            self._passed[place] = (now, 0)
            return count


def _said(record: logging.LogRecord) -> str:
    try:
        return record.getMessage().removeprefix("Warning: ")
    except Exception:
        return ""


def scrub_engine_logs() -> None:
    """Puts `Scrub` before DBOS' logger, from warnings up, and hands its records to the root's handlers."""
    logger = logging.getLogger("dbos")
    logger.filters[:] = [Scrub()]
    logger.handlers[:] = [logging.NullHandler()]  # DBOS adds a console handler of its own where there is none
    logger.setLevel(logging.WARNING)
