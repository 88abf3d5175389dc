"""What judges an action, and what admits it: policy, rate limits, budgets, kill switches."""

from collections.abc import Sequence
from typing import Any, Protocol

from clearway.model.action import Action
from clearway.model.decision import Decision
from clearway.model.switch import KillSwitch


class Policy(Protocol):
    def decide(self, action: Action) -> Decision:
        """Pure and fail-closed: any error is a deny. Decides for the agent and for the user it acts for, on each
        target; the strictest wins and obligations are united."""
        ...

    def labels_read(self, tool: str) -> bool:
        """Whether the policies for this tool ask where its arguments come from."""
        ...

    def history_read(self, tool: str) -> frozenset[str]:
        """What of an action's history the policies for this tool ask for, by the names of `History.known`."""
        ...

    def explain(self, action: Action) -> dict[str, Any]:
        """For people: what each party and target was answered, and which policies determined it. Holds no values."""
        ...


class Limits(Protocol):
    """Buckets named `system:…` are shared by every scope; everything else is the scope's own."""

    def take(self, bucket: str, amount: float, *, capacity: float, refill_per_s: float, now: float) -> float | None:
        """Takes `amount` from a token bucket, or nothing at all. Returns None, or the seconds until it could."""
        ...

    def give(self, bucket: str, amount: float, *, capacity: float) -> None:
        """Gives back, up to `capacity`; a bucket that was never taken from is full already."""
        ...

    def add(self, counter: str, amount: int, *, at_most: int | None = None) -> int | None:
        """Adds to a counter and returns its new value, or None (unchanged) where it would pass `at_most`."""
        ...

    def counters(self, prefix: str) -> dict[str, int]:
        """The scope's own counters whose names begin with `prefix`, by name."""
        ...


class Switches(Protocol):
    def engaged(self, scopes: Sequence[tuple[str, str]]) -> KillSwitch | None:
        """The first engaged among `(kind, id)`; kinds: global, environment, tenant, agent, tool.

        `global` rows and `environment` rows hold for every tenant."""
        ...

    def put(self, switch: KillSwitch) -> None: ...

    def get(self, kind: str, id: str) -> KillSwitch | None: ...

    def list(self) -> list[KillSwitch]: ...
