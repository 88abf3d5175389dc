"""`clearway serve`: the API and the console over HTTP, until it is told to stop."""

import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearway.cli.command import command
from clearway.cli.context import At
from clearway.cli.worker import stop_signal, write_when_ready
from clearway.model.errors import ClearwayError, ConfigError

if TYPE_CHECKING:
    from clearway.app import Clearway


def declare(root: typer.Typer) -> None:
    command(root, "serve")(serve)


def serve(
    at: At,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where it listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Where it listens.")] = 8080,
    certificate: Annotated[
        Path | None, typer.Option("--cert", metavar="FILE", help="TLS: the certificate and its chain, PEM.")
    ] = None,
    private_key: Annotated[
        Path | None, typer.Option("--key-file", metavar="FILE", help="TLS: the private key, PEM.")
    ] = None,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Carry no runs out in this process.")] = False,
    drain: Annotated[
        float, typer.Option("--drain", min=0, metavar="SECONDS", help="How long what is under way may take at the end.")
    ] = 10.0,
    ready_file: Annotated[
        Path | None, typer.Option("--ready-file", metavar="FILE", help="Written once it serves; removed when it stops.")
    ] = None,
) -> None:
    """Serve the API and the console, and carry runs out, until SIGINT or SIGTERM.

    On this machine only, unless TLS (or a declared proxy) and authentication are there. On this machine it prints a
    link that signs you in once, in environment dev.
    """
    at.check_local()
    try:
        from clearway.server import app as factory
        from clearway.server import binding as place
        from clearway.server import serving
    except ImportError:
        raise ConfigError("Serving takes the extra server.", remedy="pip install 'clearway[server]'") from None
    binding = place.Binding(host, port, certificate, private_key)
    with stop_signal() as stopped, write_when_ready(ready_file) as say_ready, at.open(make=True) as app:
        place.check(binding, app)
        options = place.options_of(binding, app)
        served = factory.make_app(app, options)

        def ready(_: int) -> None:
            say_ready()
            at.out.hint(f"ready: {options.origin}, project {app.project.settings.name}, process {os.getpid()}")
            app.broken_policies.tell()
            if served.site.token is not None:
                at.out.hint(f"sign in, once: {options.origin}/sign-in#token={served.site.token.text}")

        threading.Thread(target=_prepare, args=(app,), name="clearway-prepares-routes", daemon=True).start()
        with serving.working(served, drain_s=drain, wanted=not no_worker):
            serving.serve(served, binding, stopped=stopped.is_set, ready=ready, drain_s=drain)
            at.out.hint(f"stopping ({stopped.name}); up to {drain:g} s for what is under way")
    at.out.emit("server", {"stopped_by": stopped.name}, lambda: None)


def _prepare(app: "Clearway") -> None:
    """Beside the requests: those that name a skill have nothing to wait for."""
    try:
        app.prepare_routes()
    except Exception as error:  # the first request will say so, and try again
        why = error.code if isinstance(error, ClearwayError) else type(error).__name__
        logging.getLogger("clearway.server").warning("server: the routers are not prepared (%s)", why)
