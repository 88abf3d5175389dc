"""DSSE envelopes (https://github.com/secure-systems-lab/dsse, v1.0.2) over statements about releases.

Signing and checking a signature are the caller's; this module is pure.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any

from clearway.model.errors import Invalid
from clearway.rules.canonical import canonical, parse_json

PAYLOAD_TYPE = "application/vnd.clearway.release-signature+json"


def encode(payload_type: str, payload: bytes) -> bytes:
    """PAE, the pre-authentication encoding: what is signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def envelope(statement: dict[str, Any], sign: Callable[[bytes], tuple[str, bytes]]) -> dict[str, Any]:
    """A signed statement. `sign` gives (key id, signature) over what it is handed."""
    payload = canonical(statement)
    key_id, signature = sign(encode(PAYLOAD_TYPE, payload))
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": key_id, "sig": base64.b64encode(signature).decode()}],
    }


def opened(found: Any, verify: Callable[[str, bytes, bytes], bool]) -> dict[str, Any]:
    """The statement of an envelope with one signature that `verify(key id, message, signature)` accepts.

    Errors: `Invalid` (`signature`)."""
    try:
        payload = base64.b64decode(found["payload"], validate=True)
        (signature,) = found["signatures"]
        raw = base64.b64decode(signature["sig"], validate=True)
        key_id, kind = str(signature["keyid"]), found["payloadType"]
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise _refused("it is no DSSE envelope with one signature") from None
    if kind != PAYLOAD_TYPE or not verify(key_id, encode(PAYLOAD_TYPE, payload), raw):
        raise _refused("the signature does not fit, or its key is not known here")
    statement = parse_json(payload, what="The statement")
    if not isinstance(statement, dict):
        raise _refused("its statement is no object")
    return statement


def _refused(why: str) -> Invalid:
    return Invalid(f"The signature is refused: {why}.", code="signature", remedy="Sign the release again.")
