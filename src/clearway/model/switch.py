"""Kill switches: one person engages, two release."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KillSwitch:
    """`kind`: global, environment, tenant, agent or tool; `id` is empty for global."""

    kind: str
    id: str
    engaged: bool
    reason: str
    by: str
    at: float
    release_votes: tuple[str, ...] = ()
