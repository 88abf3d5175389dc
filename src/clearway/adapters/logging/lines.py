"""The two forms of a log line. INVARIANT: one record is one line, whatever it holds (threat 35)."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from clearway.adapters.logging.hygiene import Hygiene, extras, frames
from clearway.rules.present import visible

_hygiene = Hygiene()


class JsonLines(logging.Formatter):
    """One JSON object a record, ASCII: `at`, `level`, `logger`, `message`, of an exception its type and frames, and
    what came with `extra`.

    INVARIANT: the text of an exception is left out, since it may quote what a caller sent (threat 27).
    """

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self._fields(record), ensure_ascii=True, default=str)

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        _hygiene.filter(record)
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
        fields: dict[str, Any] = {
            "at": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            fields["exception"] = record.exc_info[0].__name__
            fields["frames"] = frames(record.exc_info[2])
        if more := extras(record):
            fields["extra"] = more
        return fields


class PlainLines(JsonLines):
    """The same for people: one line, nothing in it acts on a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        fields = self._fields(record)
        text = f"{fields['level']}: {fields['message']}"
        if "exception" in fields:
            text += f" ({fields['exception']} at {', '.join(fields['frames'][-2:])})"
        return visible(text)[0]
