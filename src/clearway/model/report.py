"""What an overview is counted from: the few columns of runs and approvals that it needs. Times: s since the epoch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunTimes:
    """When a run began and ended, and how. `finished_at` is None for one that has not ended."""

    status: str
    skill: str
    created_at: float
    finished_at: float | None
    release: str = ""


@dataclass(frozen=True, slots=True)
class AskedFor:
    """An approval that was asked for, and when it was decided, if it was."""

    state: str
    tool: str
    impact: str
    policies: tuple[str, ...]
    requested_at: float
    decided_at: float | None
