"""Clearway runs LLM agents in production: tool calls are decided by policy, approved by people where that is due,
carried out at most once, and recorded.

::

    @clearway.tool(impact="external", summary="Refund {amount_minor} to {account}")
    def refund(account: str, amount_minor: int) -> dict: ...
"""

from clearway.model.context import ToolContext
from clearway.model.errors import ClearwayError, ConfigError, Conflict, Denied, Invalid, Limited, NotFound, Unavailable
from clearway.model.outcome import Done, Failed, Outcome, Refused, Unknown
from clearway.model.signals import InDoubt, NotSent, Rejected, TryLater
from clearway.model.tool import (
    Compensation,
    Found,
    Idempotency,
    Impact,
    LookupUnavailable,
    RateLimit,
    Retry,
    Target,
)
from clearway.model.tool import NotFound as NotFoundThere
from clearway.project.declare import skill, tool
from clearway.project.parameters import Sensitive
from clearway.runtime.run_api import ActionStopped
from clearway.runtime.run_api import RunContext as Run

__all__ = [
    "ActionStopped", "ClearwayError", "Compensation", "ConfigError", "Conflict", "Denied", "Done", "Failed", "Found",
    "Idempotency", "Impact", "InDoubt", "Invalid", "Limited", "LookupUnavailable", "NotFound", "NotFoundThere", "NotSent",
    "Outcome", "RateLimit", "Refused", "Rejected", "Retry", "Run", "Sensitive", "Target", "ToolContext", "TryLater",
    "Unavailable", "Unknown", "skill", "tool",
]
