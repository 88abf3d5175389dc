"""The command line's one entry: declares the commands, and turns every error into one line and an exit code."""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from itertools import pairwise
from pathlib import Path

import typer

from clearway.adapters.logging.install import forbid_core_dumps
from clearway.cli import (
    approvals,
    audit,
    costs,
    drill,
    endorsements,
    keys,
    ledger,
    logs,
    notices,
    operators,
    owners,
    policy,
    privacy,
    project,
    releases,
    route,
    runs,
    serve,
    users,
    worker,
)
from clearway.cli.command import EPILOG, root
from clearway.cli.context import At, Shared
from clearway.cli.output import Output
from clearway.model.errors import ClearwayError, Internal, Invalid, surface_of
from clearway.rules.scrub import NET

DEBUG_VARIABLE = "CLEARWAY_DEBUG"
INTERRUPTED = 130
#: As of a program that SIGPIPE ended, which is what shells expect here.
PIPE_CLOSED = 141

#: What the option parser says of a value → the same in plain words.
_PLAINLY = (
    ("Value error, ", ""),
    ("Input should be", "it should be"),
    (", unable to parse string as an integer", ""),
    (", unable to parse string as a number", ""),
    ("a valid integer", "a whole number"),
    ("a valid number", "a number"),
    ("greater than or equal to 0", "0 or more"),
)


def make_app() -> typer.Typer:
    """The tree of commands."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        epilog=EPILOG,
        help="Runs LLM agents in production: every action decided by policy, approved where "
        "that is due, made at most once, and recorded.",
    )
    root(app)
    parts = (
        project,
        route,
        runs,
        worker,
        serve,
        approvals,
        endorsements,
        ledger,
        policy,
        audit,
        operators,
        keys,
        users,
        privacy,
        costs,
        notices,
        releases,
        drill,
        owners,
    )
    for part in parts:
        part.declare(app)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Returns its exit code, see `clearway.cli.command.EXIT_CODES`."""
    typed = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that cannot show a character is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    out = Output("--json" in _options(typed))
    undo = logs.configure()
    if arguments is None:  # a process of our own: it stays so until its very end
        forbid_core_dumps()
        undo = _nothing
    try:
        return _run(typed, out)
    finally:
        undo()


def _run(typed: list[str], out: Output) -> int:
    try:
        code = int(make_app()(typed, standalone_mode=False, prog_name="clearway") or 0)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever reads, as `head` does, has enough
        _let_go_of_stdout()
        return PIPE_CLOSED
    except ClearwayError as error:
        out.error(error)
        return surface_of(error).exit
    except typer.TyperException as error:
        return _usage(out, error)
    except (typer.Abort, KeyboardInterrupt):
        out.hint("stopped; nothing was decided")
        return INTERRUPTED
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        return _defect(out, error, typed)


def _nothing() -> None: ...


def _let_go_of_stdout() -> None:
    """So that flushing it at exit does not fail too."""
    try:
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, sys.stdout.fileno())
        os.close(descriptor)
    except (OSError, ValueError):
        pass


def _usage(out: Output, error: typer.TyperException) -> int:
    message = error.format_message().strip()
    if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help
        out.err.print(message, markup=False, highlight=False)
    else:
        text = NET.text(" ".join(message.split()))
        for raw, plain in _PLAINLY:
            text = text.replace(raw, plain)
        out.error(
            Invalid(text if text.endswith((".", "?")) else f"{text}.", code="usage", remedy="See clearway --help.")
        )
    return 2


def _defect(out: Output, error: Exception, typed: list[str]) -> int:
    path = logs.write_defect(_folder(typed), error)
    place = f"It is noted in {path}; " if path else ""
    out.error(
        Internal(
            f"Clearway failed with {type(error).__name__}; this is a defect.",
            remedy=f"{place}{DEBUG_VARIABLE}=1 shows where.",
        )
    )
    return surface_of(Internal("")).exit


def _folder(typed: list[str]) -> Path:
    named = next(
        (word for before, word in pairwise(typed) if before == "--project"), os.environ.get("CLEARWAY_PROJECT")
    )
    try:
        return At(Shared(project=Path(named) if named else None)).folder()
    except (ClearwayError, OSError):
        return Path()


def _options(typed: list[str]) -> list[str]:
    return typed[: typed.index("--")] if "--" in typed else typed
