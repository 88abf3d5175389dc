"""The hash chain, and the pages for operators that are read from the store."""

from collections.abc import Sequence
from typing import Protocol

from clearway.model.approval import Approval
from clearway.model.event import Event, RecordedEvent
from clearway.model.report import AskedFor, RunTimes


class Audit(Protocol):
    def append(self, events: Sequence[Event]) -> list[RecordedEvent]:
        """Chains `events` behind the head, in this transaction, stamped with the store's time."""
        ...

    def head(self) -> tuple[int, str]:
        """(number of events, hash of the last one or the genesis hash)."""
        ...

    def read(self, *, after: int = 0, limit: int = 1000, run_id: str | None = None) -> list[RecordedEvent]:
        """Ascending by seq, from `after` + 1."""
        ...

    def add_checkpoint(self, size: int, note: str, frontier: Sequence[str], at: float) -> None: ...

    def last_checkpoint(self) -> tuple[int, str, list[str], float] | None:
        """(size, signed note, frontier hashes in hex, time) of the newest."""
        ...

    def checkpoints(self) -> list[tuple[int, str, float]]: ...


class Reports(Protocol):
    """What pages for operators show beside the lists. Each reads `limit` rows at most."""

    def waiting(
        self,
        *,
        since: float,
        until: float | None = None,
        impact: str | None = None,
        after: tuple[float, str] | None = None,
        limit: int = 50,
    ) -> list[Approval]:
        """Pending approvals that expire behind `since`, the next to expire first; `after`: (expires_at, approval_id)
        of the last row of the page before."""
        ...

    def waiting_count(self, since: float) -> int: ...

    def asked_before(self, tool: str, before: float, *, limit: int = 50) -> list[Approval]:
        """Approvals of a tool that were asked for before then, newest first."""
        ...

    def run_times(self, since: float, *, limit: int) -> list[RunTimes]:
        """Of runs that began since then, newest first."""
        ...

    def asked_for(self, since: float, *, limit: int) -> list[AskedFor]:
        """Approvals that were asked for since then, newest first."""
        ...
