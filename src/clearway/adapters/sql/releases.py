"""Releases in SQL. Implements `clearway.ports.Releases`.

Bundles and signatures belong to the project, not to a tenant: their rows have tenant and environment `*`, which no
scope can be called. Pointer and moves are the scope's own, and serialised by its audit head.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, bindparam, insert, literal, select, tuple_, update
from sqlalchemy.sql.elements import ColumnElement

from clearway.adapters.sql import tables
from clearway.adapters.sql.access import EVERY
from clearway.adapters.sql.rows import MOVE, POINTER, RELEASE, SIGNATURE
from clearway.adapters.sql.session import Session, here, skipping_insert
from clearway.adapters.sql.statements import change
from clearway.model.release import Move, Pointer, Release, Signature

_releases, _signatures = tables.releases, tables.release_signatures
_pointers, _moves = tables.release_pointers, tables.release_moves


def _shared(table: Any) -> ColumnElement[bool]:
    return (table.c.tenant == EVERY) & (table.c.environment == EVERY)


_this = (_shared(_releases), _releases.c.digest == bindparam("in_digest"))
_SELECT = select(*(_releases.c[name] for name in RELEASE.names))
_GET = _SELECT.where(*_this)
_GET_LOCKED = _GET.with_for_update()
_FIND = _SELECT.where(_shared(_releases), _releases.c.digest.startswith(bindparam("in_start"))).limit(2)
#: Lists leave the bundle out: it may be megabytes.
_HEADS: Select[Any] = select(
    *(literal("").label(name) if name == "bundle" else _releases.c[name] for name in RELEASE.names)
).where(_shared(_releases))
_ORDER = (_releases.c.created_at.desc(), _releases.c.digest.desc())
_LIST = _HEADS.order_by(*_ORDER).limit(bindparam("in_limit"))
_MORE = (
    _HEADS.where(tuple_(_releases.c.created_at, _releases.c.digest) < tuple_(bindparam("in_at"), bindparam("in_id")))
    .order_by(*_ORDER)
    .limit(bindparam("in_limit"))
)
_REVOKE = update(_releases).where(*_this, _releases.c.revoked_at.is_(None))
_REINSTATE = update(_releases).where(*_this, _releases.c.revoked_at.is_not(None))
_SIGNED = (
    select(*(_signatures.c[name] for name in SIGNATURE.names))
    .where(_shared(_signatures), _signatures.c.digest == bindparam("in_digest"))
    .order_by(_signatures.c.at, _signatures.c.subject)
)
_POINTER = select(*(_pointers.c[name] for name in POINTER.names)).where(here(_pointers))
_MOVE_ON = update(_pointers).where(here(_pointers), _pointers.c.generation == bindparam("in_generation"))
_MOVES = (
    select(*(_moves.c[name] for name in MOVE.names))
    .where(here(_moves))
    .order_by(_moves.c.generation.desc())
    .limit(bindparam("in_limit"))
)
_ADD_MOVE = insert(_moves).inline()


class SqlReleases:
    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, release: Release) -> bool:
        return self._insert_shared(_releases, RELEASE.row(release))

    def get(self, digest: str) -> Release | None:
        statement = _GET_LOCKED if self._session.writable and self._session.dialect == "postgresql" else _GET
        row = self._session.row(statement, in_digest=digest)
        return None if row is None else RELEASE.value(row)

    def find(self, start: str) -> list[Release]:
        return [RELEASE.value(row) for row in self._session.rows(_FIND, in_start=start)]

    def revoke(self, digest: str, at: float, by: str, reason: str) -> bool:
        values = RELEASE.some({"revoked_at": at, "revoked_by": by, "revoked_reason": reason, "reinstate_votes": ()})
        return self._session.change(_REVOKE, in_digest=digest, **values) == 1

    def reinstate(self, digest: str, votes: Sequence[str], *, done: bool) -> bool:
        values: dict[str, Any] = {"reinstate_votes": tuple(votes)}
        if done:
            values |= {"revoked_at": None, "revoked_by": None, "revoked_reason": None, "reinstate_votes": ()}
        return self._session.change(_REINSTATE, in_digest=digest, **RELEASE.some(values)) == 1

    def sign(self, signature: Signature) -> bool:
        return self._insert_shared(_signatures, SIGNATURE.row(signature))

    def signatures(self, digest: str) -> list[Signature]:
        return [SIGNATURE.value(row) for row in self._session.rows(_SIGNED, in_digest=digest)]

    def pointer(self) -> Pointer | None:
        row = self._session.row(_POINTER)
        return None if row is None else POINTER.value(row)

    def move(self, pointer: Pointer, *, kind: str, from_generation: int) -> bool:
        row = POINTER.row(pointer)
        if from_generation == 0:
            moved = self._session.insert_once(_pointers, row)
        else:
            moved = self._session.change(_MOVE_ON, in_generation=from_generation, **row) == 1
        if moved:
            move = Move(
                pointer.generation,
                kind,
                pointer.digest,
                pointer.canary,
                pointer.moved_at,
                pointer.moved_by,
                pointer.reason,
            )
            self._session.insert(_ADD_MOVE, [MOVE.row(move)])
        return moved

    def note_guard(self, generation: int, guard: dict[str, Any]) -> bool:
        return self._session.change(_MOVE_ON, in_generation=generation, **POINTER.some({"guard": guard})) == 1

    def moves(self, *, limit: int = 50) -> list[Move]:
        return [MOVE.value(row) for row in self._session.rows(_MOVES, in_limit=limit)]

    def list(self, *, limit: int = 50, before: tuple[float, str] | None = None) -> list[Release]:
        if before is None:
            rows = self._session.rows(_LIST, in_limit=limit)
        else:
            rows = self._session.rows(_MORE, in_limit=limit, in_at=before[0], in_id=before[1])
        return [RELEASE.value(row) for row in rows]

    def _insert_shared(self, table: Any, row: dict[str, Any]) -> bool:
        """Signatures and bundles are immutable: whoever comes second changes nothing."""
        session = self._session
        session.must_write()
        whole = {**row, "tenant": EVERY, "environment": EVERY}
        return change(session.connection, skipping_insert(table, session.dialect), whole) == 1
