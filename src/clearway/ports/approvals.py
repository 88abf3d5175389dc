"""What people allow: approvals of one action, grants for many, endorsements of values."""

from collections.abc import Iterable
from typing import Any, Protocol

from clearway.model.approval import Approval, ApprovalState, Grant, Vote
from clearway.model.endorsement import Endorsement


class Approvals(Protocol):
    def insert(self, approval: Approval) -> None: ...

    def get(self, approval_id: str) -> Approval | None: ...

    def for_step(self, run_id: str, step_id: str) -> list[Approval]:
        """Every approval ever asked for the step, oldest first."""
        ...

    def move(self, approval_id: str, *, from_states: Iterable[ApprovalState], **values: Any) -> bool:
        """Compare-and-set on the state, as `Ledger.move`."""
        ...

    def add_vote(self, vote: Vote) -> bool:
        """False where this subject has voted on it already (primary key approval + subject)."""
        ...

    def votes(self, approval_id: str) -> list[Vote]: ...

    def list(
        self,
        *,
        state: ApprovalState | None = None,
        run_id: str | None = None,
        limit: int = 50,
        before: tuple[float, str] | None = None,
    ) -> list[Approval]:
        """Newest first; `before` is the (requested_at, approval_id) of the last row of the page before."""
        ...


class Grants(Protocol):
    def insert(self, grant: Grant) -> None: ...

    def get(self, grant_id: str) -> Grant | None: ...

    def active(self, tool: str, tool_digest: str, now: float) -> list[Grant]:
        """Not revoked, not expired, with uses left."""
        ...

    def use(self, grant_id: str, now: float) -> bool:
        """Compare-and-set: one use more, where it is active, unexpired and has one left."""
        ...

    def revoke(self, grant_id: str) -> bool: ...

    def list(self, *, limit: int = 50) -> list[Grant]: ...


class Endorsements(Protocol):
    def insert(self, endorsement: Endorsement) -> None: ...

    def get(self, endorsement_id: str) -> Endorsement | None: ...

    def in_force(self, run_id: str, user: str, now: float) -> list[Endorsement]:
        """Of this run or of all runs of `user`; not revoked, not expired. Oldest first."""
        ...

    def revoke(self, endorsement_id: str, at: float) -> bool: ...

    def list(self, *, limit: int = 50) -> list[Endorsement]: ...
