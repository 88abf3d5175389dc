"""What a tool may know about the call that it carries out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ToolContext:
    """A tool gets it as its first parameter, if that one is annotated `ToolContext`; it is not an argument.

    `idempotency_key`: forward it to the other side, so that a resend has no second effect. `attempt` counts from 1.
    `deadline_s`: seconds that remain for this attempt when it starts. `raw`: the canonical arguments as JSON values,
    as the policy saw them, beside the typed ones that the parameters carry.
    """

    tenant: str
    environment: str
    run_id: str
    step_id: str
    idempotency_key: str
    attempt: int = 1
    deadline_s: float = 30.0
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any])
