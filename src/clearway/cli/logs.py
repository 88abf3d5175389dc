"""Logging of a process: set up once, on stderr.

A record is one line whatever it holds (threat 35): JSON where nobody watches, or with CLEARWAY_LOG=json; otherwise
text made visible. CLEARWAY_LOG_LEVEL: `warning` unless it says otherwise.
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from clearway.adapters.logging import JsonLines, PlainLines, install

LOG_FILE = Path(".clearway") / "clearway.log"
_LEVELS = ("debug", "info", "warning", "error")


class CurrentStderr(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is at that moment."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def configure(environ: Mapping[str, str] = os.environ) -> Callable[[], None]:
    """Sets the root logger up, and the hygiene of the whole process. May be called again. Returns what undoes the
    latter."""
    handler = CurrentStderr()
    plain = sys.stderr.isatty() and environ.get("CLEARWAY_LOG", "") != "json"
    handler.setFormatter(PlainLines() if plain else JsonLines())
    logger = logging.getLogger()
    for old in [old for old in logger.handlers if isinstance(old, CurrentStderr)]:
        logger.removeHandler(old)
    logger.addHandler(handler)
    level = environ.get("CLEARWAY_LOG_LEVEL", "warning").lower()
    logger.setLevel((level if level in _LEVELS else "warning").upper())
    return install()


def write_defect(folder: Path, error: BaseException) -> Path | None:
    """Notes an exception that nobody expected in the project's log file (0600); None where that cannot be written."""
    path = folder / LOG_FILE
    kind = type(error)
    record = logging.LogRecord("clearway.cli", logging.ERROR, "", 0, "defect", (), (kind, error, error.__traceback__))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "a", encoding="ascii") as file:
            file.write(JsonLines().format(record) + "\n")
    except OSError:
        return None
    return path
