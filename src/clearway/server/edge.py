"""What every request passes before any of our code sees it: host, size, form, origin; and what every answer carries.

A plain ASGI application around another one. It reads no store.
"""

import asyncio
import re
import secrets
from collections.abc import Iterable
from urllib.parse import urlsplit

from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clearway.model.errors import ClearwayError, Denied, Malformed, TooLarge, Unavailable, Unsupported
from clearway.rules.scrub import NET
from clearway.server.problems import ErrorPage, answer, unexpected
from clearway.server.site import Options

HEADERS = (
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
_SAFE = frozenset({"GET", "HEAD"})
_ID = re.compile(r"[\x21-\x7e]{1,200}")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


class Edge:
    """`app` behind its edge. `options`: how the server stands in the network; `page`: how an error looks."""

    def __init__(self, app: ASGIApp, options: Options, page: ErrorPage | None = None) -> None:
        self._app, self._options, self.page = app, options, page
        self._at_once = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await _Passage(self, self._app, self._options, scope).answer(receive, send)
        # Nothing here speaks WebSocket: the server answers such a request with 403.

    def enter(self) -> None:
        """Errors: `Unavailable` (`busy`)."""
        if self._at_once >= self._options.most_at_once:
            raise Unavailable("The server is busy.", code="busy", remedy="Try again.")
        self._at_once += 1

    def leave(self) -> None:
        self._at_once -= 1


class _Passage:
    """One request on its way through."""

    def __init__(self, edge: Edge, app: ASGIApp, options: Options, scope: Scope) -> None:
        self._edge, self._app, self._options, self._scope = edge, app, options, scope
        self._headers = Headers(scope=scope)
        given = self._headers.get("x-request-id", "")
        taken = _ID.fullmatch(given) and NET.text(given) == given  # it is logged, and shown in answers
        self._request_id = given if taken else f"req_{secrets.token_hex(10)}"
        self._trace_id, parent, self._flags = _parsed_trace(self._headers.get("traceparent", ""))
        self._span_id = secrets.token_hex(8)
        self._parent = parent or self._span_id
        self._started = self._counted = False

    async def answer(self, receive: Receive, send: Send) -> None:
        state = self._scope.setdefault("state", {})
        state["request_id"] = self._request_id
        token = context.attach(self._trace())
        try:
            check(self._scope["method"], self._headers, self._options)
            self._edge.enter()
            self._counted = True
            try:
                await self._app(self._scope, self._bounded(receive), self._marked(send))
            finally:
                self._leave()
        except ClearwayError as error:
            await self._say(answer(HTTPConnection(self._scope), error, self._edge.page), receive, send)
        except Exception as error:
            # What the app has answered already, it has logged already; the framework raises it again.
            if not self._started:
                await self._say(unexpected(HTTPConnection(self._scope), error), receive, send)
        finally:
            context.detach(token)

    def _leave(self) -> None:
        if self._counted:
            self._counted = False
            self._edge.leave()

    async def _say(self, answer: ASGIApp, receive: Receive, send: Send) -> None:
        if not self._started:  # else the answer is cut off, which is all that can still be done
            await answer(self._scope, receive, self._marked(send))

    def _bounded(self, receive: Receive) -> Receive:
        """The body, up to its cap and within its time: a sender that drips keeps nothing of ours."""
        size = 0
        begun = asyncio.get_running_loop().time()
        ended = self._scope["method"] in _SAFE

        async def bounded() -> Message:
            nonlocal size, ended
            if ended:  # waits for the caller's going away, which takes as long as it takes
                return await receive()
            left = self._options.body_timeout_s - (asyncio.get_running_loop().time() - begun)
            try:
                message = await asyncio.wait_for(receive(), max(0.001, left))
            except TimeoutError:
                raise Malformed("The body did not come in time.", code="slow_body", remedy="Send it again.") from None
            size += len(message.get("body", b""))
            if size > self._options.max_body_bytes:
                raise _too_large(self._options)
            ended = not message.get("more_body", False)
            return message

        return bounded

    def _marked(self, send: Send) -> Send:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._started = True
                if (b"content-type", b"text/event-stream; charset=utf-8") in message.get("headers", ()):
                    self._leave()  # streams last; they are counted by themselves (`streams.Places`)
                message["headers"] = [*_unmarked(message.get("headers", ())), *self._marks()]
            await send(message)

        return marked

    def _marks(self) -> Iterable[tuple[bytes, bytes]]:
        yield from HEADERS
        yield b"x-request-id", self._request_id.encode()
        yield b"traceparent", f"00-{self._trace_id}-{self._span_id}-{self._flags}".encode()
        if self._options.origin.startswith("https:"):
            yield b"strict-transport-security", b"max-age=31536000"
        if self._scope["path"].startswith("/v1/"):
            yield b"cache-control", b"no-store"

    def _trace(self) -> context.Context:
        """So that spans which are made on the way belong to the caller's trace."""
        flags = TraceFlags(int(self._flags, 16))
        parent = SpanContext(int(self._trace_id, 16), int(self._parent, 16), is_remote=True, trace_flags=flags)
        return trace.set_span_in_context(NonRecordingSpan(parent))


def check(method: str, headers: Headers, options: Options) -> None:
    """Errors: `Malformed` (`host`), `Unsupported`, `TooLarge`, `Denied` (`csrf`, `content_type`)."""
    hosts = headers.getlist("host")
    if len(hosts) != 1 or hosts[0].lower() not in options.hosts:
        raise Malformed("This server has another name.", code="host", remedy="Name it in [server] hosts.")
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Unsupported("A compressed body is not taken.", code="content_encoding", remedy="Send it as it is.")
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or int(length) > options.max_body_bytes:
        raise _too_large(options)
    if method not in _SAFE:
        _check_origin(headers, options)


def _check_origin(headers: Headers, options: Options) -> None:
    """Against requests that another site makes a browser send (threat 24)."""
    form = headers.get("content-type", "").partition(";")[0].strip().lower()
    if form != "application/json":
        raise Denied(
            "What changes something is sent as JSON.",
            code="content_type",
            remedy="Send Content-Type: application/json, with {} where there is nothing to say.",
        )
    if headers.get("authorization") and not headers.get("cookie"):
        return  # no browser adds a key by itself
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    own = origin is not None and _same(origin, headers["host"], options)
    if not (site == "same-origin" and (origin is None or own)) and not (site is None and own):
        raise Denied("The request comes from another site.", code="csrf", remedy="Send it from the server's own pages.")


def _same(origin: str, host: str, options: Options) -> bool:
    parsed = urlsplit(origin)
    return parsed.netloc.lower() == host.lower() and parsed.scheme == urlsplit(options.origin).scheme


def _unmarked(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    ours = {name for name, _ in HEADERS}
    return [(name, value) for name, value in headers if name.lower() not in ours]


def _parsed_trace(text: str) -> tuple[str, str | None, str]:
    """(trace id, the caller's span id, flags) of a `traceparent` (W3C Trace Context); a new trace without one."""
    match = _TRACEPARENT.fullmatch(text.strip())
    if match is None or (text.startswith("00-") and len(text.strip()) != 55):
        return secrets.token_hex(16), None, "00"
    return match[1], match[2], match[3]


def _too_large(options: Options) -> TooLarge:
    return TooLarge(f"The body is over {options.max_body_bytes} bytes.", remedy="Send less.")
