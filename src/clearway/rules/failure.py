"""Tells what an exception of a tool means: not sent, later, rejected, or in doubt (approvals-idempotency-audit.md §3).

Clients are recognised by the names of their exception classes, so that none has to be installed.
"""

import re
import socket
import ssl
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, cast

from clearway.model.signals import InDoubt, NotSent, Rejected, ToolSignal, TryLater
from clearway.model.tool import Retry

#: Nothing can have been sent when these are raised.
UNSENT_NAMES = frozenset(
    {
        "httpx.ConnectError",
        "httpx.ConnectTimeout",
        "httpx.PoolTimeout",
        "httpx.UnsupportedProtocol",
        "httpx.InvalidURL",
        "httpx2.ConnectError",
        "httpx2.ConnectTimeout",
        "httpx2.PoolTimeout",
        "httpcore.ConnectError",
        "httpcore.ConnectTimeout",
        "requests.exceptions.ConnectTimeout",
        "urllib3.exceptions.NewConnectionError",
        "urllib3.exceptions.ConnectTimeoutError",
        "aiohttp.client_exceptions.ClientConnectorError",
        "smtplib.SMTPConnectError",
        "smtplib.SMTPHeloError",
        "smtplib.SMTPAuthenticationError",
    }
)
UNSENT_TYPES = (ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError)
LONGEST_NAME = 80
LONGEST_RETRY_AFTER_S = 3600.0
#: Client errors after which the other side may have gone on: it gave up waiting for us, or we for it.
UNCLEAR_STATUSES = frozenset({408, 499})
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


class Meaning(StrEnum):
    NOT_SENT = "not_sent"
    LATER = "later"
    REJECTED = "rejected"
    IN_DOUBT = "in_doubt"


#: What a tool says by raising it. Any other signal of its own is in doubt.
SIGNALS: dict[type[ToolSignal], Meaning] = {
    NotSent: Meaning.NOT_SENT,
    TryLater: Meaning.LATER,
    Rejected: Meaning.REJECTED,
    InDoubt: Meaning.IN_DOUBT,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """`code` is stable and holds no value of anybody's: `http_500`, `timeout`, or an exception's class name."""

    meaning: Meaning
    code: str
    retry_after_s: float | None = None


def read_failure(error: BaseException, retry: Retry, *, now: float) -> Failure:
    """What `error`, raised by a tool, means for whether the effect happened. `now`: epoch seconds, for HTTP dates."""
    if isinstance(error, ToolSignal):
        meaning = next((meaning for kind, meaning in SIGNALS.items() if isinstance(error, kind)), Meaning.IN_DOUBT)
        return Failure(meaning, _code(error), _bounded(error.retry_after_s) if isinstance(error, TryLater) else None)
    if isinstance(error, TimeoutError):
        return Failure(Meaning.IN_DOUBT, "timeout")
    if retry.transient and isinstance(error, retry.transient):
        return Failure(Meaning.NOT_SENT, type_name(error))
    if isinstance(error, UNSENT_TYPES) or _names(error) & UNSENT_NAMES:
        return Failure(Meaning.NOT_SENT, type_name(error))
    status, headers = _http_status(error)
    if status is not None:
        return _read_status(status, headers, retry, now)
    smtp = _smtp_code(error)
    if smtp is not None:
        return Failure(Meaning.LATER if 400 <= smtp < 500 else Meaning.REJECTED, f"smtp_{smtp}")
    if "Timeout" in type(error).__name__:
        return Failure(Meaning.IN_DOUBT, "timeout")
    return Failure(Meaning.IN_DOUBT, type_name(error))


def _read_status(status: int, headers: Any, retry: Retry, now: float) -> Failure:
    code = f"http_{status}"
    if status == 429 or (status == 503 and retry.unavailable_is_unsent):
        return Failure(Meaning.LATER, code, _retry_after(headers, now))
    if 400 <= status < 500 and status not in UNCLEAR_STATUSES:
        return Failure(Meaning.REJECTED, code)
    return Failure(Meaning.IN_DOUBT, code, _retry_after(headers, now))


def _smtp_code(error: BaseException) -> int | None:
    """The server's refusal. Where each recipient has one of its own, the most hopeful."""
    code = getattr(error, "smtp_code", None)
    if isinstance(code, int):
        return code
    refused = getattr(error, "recipients", None)
    if type(error).__name__ != "SMTPRecipientsRefused" or not isinstance(refused, dict):
        return None
    answers = cast("dict[str, tuple[int, bytes]]", refused).values()
    return min((int(answer[0]) for answer in answers), default=None)


def _http_status(error: BaseException) -> tuple[int | None, Any]:
    response = getattr(error, "response", None)
    for holder, names in ((response, ("status_code", "status")), (error, ("code", "status"))):
        for name in names:
            found = getattr(holder, name, None)
            if isinstance(found, int) and 100 <= found < 600:
                return found, getattr(holder, "headers", None)
    return None, None


def _retry_after(headers: Any, now: float) -> float | None:
    try:
        text = str(headers.get("retry-after") or headers.get("Retry-After") or "").strip()
    except AttributeError:
        return None
    if not text:
        return None
    try:
        seconds = float(text) if text.replace(".", "", 1).isdigit() else parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError):
        return None
    return _bounded(seconds)


def _bounded(seconds: float | None) -> float | None:
    """A pause that a tool or its other side asked for, as one that can be kept; None where it makes no sense."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds != seconds:
        return None
    return min(max(float(seconds), 0.0), LONGEST_RETRY_AFTER_S)


def _code(error: ToolSignal) -> str:
    """The signal's code, where it is one: whatever else a tool put there may hold anybody's data."""
    code = str(error.code)
    return code if _CODE.fullmatch(code) else type_name(error)


def type_name(error: BaseException) -> str:
    """The name of its class, to be recorded; classes made on the fly may have anything for a name."""
    name = type(error).__name__
    return name if name.isidentifier() and len(name) <= LONGEST_NAME else "Exception"


def _names(error: BaseException) -> set[str]:
    names = {f"{kind.__module__}.{kind.__name__}" for kind in type(error).__mro__}
    return names | {name.split("._")[0] + "." + name.rsplit(".", 1)[1] for name in names}
