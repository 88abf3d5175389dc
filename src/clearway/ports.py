"""What the runtime needs from the outside. One Protocol a need; adapters are named by technology.

The store is transactional and bound to a scope: `work` gets a `Tx` that can see and write rows of that tenant and
environment only, and runs in one transaction that commits when it returns and rolls back when it raises. Write
transactions of one scope are serialised (they lock the head of its audit chain first).
Errors of every method here: `Unavailable` (locked, full, unreachable: nothing was committed, unless the answer to
the commit itself was lost), `Internal`.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from clearway.model.action import Action
from clearway.model.approval import Approval, ApprovalState, Grant, Vote
from clearway.model.chat import ModelAnswer, ModelRequest
from clearway.model.decision import Decision
from clearway.model.event import Event, RecordedEvent
from clearway.model.identity import Principal, Scope
from clearway.model.keys import ApiKey
from clearway.model.ledger import Entry, LedgerState
from clearway.model.run import Run, RunStatus
from clearway.model.run_ref import RunRef
from clearway.model.switch import KillSwitch

T = TypeVar("T")


class Runs(Protocol):
    def insert(self, run: Run) -> None: ...

    def get(self, run_id: str) -> Run | None: ...

    def by_key(self, idempotency_key: str) -> Run | None: ...

    def pulse(self, run_id: str) -> tuple[int, bool] | None:
        """(fence, cancel requested): what a pass checks in each of its transactions."""
        ...

    def update(self, run_id: str, *, fence: int | None = None, fence_to: int | None = None, **values: Any) -> bool:
        """Sets columns by the names of `Run`'s fields; with `fence`, only where it is still that one;
        `fence_to` sets it.

        Returns whether a row was changed."""
        ...

    def list(
        self,
        *,
        status: RunStatus | None = None,
        skill: str | None = None,
        correlation_id: str | None = None,
        limit: int = 50,
        before: tuple[float, str] | None = None,
    ) -> list[Run]:
        """Newest first. `before` is the (created_at, run_id) of the last row of the page before."""
        ...


class Ledger(Protocol):
    def insert(self, entry: Entry) -> None:
        """Errors: `Conflict` (`key_taken`, `business_key_taken`), leaving the transaction usable."""
        ...

    def get(self, key: str) -> Entry | None: ...

    def of_run(self, run_id: str) -> list[Entry]:
        """In order of creation."""
        ...

    def move(
        self,
        key: str,
        *,
        fence: int | None,
        from_states: Iterable[LedgerState],
        fence_to: int | None = None,
        **values: Any,
    ) -> bool:
        """Compare-and-set: sets columns by the names of `Entry`'s fields where the row has this `fence` (None: any)
        and one of these states; `fence_to` sets a new fence. Returns whether it won.

        Errors: `Conflict` (`business_key_taken`), leaving the transaction usable."""
        ...

    def by_business_key(self, tool: str, business_key: str) -> Entry | None:
        """The live row with it: claimed, started, unknown or succeeded."""
        ...

    def list(
        self,
        *,
        state: LedgerState | None = None,
        run_id: str | None = None,
        tool: str | None = None,
        limit: int = 50,
        before: tuple[float, str] | None = None,
    ) -> list[Entry]:
        """Newest first; `before` is the (created_at, key) of the last row of the page before."""
        ...


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


class Switches(Protocol):
    def engaged(self, scopes: Sequence[tuple[str, str]]) -> KillSwitch | None:
        """The first engaged among `(kind, id)`; kinds: global, environment, tenant, agent, tool.

        `global` rows and `environment` rows hold for every tenant."""
        ...

    def put(self, switch: KillSwitch) -> None: ...

    def get(self, kind: str, id: str) -> KillSwitch | None: ...

    def list(self) -> list[KillSwitch]: ...


class Keys(Protocol):
    def insert(self, key: ApiKey) -> None: ...

    def list(self) -> list[ApiKey]: ...

    def revoke(self, key_id: str, at: float) -> bool: ...


class Tx(Protocol):
    """One transaction in one scope."""

    @property
    def scope(self) -> Scope: ...

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

    def scopes(self) -> list[Scope]:
        """Every scope that has an audit chain, for checkpoints and maintenance."""
        ...


class Policy(Protocol):
    def decide(self, action: Action) -> Decision:
        """Pure and fail-closed: any error is a deny. Decides for the agent and for the user it acts for, on each
        target; the strictest wins and obligations are united."""
        ...

    def explain(self, action: Action) -> dict[str, Any]:
        """For people: what each party and target was answered, and which policies determined it. Holds no values."""
        ...


class Sealer(Protocol):
    def seal(self, value: Any, scope: Scope) -> str:
        """Encrypts a JSON value for storage, bound to the scope."""
        ...

    def unseal(self, text: str, scope: Scope) -> Any: ...

    def token(self, value: str, type_name: str, scope: Scope) -> str:
        """A typed, deterministic pseudonym of `value` within a tenant: `<TYPE:1…>`."""
        ...

    def sign(self, message: bytes) -> tuple[str, bytes]:
        """(key id, Ed25519 signature)."""
        ...

    def verify(self, key_id: str, message: bytes, signature: bytes) -> bool:
        """False also where the key is not known."""
        ...

    def public_key(self, key_id: str) -> bytes:
        """32 raw bytes. Errors: `Unavailable` where the key is not here."""
        ...

    def public_keys(self) -> list[bytes]:
        """Of every signing key, retired ones too."""
        ...

    def is_signed(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the holder of `public_key` (32 raw bytes, of whomever) signed `message`."""
        ...


class Engine(Protocol):
    def serve(self, handle_pass: Callable[[RunRef, str], Awaitable[None]]) -> None: ...

    def stop(self, drain_s: float = 10.0) -> None: ...

    def reap(self) -> int: ...

    def prune(self, completed_before_s: float) -> int: ...


class ModelClient(Protocol):
    async def ask(self, request: ModelRequest, on_text: Callable[[str], None] | None = None) -> ModelAnswer:
        """One turn. `on_text` is handed the answer's text piece by piece, as it comes.

        Errors: `Unavailable` (busy, away, slow: asking again may help), `ModelFailed` (the provider will not answer
        this), `ConfigError` (a provider that is not known here, a key that is not set)."""
        ...


class Clock(Protocol):
    """Durations inside a process. TTLs are on the store's clock (`Tx.now`)."""

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class Directory(Protocol):
    """Who is who now. Roles and groups are looked up at each use, so that a removed role bites at once."""

    def find(self, name: str, scope: Scope) -> Principal | None:
        """`user:ID` or `service:ID` with its present roles and groups in the scope; None where it has none there."""
        ...

    def members(self, group: str, scope: Scope) -> frozenset[str]:
        """Names (`user:ID`) of a group's people in the scope."""
        ...
