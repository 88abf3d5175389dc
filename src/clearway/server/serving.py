"""Runs a server until it is told to stop, carries runs out beside it, and ends both in order.

Told to stop, it says at `/readyz` that it is closing, ends the event streams (their readers come again elsewhere, with
Last-Event-ID), answers what it has begun, and then lets the passes under way finish; what they cannot finish within
the time, another worker recovers.
"""

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import uvicorn

from clearway.app import Clearway
from clearway.model.errors import ClearwayError, Conflict
from clearway.server.app import Served
from clearway.server.binding import Binding

#: How often it is looked whether another process has stopped carrying this SQLite store's runs out.
LOOK_S = 0.5
#: The head of a request, in bytes.
MOST_HEAD_BYTES = 32_768
_IDLE_CONNECTION_S = 15


class Server(uvicorn.Server):
    """`stopped()` is asked ten times a second; `ready(port)` is called once it listens."""

    def __init__(
        self, config: uvicorn.Config, served: Served, stopped: Callable[[], bool], ready: Callable[[int], None]
    ) -> None:
        super().__init__(config)
        self._served, self._stopped, self._ready = served, stopped, ready

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals are the caller's."""
        yield

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready(self.servers[0].sockets[0].getsockname()[1])

    async def on_tick(self, counter: int) -> bool:
        if self._stopped() and not self.should_exit:
            self._served.site.closing.set()
            self._served.site.feed.close()
            self.should_exit = True
        return await super().on_tick(counter)


def serve(
    served: Served,
    binding: Binding,
    *,
    stopped: Callable[[], bool],
    ready: Callable[[int], None] = lambda _: None,
    drain_s: float = 10.0,
) -> None:
    """Listens until `stopped()`. Errors: `Conflict` (`address`) where the place is taken."""
    settings = served.site.app.project.settings.server
    config = uvicorn.Config(
        served.asgi,
        host=binding.host,
        port=binding.port,
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=list(settings.proxies),
        timeout_keep_alive=_IDLE_CONNECTION_S,
        timeout_graceful_shutdown=max(1, round(drain_s)),
        h11_max_incomplete_event_size=MOST_HEAD_BYTES,
        ssl_certfile=binding.certificate,
        ssl_keyfile=binding.private_key,
    )
    server = Server(config, served, stopped, ready)
    try:
        asyncio.run(server.serve())
    except SystemExit:  # as uvicorn ends where it cannot listen
        raise Conflict(
            "The server cannot listen there.", code="address", remedy="Is another one running? Choose another --port."
        ) from None


@contextmanager
def working(served: Served, *, drain_s: float = 10.0, wanted: bool = True) -> Generator[None]:
    """Carries runs out meanwhile; where another process does, as soon as it has ended."""
    stop = threading.Event()
    site = served.site
    thread = threading.Thread(target=_work, args=(site.app, stop, site.works), name="clearway-takes-over", daemon=True)
    if wanted:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if wanted:
            thread.join()
        if site.works.is_set():
            site.app.stop(drain_s)


def _work(app: Clearway, stop: threading.Event, works: threading.Event) -> None:
    while not stop.is_set():
        try:
            app.serve()
        except ClearwayError:  # another process does (`served`), or the store is away: it is tried again
            stop.wait(LOOK_S)
        else:
            works.set()
            return
