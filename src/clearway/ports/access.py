"""Who may come in: API keys, sessions, people, and who is who now."""

from typing import Protocol

from clearway.model.identity import Principal, Scope
from clearway.model.keys import ApiKey
from clearway.model.session import Session, SignedInUser


class Keys(Protocol):
    def insert(self, key: ApiKey) -> None: ...

    def list(self) -> list[ApiKey]: ...

    def revoke(self, key_id: str, at: float) -> bool: ...


class Sessions(Protocol):
    def insert(self, session: Session) -> None: ...

    def list(self) -> list[Session]:
        """Those that nobody ended, newest use first."""
        ...

    def seen(self, session_hash: str, at: float) -> bool: ...

    def end(self, session_hash: str, at: float) -> bool:
        """False where it had ended before."""
        ...

    def end_of(self, subject: str, at: float) -> int:
        """Ends every session of a person; how many."""
        ...

    def prune(self, before: float) -> int:
        """Removes sessions that were over before then."""
        ...


class Users(Protocol):
    """People of an identity provider."""

    def put(self, user: SignedInUser) -> None:
        """Inserts, or sets issuer, roles, groups and `seen_at` of the one there; never `disabled_at`."""
        ...

    def get(self, user_id: str) -> SignedInUser | None: ...

    def list(self) -> list[SignedInUser]: ...

    def disable(self, user_id: str, at: float | None) -> bool:
        """None enables again. False where there is no such person."""
        ...


class Directory(Protocol):
    """Who is who now. Roles and groups are looked up at each use, so that a removed role bites at once."""

    def find(self, name: str, scope: Scope) -> Principal | None:
        """`user:ID` or `service:ID` with its present roles and groups in the scope; None where it has none there."""
        ...

    def members(self, group: str, scope: Scope) -> frozenset[str]:
        """Names (`user:ID`) of a group's people in the scope."""
        ...
