"""The audit log for auditors: checkpoints, verification, export, proofs (approvals-idempotency-audit.md §5)."""

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearway.adapters.keyring import Keyring
from clearway.adapters.sealer import KeyringSealer
from clearway.model.errors import Invalid, NotFound
from clearway.model.event import RecordedEvent
from clearway.model.identity import Scope
from clearway.ports import Sealer, Store, Tx
from clearway.rules import chain, merkle
from clearway.rules.checkpoint import Checkpoint, key_hash, parse, sign, verify

SIGNER = "clearway"
CHECKPOINT_EVERY_S = 60.0
CHECKPOINT_EVERY_EVENTS = 1000
_PAGE = 5000
_UNSIGNED = "a checkpoint does not bear a valid signature of a known key"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`status`: `intact`, `tampered` (`first_bad_seq` names where, where it is known) or `incomplete`."""

    status: str
    events: int
    why: str
    first_bad_seq: int | None = None
    head: str = ""
    checkpoint_size: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "events": self.events,
            "why": self.why,
            "first_bad_seq": self.first_bad_seq,
            "head": self.head,
            "checkpoint_size": self.checkpoint_size,
        }


@dataclass(frozen=True, slots=True)
class AuditLog:
    """Reads and checkpoints the chains. One a process."""

    store: Store
    sealer: Sealer

    def checkpoint(self, scope: Scope, *, force: bool = False) -> str | None:
        """Signs the chain as it stands, where 60 s or 1,000 events have passed since the last time, or `force`.

        Returns the signed note, or None where nothing was due."""

        def work(tx: Tx) -> str | None:
            last = tx.audit.last_checkpoint()
            size = last[0] if last else 0
            events, _ = tx.audit.head()
            overdue = last is None or tx.now - last[3] >= CHECKPOINT_EVERY_S
            due = events > size and (overdue or events - size >= CHECKPOINT_EVERY_EVENTS)
            if not due and not (force and events > size):
                return last[1] if force and last else None
            nodes = tuple(map(bytes.fromhex, last[2])) if last else ()
            grown = merkle.Frontier(size, nodes).extended(
                chain.leaf(chain.header(scope, event)) for event in _walk(tx, after=size)
            )
            note = self._note(scope, grown.size, grown.root())
            tx.audit.add_checkpoint(grown.size, note, [node.hex() for node in grown.nodes], tx.now)
            return note

        return self.store.write(scope, work)

    def verify(self, scope: Scope, *, checkpoint: str | None = None, public_key: bytes | None = None) -> Verdict:
        """Checks the chain whole, then every stored checkpoint, then the one that was kept elsewhere.

        `public_key`: 32 raw bytes; without it the keyring's own keys are used."""
        events, head, stored = self.store.read(
            scope, lambda tx: (list(_walk(tx)), tx.audit.head(), [note for _, note, _ in tx.audit.checkpoints()])
        )
        return _check(self.sealer, events, scope, head=head, stored=stored, kept=checkpoint, public_key=public_key)

    def export(self, scope: Scope) -> tuple[Iterator[str], str, str, bytes]:
        """(JSONL lines, signed checkpoint, key id, public key): all that somebody else needs to verify it."""
        self.checkpoint(scope, force=True)
        events, last = self.store.read(scope, lambda tx: (list(_walk(tx)), tx.audit.last_checkpoint()))
        if last is None:
            raise NotFound(
                "There is nothing to export here: no event was recorded.", remedy="Check tenant and environment."
            )
        key_id, public = self._signer()
        return (_line(scope, event) for event in events), last[1], key_id, public

    def page(self, scope: Scope, *, after: int, limit: int) -> dict[str, Any]:
        """`limit` lines of the export behind event `after`. With the last of them comes the checkpoint, which covers
        no event that is not exported. Errors: `NotFound` where there is nothing."""
        if after == 0:
            self.checkpoint(scope, force=True)
        events, last = self.store.read(
            scope, lambda tx: (tx.audit.read(after=after, limit=limit), tx.audit.last_checkpoint())
        )
        if last is None:
            raise NotFound(
                "There is nothing to export here: no event was recorded.", remedy="Check tenant and environment."
            )
        lines = [_line(scope, event) for event in events]
        if len(events) == limit:
            return {"lines": lines, "next": events[-1].seq, "checkpoint": None, "key_id": None, "public_key": None}
        key_id, public = self._signer()
        return {"lines": lines, "next": None, "checkpoint": last[1], "key_id": key_id, "public_key": _b64(public)}

    def prove(self, scope: Scope, seq: int) -> dict[str, Any]:
        """An RFC 6962 inclusion proof of event `seq`, with the checkpoint it leads to. Errors: `NotFound`."""
        self.checkpoint(scope, force=True)
        events, last = self.store.read(scope, lambda tx: (list(_walk(tx)), tx.audit.last_checkpoint()))
        if last is None or not 1 <= seq <= last[0]:
            raise NotFound("There is no event with that number.", remedy="See `clearway audit export` for the numbers.")
        leaves = [chain.leaf(chain.header(scope, event)) for event in events[: last[0]]]
        proof = merkle.inclusion_proof(leaves, seq - 1)
        key_id, public = self._signer()
        return {
            "header": chain.header(scope, events[seq - 1]),
            "leaf_index": seq - 1,
            "tree_size": last[0],
            "leaf_hash": _b64(leaves[seq - 1]),
            "proof": [_b64(node) for node in proof],
            "root": _b64(merkle.root(leaves)),
            "checkpoint": last[1],
            "key_id": key_id,
            "public_key": _b64(public),
            "how": "leaf_hash = SHA-256(0x00 ‖ RFC 8785 of header); fold the proof as RFC 9162 §2.1.3.2 says; the root "
            "stands, in base64, on the third line of the checkpoint. Its last line ends in base64 of 4 bytes of key "
            "hash and the 64 bytes of the Ed25519 signature, by public_key; what is signed is the first three lines, "
            "each with its newline",
        }

    def _note(self, scope: Scope, size: int, root: bytes) -> str:
        _, public = self._signer()
        return sign(Checkpoint(_origin(scope), size, root), SIGNER, public, lambda text: self.sealer.sign(text)[1])

    def _signer(self) -> tuple[str, bytes]:
        key_id, _ = self.sealer.sign(b"clearway/which-key")
        return key_id, self.sealer.public_key(key_id)


def verify_export(lines: Sequence[str], *, checkpoint: str | None, public_key: bytes | None) -> Verdict:
    """The same as `AuditLog.verify` on an export, without store or keyring: only the key that is handed over counts.

    Errors: `Invalid` (`export`)."""
    rows = [_parse_line(line, number) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        return _check_emptied(checkpoint, public_key)
    scope, events = Scope(rows[0][0], rows[0][1]), [row[2] for row in rows]
    if any((tenant, environment) != (scope.tenant, scope.environment) for tenant, environment, _ in rows):
        return Verdict("tampered", len(events), "the export mixes chains")
    keyless = KeyringSealer(Keyring(Path(), ()))
    if public_key is None or checkpoint is None:
        verdict = _check(keyless, events, scope)
        why = "the chain is whole, but without a checkpoint and its public key a cut tail or a rewrite cannot show"
        return Verdict("incomplete", len(events), why, head=verdict.head) if verdict.status == "intact" else verdict
    return _check(keyless, events, scope, kept=checkpoint, public_key=public_key)


def _check_emptied(checkpoint: str | None, public_key: bytes | None) -> Verdict:
    """Of an export without events, whose chain is thus not known."""
    if public_key is not None and checkpoint is not None:
        point = _opened(KeyringSealer(Keyring(Path(), ())), checkpoint, public_key)
        if point is None:
            return Verdict("tampered", 0, _UNSIGNED)
        if point.size > 0:
            return Verdict("tampered", 0, _cut(point), 1)
    return Verdict("incomplete", 0, "the export holds no event")


def _check(
    sealer: Sealer,
    events: list[RecordedEvent],
    scope: Scope,
    *,
    head: tuple[int, str] | None = None,
    stored: Sequence[str] = (),
    kept: str | None = None,
    public_key: bytes | None = None,
) -> Verdict:
    count, last = len(events), events[-1].hash if events else chain.GENESIS
    bad = chain.verify(events, scope, head=head)
    if bad is not None:
        return Verdict("tampered", count, f"event {bad} is missing, added, moved or changed", bad, last)
    size = None
    leaves = [chain.leaf(chain.header(scope, event)) for event in events]
    for note, is_kept in [*((note, False) for note in stored), *([(kept, True)] if kept else [])]:
        point = _opened(sealer, note, public_key if is_kept else None)
        if point is None:
            word = "incomplete" if is_kept and public_key is None else "tampered"
            return Verdict(word, count, _UNSIGNED, None, last)
        if point.origin != _origin(scope):
            return Verdict("tampered", count, "a checkpoint is of another chain", None, last)
        if point.size > count:
            return Verdict("tampered", count, _cut(point), count + 1, last)
        if merkle.root(leaves[: point.size]) != point.root:
            return Verdict(
                "tampered", count, f"the first {point.size} events are not those of a checkpoint", None, last
            )
        size = max(size or 0, point.size)
    return Verdict("intact", count, "every event, link, payload and checkpoint fits", None, last, size)


def _cut(point: Checkpoint) -> str:
    return f"a checkpoint covers {point.size} events: the tail is cut"


def _opened(sealer: Sealer, note: str, public_key: bytes | None) -> Checkpoint | None:
    try:
        known = [public_key] if public_key is not None else sealer.public_keys()
        hashes = {line.key_hash for line in parse(note)[1]}
        key = next((key for key in known if key_hash(SIGNER, key) in hashes), None)
        if key is None:
            return None
        return verify(note, SIGNER, key, lambda signature, text: sealer.is_signed(key, text, signature))
    except Invalid:
        return None


def _walk(tx: Tx, after: int = 0) -> Iterator[RecordedEvent]:
    while page := tx.audit.read(after=after, limit=_PAGE):
        yield from page
        after = page[-1].seq


def _origin(scope: Scope) -> str:
    return f"clearway/{scope.tenant}/{scope.environment}"


def _line(scope: Scope, event: RecordedEvent) -> str:
    return json.dumps(
        {**chain.header(scope, event), "hash": event.hash, "payload": event.payload, "salt": event.salt},
        ensure_ascii=False,
        sort_keys=True,
    )


def _parse_line(line: str, number: int) -> tuple[str, str, RecordedEvent]:
    try:
        row = json.loads(line)
        event = RecordedEvent(
            row["seq"],
            row["at"],
            row["kind"],
            row["run_id"],
            row["step_id"],
            row["commitment"],
            row["hash"],
            row["payload"],
            row["salt"],
        )
        if not isinstance(row["payload"], dict | None) or not isinstance(row["salt"], str | None):
            raise TypeError
        return str(row["tenant"]), str(row["environment"]), event
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Invalid(
            f"Line {number} of the export is not an event.",
            code="export",
            remedy="Use the JSONL file that `clearway audit export` wrote.",
        ) from None


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
