"""Cleans log records: at their birth, so for every handler there is or will be, and again at each handler.

Of an exception its type and frames are kept and its text is not: pydantic's, `KeyError`'s, `JSONDecodeError`'s and most
other texts quote what they were given, and no detector knows a project's own secrets (threat 27). Arguments that do not
fit their message are left out, where `logging` would print them ("--- Logging error ---").
"""

import logging
import re
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from clearway.rules.scrub import NET, Scrubber

MOST_FRAMES = 50
_CLEAN = "clearway_clean"
#: Loggers that write the address of a request: what is asked for stands in its query.
_OF_REQUESTS = ("uvicorn", "httpx", "httpcore", "urllib3")
_QUERY = re.compile(r"\?[^\s\"'<>]+")
_OBJECT = re.compile(r"\s*[\n<]")
#: What a record is made of; everything else on it came with `extra`.
_OWN = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName", _CLEAN}

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


class Hygiene(logging.Filter):
    """Cleans a record in place; lets every record pass. Cleaning twice changes nothing."""

    def __init__(self, scrubber: Scrubber | None = None) -> None:
        super().__init__()
        self._scrubber = scrubber or NET

    def filter(self, record: logging.LogRecord) -> bool:
        if vars(record).get(_CLEAN) is not True:
            self.clean(record)
        self._clean_extras(record)
        return True

    def clean(self, record: logging.LogRecord) -> None:
        """Message, exception and stack."""
        text = _message(record)
        logger = record.name.partition(".")[0]
        if logger in _OF_REQUESTS:
            text = _QUERY.sub("?…", text)
        elif logger == "asyncio":  # "never retrieved" and its like go on with the repr of a task, its exception in it
            text = _OBJECT.split(text, maxsplit=1)[0]
        record.msg, record.args = self._scrubber.text(text), None
        if record.exc_info and record.exc_info[0] is not None:
            kind, _, trace = record.exc_info
            record.exc_text = "\n".join([*frames(trace), kind.__name__])
            record.exc_info = without_text(kind, trace)
        elif record.exc_text:
            record.exc_text = self._scrubber.text(record.exc_text)
        if record.stack_info:
            record.stack_info = self._scrubber.text(record.stack_info)
        setattr(record, _CLEAN, True)

    def _clean_extras(self, record: logging.LogRecord) -> None:
        fields = vars(record)
        for name in fields.keys() - _OWN:
            fields[name] = self._scrubber.tree(fields[name])


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """What came with `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _OWN}


def frames(trace: TracebackType | None) -> list[str]:
    """`file.py:12 function` for each frame, outermost first; no line of source and no locals."""
    found = traceback.extract_tb(trace, limit=-MOST_FRAMES)
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in found]


def without_text(kind: type[BaseException], trace: TracebackType | None) -> _ExcInfo:
    """An exception to log in the place of one of `kind`: same name, same frames, no text, no cause, no group."""
    blank = type(kind.__name__, (Exception,), {"__module__": kind.__module__})
    return blank, blank(), trace


def attend(loggers: Iterable[logging.Logger] | None = None) -> list[tuple[logging.Handler, Hygiene]]:
    """Puts the filter on every handler of this process that lacks it (or of `loggers`). Returns the new ones.

    May be called again, after others have added handlers of theirs."""
    if loggers is None:
        named = [each for each in logging.Logger.manager.loggerDict.values() if isinstance(each, logging.Logger)]
        loggers = [logging.getLogger(), *named]
    added: list[tuple[logging.Handler, Hygiene]] = []
    every = [handler for logger in loggers for handler in logger.handlers]
    if logging.lastResort is not None:
        every.append(logging.lastResort)
    for handler in every:
        if not any(isinstance(one, Hygiene) for one in handler.filters):
            hygiene = Hygiene()
            handler.filters.insert(0, hygiene)
            added.append((handler, hygiene))
    return added


def _message(record: logging.LogRecord) -> str:
    try:
        return str(record.getMessage())
    except Exception as error:
        return f"{str(record.msg)[:500]} (its arguments do not fit it: {type(error).__name__})"
