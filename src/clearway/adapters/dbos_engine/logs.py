"""DBOS' log lines, without the values that they interpolate."""

import logging
import re

# DBOS writes "what happened: <exception text or object>", so a value may follow any of these.
_PLAIN = re.compile(r"[^:<{\[(\"'=]*")
_MOST = 120


class Scrub(logging.Filter):
    """Leaves of a record the plain words, its place and the exception's type.

    A filter, not a handler: whatever handlers a program attaches, they see the record after this.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        found = _PLAIN.match(record.getMessage().removeprefix("Warning: "))
        words = found.group().strip()[:_MOST] if found else ""
        raised = record.exc_info[0] if record.exc_info else None
        record.msg = f"engine: {words} ({record.module}:{record.lineno}{f', {raised.__name__}' if raised else ''})"
        record.args = record.exc_info = record.exc_text = record.stack_info = None
        return True


def scrub_engine_logs() -> None:
    """Puts `Scrub` before DBOS' logger, from warnings up, and hands its records to the root's handlers."""
    logger = logging.getLogger("dbos")
    logger.filters[:] = [Scrub()]
    logger.handlers[:] = [logging.NullHandler()]  # DBOS adds a console handler of its own where there is none
    logger.setLevel(logging.WARNING)
