"""Clearway runs LLM agents in production: tool calls are decided by policy, approved by people where that is due,
carried out at most once, and recorded.

::

    @clearway.tool(impact="external", summary="Refund {amount_minor} to {account}")
    def refund(account: str, amount_minor: int) -> dict: ...
"""

from typing import TYPE_CHECKING, Any

from clearway.model.agent import Budget
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

if TYPE_CHECKING:
    from clearway.app import Acting, Clearway
    from clearway.guarding import Guard, Waiting, guard
    from clearway.project.declare import agent, skill, tool
    from clearway.project.parameters import Sensitive
    from clearway.runtime.pieces import Piece
    from clearway.runtime.run_api import ActionStopped, Reply
    from clearway.runtime.run_api import RunContext as Run

#: Names that bring pydantic, the finder, the database or the policy engine along: imported when they are first used.
_LATER = {
    "Acting": "clearway.app",
    "ActionStopped": "clearway.runtime.run_api",
    "Clearway": "clearway.app",
    "Guard": "clearway.guarding",
    "Piece": "clearway.runtime.pieces",
    "Reply": "clearway.runtime.run_api",
    "Run": "clearway.runtime.run_api",
    "Sensitive": "clearway.project.parameters",
    "Waiting": "clearway.guarding",
    "agent": "clearway.project.declare",
    "guard": "clearway.guarding",
    "skill": "clearway.project.declare",
    "tool": "clearway.project.declare",
}
_CALLED_THERE = {"Run": "RunContext"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'clearway' has no attribute {name!r}")
    import importlib

    found = getattr(importlib.import_module(_LATER[name]), _CALLED_THERE.get(name, name))
    globals()[name] = found
    return found


__all__ = [
    "Acting",
    "ActionStopped",
    "Budget",
    "Clearway",
    "ClearwayError",
    "Compensation",
    "ConfigError",
    "Conflict",
    "Denied",
    "Done",
    "Failed",
    "Found",
    "Guard",
    "Idempotency",
    "Impact",
    "InDoubt",
    "Invalid",
    "Limited",
    "LookupUnavailable",
    "NotFound",
    "NotFoundThere",
    "NotSent",
    "Outcome",
    "Piece",
    "RateLimit",
    "Refused",
    "Rejected",
    "Reply",
    "Retry",
    "Run",
    "Sensitive",
    "Target",
    "ToolContext",
    "TryLater",
    "Unavailable",
    "Unknown",
    "Waiting",
    "agent",
    "guard",
    "skill",
    "tool",
]
