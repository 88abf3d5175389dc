"""Signed webhooks, as of Standard Webhooks (https://www.standardwebhooks.com): for those who receive Clearway's.

    from clearway.rules.webhooks import verify

    notice = verify(secret, request.headers, body)        # raises Unauthenticated: answer 401

A signature covers id, time and body. What is older than five minutes is refused; the id is the same at each attempt, so
whoever keeps the ids of five minutes handles each notice once.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping

from clearway.model.errors import Unauthenticated
from clearway.rules.canonical import Json, parse_json

TOLERANCE_S = 300
PREFIX = "whsec_"


def sign(secret: str, message_id: str, at: int, body: bytes) -> dict[str, str]:
    """The headers of a signed webhook. `secret`: `whsec_` + base64, or any text. `at`: seconds since the epoch."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{_signature(secret, message_id, str(at), body)}",
    }


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, now: float | None = None) -> Json:
    """The webhook's JSON value. Errors: `Unauthenticated` (`webhook`): forged, changed, or older than five minutes."""
    given = {name.lower(): value for name, value in headers.items()}
    message_id, at = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not (at.isascii() and at.isdigit() and len(at) <= 12):
        raise _refused("it has no time")
    expected = _signature(secret, message_id, at, body).encode()
    # Several signatures, while a secret is being changed: one that fits will do, each compared in constant time.
    found = [text[3:].encode() for text in given.get("webhook-signature", "").split(" ") if text.startswith("v1,")]
    if not any([hmac.compare_digest(expected, each) for each in found[:8]]):
        raise _refused("the signature does not fit")
    if abs((time.time() if now is None else now) - int(at)) > TOLERANCE_S:
        raise _refused("it is older than five minutes")
    return parse_json(body, what="The webhook")


def _signature(secret: str, message_id: str, at: str, body: bytes) -> str:
    signed = b".".join((message_id.encode("utf-8", "surrogatepass"), at.encode(), body))
    return base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


def _refused(why: str) -> Unauthenticated:
    return Unauthenticated(f"The webhook is refused: {why}.", code="webhook", remedy="Nothing was done with it.")
