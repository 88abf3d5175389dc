"""Logging of a process: set up once, on stderr.

A record is one line whatever it holds (threat 35): JSON where nobody watches, or with CLEARWAY_LOG=json; otherwise
text made visible. CLEARWAY_LOG_LEVEL: `warning` unless it says otherwise.
"""

import json
import logging
import os
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from clearway.rules.present import visible

LOG_FILE = Path(".clearway") / "clearway.log"
_LEVELS = ("debug", "info", "warning", "error")


class JsonLines(logging.Formatter):
    """One JSON object a record, ASCII: `at`, `level`, `logger`, `message`, and of an exception its type and frames.

    INVARIANT: the text of an exception is left out, since it may quote what a caller sent (threat 27).
    """

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self._fields(record), ensure_ascii=True)

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
        fields: dict[str, Any] = {
            "at": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            fields["exception"] = record.exc_info[0].__name__
            fields["frames"] = [
                f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(record.exc_info[2])
            ]
        return fields


class PlainLines(JsonLines):
    """The same for people: one line, nothing in it acts on a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        fields = self._fields(record)
        text = f"{fields['level']}: {fields['message']}"
        if "exception" in fields:
            text += f" ({fields['exception']} at {', '.join(fields['frames'][-2:])})"
        return visible(text)[0]


class CurrentStderr(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is at that moment."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def configure(environ: Mapping[str, str] = os.environ) -> None:
    """Sets the root logger up. May be called again."""
    handler = CurrentStderr()
    plain = sys.stderr.isatty() and environ.get("CLEARWAY_LOG", "") != "json"
    handler.setFormatter(PlainLines() if plain else JsonLines())
    logger = logging.getLogger()
    for old in [old for old in logger.handlers if isinstance(old, CurrentStderr)]:
        logger.removeHandler(old)
    logger.addHandler(handler)
    level = environ.get("CLEARWAY_LOG_LEVEL", "warning").lower()
    logger.setLevel((level if level in _LEVELS else "warning").upper())


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
