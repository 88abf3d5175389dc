"""The hash chain of audit events: pure functions over headers and payloads (approvals-idempotency-audit §5).

::

    commitment = SHA-256(salt ‖ JCS(payload))            16 random bytes of salt, erasable with the payload
    leaf       = SHA-256(0x00 ‖ JCS(header))             also the leaf of the Merkle tree of checkpoints
    hash       = SHA-256(0x01 ‖ hash before ‖ leaf)      the first one's predecessor is `GENESIS`

A header is `{tenant, environment, seq, at, kind, run_id, step_id, commitment}`; all hashes are written as hex.
INVARIANT: the chain covers no payload, only its salted commitment, so that erasing a payload leaves it whole.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from clearway.model.errors import Invalid
from clearway.model.event import RecordedEvent
from clearway.model.identity import Scope
from clearway.rules.canonical import canonical, not_unicode

#: What the first event of every chain links to.
GENESIS = hashlib.sha256(b"clearway/audit/v1").hexdigest()

SALT_BYTES = 16

#: Of a value that has only strings, integers and null under ASCII names, this is RFC 8785's form, in a quarter of
#: the time; headers are such values. (A property test compares the two.)
_write_header = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode


def rfc3339(at: float) -> str:
    """Seconds since the epoch as UTC with microseconds, ending in `Z`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def header(scope: Scope, event: RecordedEvent) -> dict[str, Any]:
    """The part of `event` that its leaf covers."""
    return {
        "tenant": scope.tenant,
        "environment": scope.environment,
        "seq": event.seq,
        "at": event.at,
        "kind": event.kind,
        "run_id": event.run_id,
        "step_id": event.step_id,
        "commitment": event.commitment,
    }


def leaf(header: Mapping[str, str | int | None]) -> bytes:
    """Errors: `Invalid` (`not_canonical`) where a text is not Unicode."""
    try:
        return hashlib.sha256(b"\0" + _write_header(header).encode()).digest()
    except UnicodeEncodeError:
        raise not_unicode() from None


def link(previous: bytes, leaf: bytes) -> bytes:
    """The hash of the event with `leaf`, behind the one with hash `previous`."""
    return hashlib.sha256(b"\1" + previous + leaf).digest()


def commitment(salt: bytes, payload: Mapping[str, Any]) -> bytes:
    """Errors: `Invalid` (`not_canonical`)."""
    return commitment_of(salt, canonical(dict(payload)))


def commitment_of(salt: bytes, payload: bytes) -> bytes:
    """The same of a payload that is canonical JSON already."""
    return hashlib.sha256(salt + payload).digest()


def verify(
    events: Iterable[RecordedEvent],
    scope: Scope,
    *,
    start_hash: str = GENESIS,
    start_seq: int = 0,
    head: tuple[int, str] | None = None,
) -> int | None:
    """The sequence number of the first event of `scope` that is missing, added, moved or changed; None if intact.

    `events` come in the order of their numbers and follow number `start_seq`, whose hash is `start_hash`. With `head`
    (number, hash) the chain has to end there. A payload that is there has to fit its commitment; an erased one
    has neither payload nor salt.
    """
    seq, previous = start_seq, start_hash
    for event in events:
        if event.seq != seq + 1 or event.hash != _hash(event, scope, previous) or not _payload_fits(event):
            return seq + 1
        seq, previous = event.seq, event.hash
    if head is None or head == (seq, previous):
        return None
    return seq if head[0] == seq and seq > 0 else min(head[0], seq) + 1


def _hash(event: RecordedEvent, scope: Scope, previous: str) -> str | None:
    try:
        return link(bytes.fromhex(previous), leaf(header(scope, event))).hex()
    except (Invalid, ValueError):  # a hash to start from that is none
        return None


def _payload_fits(event: RecordedEvent) -> bool:
    if event.payload is None or event.salt is None:
        return event.payload is None and event.salt is None
    try:
        salt = bytes.fromhex(event.salt)
        found = commitment(salt, event.payload).hex()
    except (ValueError, Invalid):
        return False
    # Hex can be written in several ways; ours is one, so that no byte can change unnoticed.
    return len(salt) == SALT_BYTES and salt.hex() == event.salt and found == event.commitment
