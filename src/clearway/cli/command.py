"""How a command is declared: `@command(group, "list")` gives it the common options and its place in the tree."""

import inspect
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from clearway.cli.context import At, Shared

#: What the exit codes mean. INVARIANT: the same as in docs/reference/cli.md.
EXIT_CODES = {
    0: "done",
    1: "a check found something, or it was decided otherwise meanwhile",
    2: "usage",
    3: "denied",
    4: "waiting for approval, or still under way",
    5: "failed",
    6: "outcome unknown",
    7: "audit verify: incomplete",
}
EPILOG = "Exit codes: " + " · ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())

#: Status of a run → exit code. What is still under way has 4: it is not done.
RUN_EXITS = {"done": 0, "refused": 3, "failed": 5, "cancelled": 5, "unknown": 6}
STILL_GOING = 4

_PANEL = "Common options"


def _option(*names: str, help: str, envvar: str | None = None, metavar: str | None = None) -> Any:
    return typer.Option(*names, help=help, envvar=envvar, metavar=metavar, rich_help_panel=_PANEL, show_default=False)


_SHARED: tuple[tuple[str, Any, Any], ...] = (
    (
        "project",
        Annotated[
            Path | None,
            _option(
                "--project",
                envvar="CLEARWAY_PROJECT",
                metavar="DIR",
                help="The project's folder; else this one or the nearest above it.",
            ),
        ],
        None,
    ),
    (
        "store",
        Annotated[
            str | None,
            _option(
                "--store",
                envvar="CLEARWAY_STORE_URL",
                metavar="URL",
                help="sqlite:///… or postgresql://…; else as clearway.toml says.",
            ),
        ],
        None,
    ),
    (
        "server",
        Annotated[
            str | None,
            _option(
                "--server",
                envvar="CLEARWAY_SERVER",
                metavar="URL",
                help="Work on this server, with the API key in CLEARWAY_KEY.",
            ),
        ],
        None,
    ),
    (
        "user",
        Annotated[
            str | None,
            _option("--as", metavar="USER", help="Act as this declared user, or service:NAME; environment dev only."),
        ],
        None,
    ),
    ("role", Annotated[str | None, _option("--role", metavar="ROLE", help="Act in this one of the roles only.")], None),
    (
        "tenant",
        Annotated[str | None, _option("--tenant", metavar="TENANT", help="Else that of the user or key.")],
        None,
    ),
    (
        "environment",
        Annotated[
            str | None, _option("--env", envvar="CLEARWAY_ENV", metavar="ENV", help="Else that of the key, or dev.")
        ],
        None,
    ),
    ("as_json", Annotated[bool, _option("--json", help="Print one JSON document.")], False),
)
_SHARED_PARAMETERS = [
    inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
    for name, annotation, default in _SHARED
]


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"clearway {version('clearway')}")
        raise typer.Exit


_VERSION = inspect.Parameter(
    "version",
    inspect.Parameter.KEYWORD_ONLY,
    annotation=Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version, and end.")
    ],
    default=False,
)
_CONTEXT = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)


def command(
    group: typer.Typer, name: str, **settings: Any
) -> Callable[[Callable[..., int | None]], Callable[..., int | None]]:
    """Declares a command: a function of `At` and its own options, that returns its exit code, None being 0."""

    def register(function: Callable[..., int | None]) -> Callable[..., int | None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

        def invoke(context: typer.Context, **values: Any) -> None:
            shared = {name: values.pop(name) for name, _, _ in _SHARED}
            before = context.find_root().obj
            if isinstance(before, Shared):  # it has read the environment variables
                typed = {name: value for name, value in shared.items() if _is_typed(context, name)}
                at = At(before.with_given(typed))
            else:
                at = At(Shared(**shared))
            code = function(at, **values) or 0
            at.end()
            raise typer.Exit(code)

        _describe(invoke, [*own, *_SHARED_PARAMETERS], function.__doc__)
        group.command(name, epilog=EPILOG, **settings)(invoke)
        return function

    return register


def root(group: typer.Typer) -> None:
    """Lets the common options stand before the command's name too, and `--version`."""

    def keep(context: typer.Context, version: bool, **values: Any) -> None:
        context.obj = Shared(**values)

    _describe(keep, [_VERSION, *_SHARED_PARAMETERS], group.info.help)
    group.callback()(keep)


def group_of(parent: typer.Typer, name: str, help: str) -> typer.Typer:
    """A new group of commands."""
    group = typer.Typer(no_args_is_help=True, help=help, rich_markup_mode=None)
    parent.add_typer(group, name=name, epilog=EPILOG)
    return group


def _is_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _describe(function: Any, parameters: list[inspect.Parameter], doc: str | None) -> None:
    every = [_CONTEXT, *(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters)]
    function.__signature__ = inspect.Signature(every)
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in every}
    function.__doc__ = doc
