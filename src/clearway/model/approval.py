"""Approvals, votes and grants."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from clearway.model.decision import Factor


class ApprovalState(StrEnum):
    """`pending → approved → consumed`; the others are terminal."""

    PENDING = "pending"
    APPROVED = "approved"
    CONSUMED = "consumed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    INVALIDATED = "invalidated"


@dataclass(frozen=True, slots=True)
class Approval:
    """People's pending or given answer to one held action.

    `presented` is what people are shown, tokenized: `{"summary", "tool", "impact", "arguments", "targets",
    "preview", "claim", "policies", "user", "agent", "warnings"}`; `presented_digest` covers it whole and
    `action_digest` what runs. `arguments`: sealed raw arguments. `requester`: who would be approving their own act:
    the run's initiator, or the editor. `excluded`: subjects that may not vote (separation of duties).
    """

    approval_id: str
    run_id: str
    step_id: str
    kind: str
    tool: str
    tool_digest: str
    impact: str
    action_digest: str
    presented: dict[str, Any]
    presented_digest: str
    factors: tuple[Factor, ...]
    policies: tuple[str, ...]
    state: ApprovalState
    requester: str
    excluded: tuple[str, ...]
    requested_at: float
    expires_at: float
    execution_ttl_s: float
    arguments: str | None = None
    escalate_to: str | None = None
    escalate_at: float | None = None
    escalated_at: float | None = None
    decided_at: float | None = None
    execute_by: float | None = None
    replaces: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Vote:
    """One subject's decision. `record_signature`: Ed25519 over the record's canonical JSON, `key_id:base64`."""

    approval_id: str
    subject: str
    verdict: str
    factor: str | None
    at: float
    action_digest: str
    presented_digest: str
    comment: str
    authenticated_by: str
    record_signature: str


@dataclass(frozen=True, slots=True)
class Grant:
    """Standing permission for actions of one shape; at most an hour, never for irreversible actions.

    `bounds`: argument name → `{"max": n}` or `{"equals": v}`; an argument that is not named must equal nothing
    in particular only if listed in `free`; otherwise the action is held.
    """

    grant_id: str
    tool: str
    tool_digest: str
    release: str
    targets: tuple[str, ...]
    bounds: dict[str, Any]
    max_uses: int
    uses: int
    expires_at: float
    state: str
    created_by: str
    approval_id: str
