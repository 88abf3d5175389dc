"""Makes a process keep its mouth shut: log records, warnings, what nobody caught, and core dumps."""

import contextlib
import logging
import sys
import threading
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any

from clearway.adapters.logging.hygiene import Hygiene, attend, without_text

#: Third parties whose finer records hold requests, headers or rows. Nothing below a warning of theirs is written.
QUIET = ("asyncio", "authlib", "httpcore", "httpx", "openai", "sqlalchemy", "urllib3")

_log = logging.getLogger("clearway.process")


def install() -> Callable[[], None]:
    """Every record is cleaned at its birth and at every handler; warnings and what nobody caught are logged, by type
    and place. Returns what undoes it. Call it after handlers were set up; `attend` catches up on later ones."""
    undo = contextlib.ExitStack()
    undo.callback(logging.setLogRecordFactory, logging.getLogRecordFactory())
    logging.setLogRecordFactory(_factory(Hygiene(), logging.getLogRecordFactory()))
    for handler, hygiene in attend():
        undo.callback(handler.removeFilter, hygiene)
    for name in QUIET:
        logger = logging.getLogger(name)
        undo.callback(logger.setLevel, logger.level)
        logger.setLevel(max(logger.level, logging.WARNING))
    for module, name, hook in (
        (warnings, "showwarning", _on_warning),
        (sys, "excepthook", _on_uncaught),
        (threading, "excepthook", _on_thread),
        (sys, "unraisablehook", _on_unraisable),
    ):
        undo.callback(setattr, module, name, getattr(module, name))
        setattr(module, name, hook)
    return undo.close


def forbid_core_dumps() -> None:
    """The memory of a process of ours holds keys and real values; none of it is to land on a disk."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _factory(hygiene: Hygiene, make: Callable[..., logging.LogRecord]) -> Callable[..., logging.LogRecord]:
    def born(*given: Any, **named: Any) -> logging.LogRecord:
        record = make(*given, **named)
        hygiene.clean(record)
        return record

    return born


def _on_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    logging.getLogger("py.warnings").warning("%s: %s (%s:%d)", category.__name__, message, filename, lineno)


def _on_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _log.critical("%s, which nobody caught", kind.__name__, exc_info=without_text(kind, trace))


def _on_thread(args: Any) -> None:
    if args.exc_type is SystemExit:
        return
    name = "a thread" if args.thread is None else f"thread {args.thread.name}"
    _log.critical(
        "%s in %s, which nobody caught",
        args.exc_type.__name__,
        name,
        exc_info=without_text(args.exc_type, args.exc_traceback),
    )


def _on_unraisable(args: Any) -> None:
    # Not `args.object`: its repr may be a frame's or a generator's, with arguments in it.
    _log.error(
        "%s, which could not be raised",
        args.exc_type.__name__,
        exc_info=without_text(args.exc_type, args.exc_traceback),
    )
