"""Events: recorded facts. Headers are chained for ever; payloads stand beside them and can be erased."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """A fact to be recorded. `payload` is tokenized before it gets here.

    `kind` is dotted: `run.started`, `action.decided`, `approval.decided`, … (docs/reference/events.md).
    """

    kind: str
    payload: dict[str, Any]
    run_id: str | None = None
    step_id: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event in its chain. `commitment` = SHA-256(salt ‖ JCS(payload)); `hash` links to the one before.

    `payload` and `salt` are None once erased; the chain still verifies.
    """

    seq: int
    at: str
    kind: str
    run_id: str | None
    step_id: str | None
    commitment: str
    hash: str
    payload: dict[str, Any] | None
    salt: str | None
