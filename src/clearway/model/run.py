"""A run: one durable carrying-out of a request."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class RunStatus(StrEnum):
    """`waiting`: for an approval; `unknown`: an effect is in doubt; `sleeping`: for a time. The last four are final."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    UNKNOWN = "unknown"
    SLEEPING = "sleeping"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (RunStatus.DONE, RunStatus.REFUSED, RunStatus.FAILED, RunStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class Run:
    """A run's row. `text`, `input`, `result` are sealed; `shown_*` are tokenized.

    `principal`: `{"user", "roles", "groups", "authenticated_by"}` as authenticated at intake. `route`:
    `{"skill", "router", "score", "why", "runner_up"}`. `failure`: `{"step", "code", "message", "owner"}`.
    `fence` counts passes and fences off a zombie's writes; `active_pass` is the pass at work, if any.
    `spent_s`: working time so far, waiting not counted, against `deadline_s`.
    `held_for`: the group whom its further effects wait for, whatever policy allows; None: nobody beyond policy.
    """

    run_id: str
    idempotency_key: str
    request_fingerprint: str
    request_id: str
    correlation_id: str
    principal: dict[str, Any]
    skill: str
    route: dict[str, Any]
    release: str
    status: RunStatus
    text: str
    input: str
    shown_input: dict[str, Any]
    fence: int
    deadline_s: float
    spent_s: float
    created_at: float
    active_pass: str | None = None
    wake: bool = False
    cancel_requested: bool = False
    started_at: float | None = None
    finished_at: float | None = None
    result: str | None = None
    shown_result: Any = None
    failure: dict[str, Any] | None = None
    held_for: str | None = None
