"""The ledger: one row a step of a run. It is the checkpoint of a tool call and the record of an effect."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class LedgerState(StrEnum):
    """See the table in approvals-idempotency-audit.md §3. `held`: waits for approval; `refused`: never sent."""

    HELD = "held"
    CLAIMED = "claimed"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED_RETRYABLE = "failed_retryable"
    FAILED_FINAL = "failed_final"
    UNKNOWN = "unknown"
    REFUSED = "refused"

    @property
    def is_settled(self) -> bool:
        return self in (LedgerState.SUCCEEDED, LedgerState.FAILED_FINAL, LedgerState.REFUSED)


@dataclass(frozen=True, slots=True)
class Entry:
    """A ledger row. Times are seconds since the epoch on the store's clock.

    `arguments`, `result`: sealed text; `shown_*`: tokenized JSON. `kind`: `call`, `sleep` or `compensation`.
    `detail`: `{"code", "message", "policies"}` of a refusal or failure, tokenized. `labels`: where the arguments came
    from (`runtime.labels.as_json`).
    """

    key: str
    run_id: str
    step_id: str
    kind: str
    tool: str
    impact: str
    fingerprint: str
    state: LedgerState
    fence: int
    attempt: int = 0
    action_digest: str = ""
    business_key: str | None = None
    approval_id: str | None = None
    grant_id: str | None = None
    lease_until: float | None = None
    first_sent_at: float | None = None
    remote_ref: str | None = None
    arguments: str | None = None
    shown_arguments: dict[str, Any] | None = None
    targets: tuple[str, ...] = ()
    result: str | None = None
    shown_result: Any = None
    detail: dict[str, Any] | None = None
    created_at: float = 0.0
    updated_at: float = 0.0
    duration_s: float | None = None
    labels: dict[str, Any] | None = None
