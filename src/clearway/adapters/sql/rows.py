"""From the model's frozen values to rows and back, by the names of their fields."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from enum import Enum
from typing import Any, Generic, TypeVar

from clearway.model.approval import Approval, ApprovalState, Grant, Vote
from clearway.model.decision import Factor
from clearway.model.endorsement import Endorsement
from clearway.model.errors import Internal
from clearway.model.keys import ApiKey
from clearway.model.ledger import Entry, LedgerState
from clearway.model.notice import Delivery, Sending
from clearway.model.release import Move, Pointer, Release, Signature
from clearway.model.run import Run, RunStatus
from clearway.model.session import Session, SignedInUser
from clearway.model.switch import KillSwitch
from clearway.model.vault import StoredKey, VaultRow

T = TypeVar("T")

Way = Callable[[Any], Any]

#: ASCII, so that also a lone surrogate can be stored and read back.
_write_json = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode


def _to_json(value: Any) -> str | None:
    return None if value is None else _write_json(value)


def _from_json(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _to_tuple(text: str) -> tuple[Any, ...]:
    return tuple(json.loads(text))


def _write_factors(value: Sequence[Factor]) -> str:
    return _write_json([[factor.group, factor.n] for factor in value])


def _read_factors(text: str) -> tuple[Factor, ...]:
    return tuple(Factor(group, n) for group, n in json.loads(text))


JSON: tuple[Way, Way] = (_to_json, _from_json)
TUPLE: tuple[Way, Way] = (_to_json, _to_tuple)
BOOL: tuple[Way, Way] = (bool, bool)
FACTORS: tuple[Way, Way] = (_write_factors, _read_factors)


def plain(value: Any) -> Any:
    """An enum's value, for the drivers."""
    return value.value if isinstance(value, Enum) else value


class Codec(Generic[T]):
    """Knows how `kind`'s fields are stored. `identity`: the fields that an update may not set."""

    def __init__(self, kind: type[T], identity: tuple[str, ...], **ways: tuple[Way, Way] | type[Enum]) -> None:
        self.kind = kind
        self.names: tuple[str, ...] = tuple(field.name for field in fields(kind))  # pyright: ignore[reportArgumentType]
        self._identity = frozenset((*identity, "tenant", "environment"))
        pairs = {name: (plain, way) if isinstance(way, type) else way for name, way in ways.items()}
        self._write: dict[str, Way] = {name: pair[0] for name, pair in pairs.items()}
        self._read: list[tuple[int, Way]] = [(self.names.index(name), pair[1]) for name, pair in pairs.items()]

    def row(self, value: T) -> dict[str, Any]:
        """`value` as column → what is stored."""
        row = {name: getattr(value, name) for name in self.names}
        for name, write in self._write.items():
            row[name] = write(row[name])
        return row

    def some(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Columns of an update. Errors: `Internal` where nothing is set, or no field, or part of the identity."""
        if not values:
            raise Internal("An update sets nothing.", code="store")
        for name in values:
            if name not in self.names or name in self._identity:
                raise Internal(f"{self.kind.__name__}.{name} cannot be set.", code="store")
        return {name: self._write[name](value) if name in self._write else value for name, value in values.items()}

    def value(self, row: Sequence[Any]) -> T:
        """What `row` holds, with columns in the order of the fields. Errors: `Internal` (`store_damaged`)."""
        cells = list(row)
        try:
            for index, read in self._read:
                cells[index] = read(cells[index])
        except (ValueError, TypeError):
            raise Internal(
                f"A stored {self.kind.__name__} cannot be read.",
                code="store_damaged",
                remedy="Run `clearway audit verify`; restore from a backup.",
            ) from None
        return self.kind(*cells)


RUN = Codec(
    Run,
    ("run_id",),
    principal=JSON,
    route=JSON,
    status=RunStatus,
    shown_input=JSON,
    shown_result=JSON,
    wake=BOOL,
    cancel_requested=BOOL,
    failure=JSON,
)
ENTRY = Codec(
    Entry,
    ("key",),
    state=LedgerState,
    shown_arguments=JSON,
    targets=TUPLE,
    shown_result=JSON,
    detail=JSON,
    labels=JSON,
)
APPROVAL = Codec(
    Approval, ("approval_id",), presented=JSON, factors=FACTORS, policies=TUPLE, state=ApprovalState, excluded=TUPLE
)
VOTE = Codec(Vote, ("approval_id", "subject"))
GRANT = Codec(Grant, ("grant_id",), targets=TUPLE, bounds=JSON)
SWITCH = Codec(KillSwitch, ("kind", "id"), engaged=BOOL, release_votes=TUPLE)
KEY = Codec(ApiKey, ("key_id",))
ENDORSEMENT = Codec(Endorsement, ("endorsement_id",))
SESSION = Codec(Session, ("session_hash",))
SIGNED_IN_USER = Codec(SignedInUser, ("user_id",), roles=TUPLE, groups=TUPLE)
RELEASE = Codec(Release, ("digest",), reinstate_votes=TUPLE)
SIGNATURE = Codec(Signature, ("digest", "duty", "subject", "against"), envelope=JSON)
POINTER = Codec(Pointer, (), guard=JSON)
MOVE = Codec(Move, ("generation",))
STORED_KEY = Codec(StoredKey, ("key_id",))
VAULT_ROW = Codec(VaultRow, ("token", "key_id"))
SENDING = Codec(Sending, ("seq", "channel"), state=Delivery)
