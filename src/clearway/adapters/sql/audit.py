"""The audit chain in SQL. Implements `clearway.ports.Audit`.

INVARIANT: one writer at a time appends to a chain: a write transaction holds its scope's head from its start (the
database's write lock on SQLite, the locked row on Postgres), and (tenant, environment, seq) is unique besides.
"""

import json
import os
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Select, and_, bindparam, cast, insert, select, update

from clearway.adapters.sql import tables
from clearway.adapters.sql.session import Session, here
from clearway.model.errors import Internal, Invalid
from clearway.model.event import Event, RecordedEvent
from clearway.rules import chain
from clearway.rules.canonical import canonical

_events, _payloads, _heads, _checkpoints = (
    tables.events,
    tables.event_payloads,
    tables.audit_heads,
    tables.audit_checkpoints,
)

_ADD_EVENTS = insert(_events).inline()
_ADD_PAYLOADS = insert(_payloads).inline()
_ADD_HEAD = insert(_heads).inline()
_SET_HEAD = update(_heads).where(here(_heads))
_HEAD = select(_heads.c.seq, _heads.c.hash).where(here(_heads))

_ADD_CHECKPOINT = insert(_checkpoints).inline()
_LAST_CHECKPOINT = (
    select(_checkpoints.c.size, _checkpoints.c.note, _checkpoints.c.frontier, _checkpoints.c.at)
    .where(here(_checkpoints))
    .order_by(_checkpoints.c.size.desc(), _checkpoints.c.at.desc())
    .limit(1)
)
_ALL_CHECKPOINTS = (
    select(_checkpoints.c.size, _checkpoints.c.note, _checkpoints.c.at)
    .where(here(_checkpoints))
    .order_by(_checkpoints.c.size, _checkpoints.c.at)
)

#: What is read where a payload is not as it was written; it fits no commitment.
UNREADABLE: dict[str, Any] = {"clearway": "this payload was changed and cannot be read"}


_of_run = _events.alias("of_run")
_OF_RUN = (
    select(_of_run.c.seq)
    .where(here(_of_run), _of_run.c.run_id == bindparam("in_run_id"), _of_run.c.seq > bindparam("in_after"))
    .order_by(_of_run.c.seq)
    .limit(bindparam("in_limit"))
)


@cache
def _read(dialect: str, of_run: bool) -> Select[*tuple[Any, ...]]:
    texts: list[ColumnElement[Any]] = [
        _events.c.at,
        _events.c.kind,
        _events.c.run_id,
        _events.c.step_id,
        _events.c.commitment,
        _events.c.hash,
        _payloads.c.payload,
        _payloads.c.salt,
    ]
    if dialect == "sqlite":  # as bytes: a changed byte may make text that is not UTF-8, which the driver refuses
        texts = [cast(text, LargeBinary) for text in texts]
    statement = (
        select(_events.c.seq, *texts, _payloads.c.seq)
        .select_from(
            _events.outerjoin(
                _payloads,
                and_(
                    _events.c.tenant == _payloads.c.tenant,
                    _events.c.environment == _payloads.c.environment,
                    _events.c.seq == _payloads.c.seq,
                ),
            )
        )
        .where(here(_events))
        .order_by(_events.c.seq)
        .limit(bindparam("in_limit"))
    )
    # SQLite, which knows nothing of how many rows a scope has, would look through the whole log for a run's few: the
    # numbers by themselves it takes from the run's own index.
    return statement.where(_events.c.seq.in_(_OF_RUN) if of_run else _events.c.seq > bindparam("in_after"))


class SqlAudit:
    """`announce`: called with each event that is appended, in its transaction."""

    def __init__(self, session: Session, announce: Callable[[RecordedEvent], None] | None = None) -> None:
        self._session = session
        self._announce = announce

    def append(self, events: Sequence[Event]) -> list[RecordedEvent]:
        """Errors besides: `Invalid` (`not_canonical`) for a payload without canonical JSON form; nothing is written."""
        if not events:
            return []
        session = self._session
        seq, previous = self._read_head()
        first = session.head is None
        at = chain.rfc3339(session.now)
        recorded: list[RecordedEvent] = []
        headers: list[dict[str, Any]] = []
        payloads: list[dict[str, Any]] = []
        for event in events:
            seq += 1
            salt, payload = os.urandom(chain.SALT_BYTES), canonical(event.payload)
            header: dict[str, Any] = {
                "tenant": session.scope.tenant,
                "environment": session.scope.environment,
                "seq": seq,
                "at": at,
                "kind": event.kind,
                "run_id": event.run_id,
                "step_id": event.step_id,
                "commitment": chain.commitment_of(salt, payload).hex(),
            }
            previous = chain.link(bytes.fromhex(previous), chain.leaf(header)).hex()
            headers.append({**header, "hash": previous})
            payloads.append({"seq": seq, "payload": payload.decode(), "salt": salt.hex()})
            recorded.append(
                RecordedEvent(
                    seq,
                    at,
                    event.kind,
                    event.run_id,
                    event.step_id,
                    header["commitment"],
                    previous,
                    event.payload,
                    salt.hex(),
                )
            )
        session.insert(_ADD_EVENTS, headers)
        session.insert(_ADD_PAYLOADS, payloads)
        if first:
            session.insert(_ADD_HEAD, [{"seq": seq, "hash": previous}])
        else:
            session.change(_SET_HEAD, seq=seq, hash=previous)
        session.head = seq, previous
        if self._announce is not None:
            for event in recorded:
                self._announce(event)
        return recorded

    def _read_head(self) -> tuple[int, str]:
        self._session.must_write()
        seq, hash = self._session.head or (0, chain.GENESIS)
        if len(hash) != len(chain.GENESIS) or not set(hash) <= set("0123456789abcdef"):
            raise Internal(
                "The head of the audit chain was changed.",
                code="store_damaged",
                remedy="Run `clearway audit verify`; restore from a backup.",
            )
        return seq, hash

    def head(self) -> tuple[int, str]:
        row = self._session.row(_HEAD)
        return (0, chain.GENESIS) if row is None else (row[0], row[1])

    def read(self, *, after: int = 0, limit: int = 1000, run_id: str | None = None) -> list[RecordedEvent]:
        """A payload that was tampered with is given as `UNREADABLE`, one whose row is gone with the salt "".

        `chain.verify` finds both."""
        of_run = {} if run_id is None else {"in_run_id": run_id}
        statement = _read(self._session.dialect, run_id is not None)
        rows = self._session.rows(statement, in_after=after, in_limit=limit, **of_run)
        return [_recorded(row) for row in rows]

    def add_checkpoint(self, size: int, note: str, frontier: Sequence[str], at: float) -> None:
        row = {"size": size, "note": note, "frontier": json.dumps(list(frontier)), "at": at}
        self._session.insert(_ADD_CHECKPOINT, [row])

    def last_checkpoint(self) -> tuple[int, str, list[str], float] | None:
        row = self._session.row(_LAST_CHECKPOINT)
        return None if row is None else (row[0], row[1], json.loads(row[2]), row[3])

    def checkpoints(self) -> list[tuple[int, str, float]]:
        return [(row[0], row[1], row[2]) for row in self._session.rows(_ALL_CHECKPOINTS)]


def _recorded(row: Sequence[Any]) -> RecordedEvent:
    seq, *texts, payload_seq = row
    at, kind, run_id, step_id, commitment, hash, payload, salt = map(_text, texts)
    return RecordedEvent(
        seq,
        at or "",
        kind or "",
        run_id,
        step_id,
        commitment or "",
        hash or "",
        None if payload is None else _payload(payload),
        "" if payload_seq is None else salt,
    )


def _text(stored: str | bytes | None) -> str | None:
    return stored.decode(errors="replace") if isinstance(stored, bytes) else stored


def _payload(text: str) -> dict[str, Any]:
    # Strictly what was written: another spelling of an equal value is tampering, too.
    try:
        value = json.loads(text)
        if isinstance(value, dict) and canonical(value).decode() == text:  # pyright: ignore[reportUnknownArgumentType]
            return value  # pyright: ignore[reportUnknownVariableType]
    except (ValueError, RecursionError, Invalid):
        pass
    return UNREADABLE
