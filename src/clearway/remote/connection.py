"""HTTP to a Clearway server, with an API key: envelopes in, our own errors out.

INVARIANT: a key goes over TLS, or to this machine; never along a redirect.
"""

import ipaddress
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from clearway.model.errors import (
    SURFACES,
    ClearwayError,
    ConfigError,
    IdempotencyMismatch,
    Internal,
    Invalid,
    Limited,
    NotFound,
    Unavailable,
)
from clearway.model.identity import Principal, Scope

TIMEOUT_S = 60.0
#: HTTP status → the class of errors that shows as it; of several the most general one.
_KINDS = {surface.status: kind for kind, surface in SURFACES} | {500: Internal}
_BY_CODE: dict[str, type[ClearwayError]] = {"idempotency_mismatch": IdempotencyMismatch}


class Connection:
    """To `url`, as the holder of `key`. Close it, or use it in a `with`. Errors: `Invalid` (`server_url`)."""

    def __init__(self, url: str, key: str, *, timeout_s: float = TIMEOUT_S) -> None:
        try:
            import httpx
        except ImportError:
            raise ConfigError(
                "Speaking to a server takes the extra server.", remedy="pip install 'clearway[server]'"
            ) from None
        _check_url(url)
        self.url = url.rstrip("/")
        self._httpx = httpx
        self._client = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
            timeout=timeout_s,
            follow_redirects=False,
        )

    def close(self) -> None:
        self._client.close()

    def get(self, *path: str, headers: Mapping[str, str] | None = None, **query: Any) -> Any:
        """The data of the answer. Segments of the path are quoted here."""
        return self._ask("GET", path, headers, params={k: v for k, v in query.items() if v is not None})

    def post(self, *path: str, headers: Mapping[str, str] | None = None, **body: Any) -> Any:
        """As `get`; what is None is left out of the body."""
        given = {name: value for name, value in body.items() if value is not None}
        return self._ask("POST", path, headers, content=_encoded(given))

    def events(self, *path: str, headers: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
        """(id, event, data) of server-sent events, until the server ends them."""
        asked = {**headers, "Accept": "text/event-stream"}
        try:
            with self._client.stream("GET", _joined(path), headers=asked) as answer:
                if answer.status_code == 204:
                    return
                if answer.status_code != 200:
                    raise error_of(answer.status_code, answer.read(), answer.headers)
                yield from parse_events(answer.iter_lines())
        except self._httpx.HTTPError:
            raise _away() from None

    def _ask(self, method: str, path: tuple[str, ...], headers: Mapping[str, str] | None, **more: Any) -> Any:
        try:
            answer = self._client.request(method, _joined(path), headers=headers, **more)
        except (self._httpx.HTTPError, self._httpx.InvalidURL):
            raise _away() from None
        if answer.status_code not in (200, 201):
            raise error_of(answer.status_code, answer.content, answer.headers)
        try:
            return answer.json()["data"]
        except (ValueError, KeyError, TypeError):
            raise _no_clearway() from None


def error_of(status: int, content: bytes, headers: Mapping[str, str]) -> ClearwayError:
    """The error that a problem document says."""
    try:
        said = json.loads(content)
        code, detail, remedy = str(said["code"]), str(said["detail"]), str(said["remedy"])
    except (ValueError, KeyError, TypeError):
        return _no_clearway() if status < 500 else _away()
    kind = _BY_CODE.get(code) or _KINDS.get(status, Invalid if status < 500 else Internal)
    if kind is Limited:
        wait = headers.get("retry-after", "")
        return Limited(detail, code=code, remedy=remedy, retry_after_s=float(wait) if wait.isdigit() else None)
    if kind is ConfigError:
        kind = Invalid
    return kind(detail, code=code, remedy=remedy)


def parse_events(lines: Iterator[str]) -> Iterator[tuple[str, str, str]]:
    """Server-sent events out of their lines (WHATWG HTML §9.2.6), those with data."""
    last, name, data = "", "", list[str]()
    for line in lines:
        if not line:
            if data:
                yield last, name or "message", "\n".join(data)
            name, data = "", []
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "id":
            last = value
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)


def principal_of(me: Mapping[str, Any]) -> Principal:
    """Who `GET /v1/me` says that one is."""
    kind = me["kind"]
    person = str(me["subject"]).partition(":")[2]
    return Principal(
        kind if kind in ("user", "agent", "service") else "user",
        str(me["id"]),
        Scope(str(me["tenant"]), str(me["environment"])),
        frozenset(me["roles"]),
        frozenset(me["groups"]),
        str(me["authenticated_by"]),
        person if person != me["id"] else "",
    )


def _joined(path: tuple[str, ...]) -> str:
    segments = [quote(segment, safe="") for segment in path]
    if any(segment in ("", ".", "..") for segment in segments):
        raise NotFound("There is no such thing here.", remedy="Name it by its id.")
    return "/".join(["", *segments])


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (ValueError, TypeError):
        raise Invalid("A value has no JSON form.", code="json", remedy="Use JSON's own types.") from None


def _check_url(url: str) -> None:
    parsed = urlsplit(url)
    fits = parsed.scheme in ("http", "https") and parsed.hostname and not (parsed.username or parsed.password)
    if not fits or parsed.query or parsed.fragment:
        raise Invalid(
            "This is not the URL of a server.", code="server_url", remedy="Write https://clearway.example.com."
        )
    if parsed.scheme == "http" and not _is_here(parsed.hostname or ""):
        raise Invalid("A key is not sent without TLS, but to this machine.", code="server_url", remedy="Use https://.")


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _away() -> Unavailable:
    return Unavailable(
        "The server does not answer.", code="server_away", remedy="Look whether it runs, and at --server."
    )


def _no_clearway() -> Internal:
    return Internal("What answers there is no Clearway server.", code="no_server", remedy="Look at --server.")
