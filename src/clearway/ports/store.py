"""The store is transactional and bound to a scope: `work` gets a `Tx` that can see and write rows of that tenant and
environment only, and runs in one transaction that commits when it returns and rolls back when it raises. Write
transactions of one scope are serialised (they lock the head of its audit chain first).
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from clearway.model.identity import Scope
from clearway.model.keys import ApiKey
from clearway.model.session import Session
from clearway.model.vault import KeyCheck
from clearway.ports.access import Keys, Sessions, Users
from clearway.ports.approvals import Approvals, Endorsements, Grants
from clearway.ports.audit import Audit, Reports
from clearway.ports.notices import Notices
from clearway.ports.policy import Limits, Switches
from clearway.ports.privacy import Retention, Vault
from clearway.ports.releases import Releases
from clearway.ports.runs import Happenings, Ledger, Runs

T = TypeVar("T")


class Tx(Protocol):
    """One transaction in one scope."""

    @property
    def scope(self) -> Scope: ...

    @property
    def writable(self) -> bool:
        """Whether this is a write transaction."""
        ...

    def on_commit(self, do: Callable[[], None]) -> None:
        """Does something quick, in memory, once the transaction has committed."""
        ...

    @property
    def now(self) -> float:
        """Seconds since the epoch on the store's clock, fixed for the transaction."""
        ...

    @property
    def runs(self) -> Runs: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def approvals(self) -> Approvals: ...
    @property
    def grants(self) -> Grants: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def switches(self) -> Switches: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def happenings(self) -> Happenings: ...
    @property
    def endorsements(self) -> Endorsements: ...
    @property
    def releases(self) -> Releases: ...
    @property
    def notices(self) -> Notices: ...
    @property
    def reports(self) -> Reports: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def users(self) -> Users: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def retention(self) -> Retention: ...

    def wake(self, run_id: str, wake_id: str, *, delay_s: float = 0.0) -> None:
        """Enqueues a pass of the run with this transaction. The same `wake_id` twice is one pass."""
        ...


class Store(Protocol):
    def write(self, scope: Scope, work: Callable[[Tx], T]) -> T: ...

    def read(self, scope: Scope, work: Callable[[Tx], T]) -> T: ...

    async def awrite(self, scope: Scope, work: Callable[[Tx], T]) -> T:
        """As `write`, off the event loop."""
        ...

    async def aread(self, scope: Scope, work: Callable[[Tx], T]) -> T: ...

    def find_key(self, key_id: str) -> ApiKey | None:
        """An API key by its id, in whatever scope: the one look-up that comes before a scope is known."""
        ...

    def find_session(self, session_hash: str) -> Session | None:
        """As `find_key`, for a browser's session."""
        ...

    def recognise(self, keys: Sequence[KeyCheck]) -> None:
        """Checks that these are the keys that the store is sealed with, and notes those that are new to it.

        Errors: `KeyringMismatch` (`keyring_mismatch`)."""
        ...

    def scour(self) -> None:
        """Lets nothing that was removed linger in the database's own log, as far as that is ours to say."""
        ...

    def scopes(self) -> list[Scope]:
        """Every scope that has an audit chain, for checkpoints and maintenance."""
        ...
