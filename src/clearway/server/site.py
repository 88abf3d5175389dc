"""What one server process shares between its requests."""

import secrets
import threading
from dataclasses import dataclass, field

from starlette.requests import Request

from clearway.app import Clearway
from clearway.model.tool import RateLimit
from clearway.operate.sessions import Sessions
from clearway.server.feed import Feed
from clearway.server.rights import Routes
from clearway.server.throttle import FAILURES, Buckets, SharedBuckets


@dataclass(frozen=True, slots=True)
class Options:
    """How the server stands in the network.

    `hosts`: values of the Host header that it answers to. `origin`: how browsers reach it, without a path. `local`:
    it listens on this machine only, so that the start token signs somebody in, in environment dev.
    `threads`: for operations; `most_at_once`: requests in work, further ones get 503; `most_streams`: event streams.
    """

    hosts: frozenset[str]
    origin: str
    local: bool = True
    threads: int = 16
    most_at_once: int = 256
    most_streams: int = 2_000
    most_streams_each: int = 200
    max_body_bytes: int = 1_048_576
    body_timeout_s: float = 30.0
    stream_for_s: float = 900.0
    beat_s: float = 15.0


class StartToken:
    """A random token a start, exchanged once. INVARIANT: only a server on this machine has one."""

    def __init__(self) -> None:
        self.text = secrets.token_urlsafe(32)
        self._lock, self._used = threading.Lock(), False

    def fits(self, text: str) -> bool:
        """Whether it is this token, not used yet; it is not used by asking."""
        fits = secrets.compare_digest(text.encode("utf-8", "surrogatepass"), self.text.encode())
        return fits and not self._used

    def take(self, text: str) -> bool:
        """Whether it is this token, for the first time."""
        with self._lock:
            taken = self.fits(text)
            self._used = self._used or taken
            return taken


@dataclass(frozen=True, slots=True)
class Site:
    """One a process. `request.app.state.site`; in an endpoint, `site_of(request)`."""

    app: Clearway
    options: Options
    sessions: Sessions
    feed: Feed
    requests: SharedBuckets
    routes: Routes
    failures: Buckets = field(default_factory=lambda: Buckets(FAILURES))
    token: StartToken | None = None
    closing: threading.Event = field(default_factory=threading.Event)
    works: threading.Event = field(default_factory=threading.Event)


def make_site(app: Clearway, options: Options, routes: Routes, *, rate: RateLimit | None = None) -> Site:
    """The shared things of a server on `app`."""
    return Site(
        app,
        options,
        Sessions(app.store, app.directory),
        Feed(app.store),
        SharedBuckets(rate or app.project.settings.server.rate, app.store),
        routes,
        token=StartToken() if options.local else None,
    )


def site_of(request: Request) -> Site:
    """The site that answers this request."""
    site: Site = request.app.state.site
    return site
