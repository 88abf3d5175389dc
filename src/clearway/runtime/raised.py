"""What is told of an exception that a skill raised: its type, and the place in the project's own files. Its text may
hold anybody's data, and is told nowhere."""

from collections.abc import Iterator
from pathlib import PurePath
from types import TracebackType

from clearway.rules.failure import type_name

#: Folders of a project that hold what others wrote.
_NOT_OWN = frozenset({"site-packages", "dist-packages", ".venv", "venv"})


def told(error: BaseException, file: str) -> str:
    """`The skill raised KeyError (skills/desk.py:14).`, and for a coroutine in the place of its result a hint.

    `file`: of the skill, relative to the project; the place is left out where it is not known."""
    places = list(_places(error.__traceback__, file))
    at = f" ({places[-1]})" if places else ""
    hint = " A coroutine stood where its result was wanted: did you forget await?" if _is_unawaited(error) else ""
    return f"The skill raised {type_name(error)}{at}.{hint}"


def _places(trace: TracebackType | None, file: str) -> Iterator[str]:
    """`skills/desk.py:14` of each frame in the project's own files, outermost first."""
    root: PurePath | None = None
    wanted = PurePath(file).parts
    while trace is not None:
        path = PurePath(trace.tb_frame.f_code.co_filename)
        if root is None and wanted and not PurePath(file).is_absolute() and path.parts[-len(wanted) :] == wanted:
            root = path.parents[len(wanted) - 1]
        if root is not None and path.is_relative_to(root):
            own = path.relative_to(root)
            if not _NOT_OWN.intersection(own.parts):
                yield f"{own.as_posix()}:{trace.tb_lineno}"
        trace = trace.tb_next


def _is_unawaited(error: BaseException) -> bool:
    """By Python's own words: `'coroutine' object is not subscriptable`, `… has no attribute 'get'`."""
    return type(error) in (TypeError, AttributeError) and "coroutine" in str(error)
