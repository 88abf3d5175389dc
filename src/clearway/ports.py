"""What the runtime needs from the outside. One Protocol a need; adapters are named by technology.

The store is transactional and bound to a scope: `work` gets a `Tx` that can see and write rows of that tenant and
environment only, and runs in one transaction that commits when it returns and rolls back when it raises. Write
transactions of one scope are serialised (they lock the head of its audit chain first).
Errors of every method here: `Unavailable` (locked, full, unreachable: nothing was committed, unless the answer to
the commit itself was lost), `Internal`.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol, TypeVar

from clearway.model.action import Action
from clearway.model.agent import Cost
from clearway.model.approval import Approval, ApprovalState, Grant, Vote
from clearway.model.chat import ModelAnswer, ModelRequest, Usage
from clearway.model.decision import Decision
from clearway.model.endorsement import Endorsement
from clearway.model.event import Event, RecordedEvent
from clearway.model.history import Happening
from clearway.model.identity import Principal, Scope
from clearway.model.keys import ApiKey
from clearway.model.ledger import Entry, LedgerState
from clearway.model.notice import Notice, Sending
from clearway.model.release import Move, Pointer, Release, Signature
from clearway.model.report import AskedFor, RunTimes
from clearway.model.run import Run, RunStatus
from clearway.model.run_ref import RunRef
from clearway.model.session import Session, SignedInUser
from clearway.model.switch import KillSwitch
from clearway.model.vault import StoredKey, VaultRow

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

    def held_for(self, run_id: str) -> str | None:
        """The group whom its further effects wait for."""
        ...

    def of_release(self, release: str) -> Sequence[Run]:
        """Its runs that have not ended, oldest first."""
        ...

    def list(
        self,
        *,
        status: RunStatus | None = None,
        skill: str | None = None,
        correlation_id: str | None = None,
        held: bool = False,
        limit: int = 50,
        before: tuple[float, str] | None = None,
    ) -> list[Run]:
        """Newest first. `held`: only those that have not ended and whose effects wait for a group. `before` is the
        (created_at, run_id) of the last row of the page before."""
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


class Releases(Protocol):
    """Bundles and their signatures hold for every scope; pointer and moves are the scope's own."""

    def insert(self, release: Release) -> bool:
        """False where this digest is stored already: the same bundle, cut again."""
        ...

    def get(self, digest: str) -> Release | None: ...

    def find(self, start: str) -> list[Release]:
        """Those whose digest begins with `start`; two at most."""
        ...

    def revoke(self, digest: str, at: float, by: str, reason: str) -> bool:
        """False where it is revoked already, or not there."""
        ...

    def reinstate(self, digest: str, votes: Sequence[str], *, done: bool) -> bool:
        """Records who wants the revocation taken back; `done` takes it back. False where it is not revoked."""
        ...

    def sign(self, signature: Signature) -> bool:
        """False where this person has signed it for this duty already."""
        ...

    def signatures(self, digest: str) -> list[Signature]: ...

    def pointer(self) -> Pointer | None:
        """What is in force in this scope; None where nothing was ever promoted."""
        ...

    def move(self, pointer: Pointer, *, kind: str, from_generation: int) -> bool:
        """Compare-and-set of the pointer (0: none was there), with its `Move`. Returns whether it won."""
        ...

    def note_guard(self, generation: int, guard: dict[str, Any]) -> bool:
        """Keeps a canary's evidence. False where the pointer was moved meanwhile."""
        ...

    def moves(self, *, limit: int = 50) -> list[Move]:
        """Newest first."""
        ...

    def list(self, *, limit: int = 50, before: tuple[float, str] | None = None) -> list[Release]:
        """Newest first, without their bundles; `before` is the (created_at, digest) of the last of the page before."""
        ...


class Vault(Protocol):
    """Data keys, and the values behind tokens. What is shredded stays as a row that says so."""

    def add_key(self, key: StoredKey) -> None: ...

    def key(self, key_id: str) -> StoredKey | None: ...

    def keys_of(self, subject: str) -> list[StoredKey]:
        """A person's keys, the live one first; older ones were shredded."""
        ...

    def link(self, subject: str, run_id: str) -> None:
        """Notes that a run has to do with a person. Again is no error."""
        ...

    def runs_of(self, subject: str) -> list[str]: ...

    def file(self, rows: Sequence[VaultRow]) -> None:
        """Inserts; of a row that is there, `seen_at` is set."""
        ...

    def find(self, token: str) -> list[VaultRow]:
        """Every row of a token, whatever key it is under; readable ones first."""
        ...

    def under(self, key_ids: Sequence[str], *, limit: int = 100_000) -> list[VaultRow]:
        """The rows filed under these keys."""
        ...

    def run_keys(self, *, after: str = "", limit: int = 500) -> list[StoredKey]:
        """Live keys of runs and subjects, by id, from behind `after`."""
        ...

    def rewrap(self, key: StoredKey) -> bool:
        """Sets `wrapped` and `kek_id` of a key that is still live."""
        ...

    def shred(self, key_ids: Sequence[str], at: float) -> int:
        """Forgets wrapped keys and every sealed text under them (vault, runs, ledger, approvals); how many keys."""
        ...

    def forget(self, rows: Sequence[VaultRow]) -> int:
        """Forgets single values; how many."""
        ...

    def runs_with(self, tokens: Collection[str]) -> list[tuple[str, frozenset[str]]]:
        """(run, which of `tokens` its shown texts hold), of every run of the scope that holds any."""
        ...

    def unfinished(self, run_ids: Sequence[str]) -> list[str]:
        """Which of them have not ended."""
        ...


class Retention(Protocol):
    """What is old enough to go, by kind of data. Only of runs that have ended before `before`, oldest first."""

    def count(self, kind: str, before: float) -> int:
        """`transcripts` and `payloads`: runs; `vault`: values."""
        ...

    def remove(self, kind: str, before: float, at: float, *, limit: int = 200) -> int:
        """Removes up to `limit`; how many. Audit headers and the chain stay."""
        ...


class Happenings(Protocol):
    """What sequence conditions count. `by`: `run`, `user`, `target` (a token) or `tenant`, and `name` which."""

    def add(self, happenings: Sequence[Happening]) -> None:
        """A row that is there already (a retry's) stays as it is."""
        ...

    def count(self, tool: str, by: str, name: str, since: float, *, but_not: str) -> int:
        """Actions after `since` that happened or may have; `but_not`: the key of one that does not count."""
        ...

    def amounts(self, tool: str, by: str, name: str, since: float, *, but_not: str) -> list[str]:
        """Of the same actions, the sealed amounts."""
        ...


class Endorsements(Protocol):
    def insert(self, endorsement: Endorsement) -> None: ...

    def get(self, endorsement_id: str) -> Endorsement | None: ...

    def in_force(self, run_id: str, user: str, now: float) -> list[Endorsement]:
        """Of this run or of all runs of `user`; not revoked, not expired. Oldest first."""
        ...

    def revoke(self, endorsement_id: str, at: float) -> bool: ...

    def list(self, *, limit: int = 50) -> list[Endorsement]: ...


class Notices(Protocol):
    def put(self, sending: Sending) -> None:
        """Inserts, or replaces that of the same event and channel."""
        ...

    def of_event(self, seq: int) -> list[Sending]: ...

    def newest(self, *, limit: int = 50) -> list[Sending]: ...


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

    def scour(self) -> None:
        """Lets nothing that was removed linger in the database's own log, as far as that is ours to say."""
        ...

    def scopes(self) -> list[Scope]:
        """Every scope that has an audit chain, for checkpoints and maintenance."""
        ...


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


class DataKey(Protocol):
    """An opened data key of a run or a data subject. INVARIANT: lives for one pass or one transaction, so that what is
    erased cannot be opened by whoever opened it before."""

    id: str

    def seal(self, value: Any, context: str = "") -> str:
        """Encrypts a JSON value for storage, bound to the key's id, its scope and `context`."""
        ...

    def unseal(self, text: str, context: str = "") -> Any:
        """Errors: `Internal` (`seal`) where the text was changed or belongs elsewhere."""
        ...


class Sealer(Protocol):
    def seal(self, value: Any, scope: Scope) -> str:
        """Encrypts a JSON value for storage, bound to the scope."""
        ...

    def unseal(self, text: str, scope: Scope) -> Any: ...

    def token(self, value: str, type_name: str, scope: Scope) -> str:
        """A typed, deterministic pseudonym of `value` within a tenant: `<TYPE:1…>`.

        Those by which something is known again (REQUEST, ARGUMENTS, SUBJECT, …) outlive a rotation of the token key."""
        ...

    def new_key(
        self, key_id: str, kind: Literal["run", "subject"], owner: str, scope: Scope
    ) -> tuple[DataKey, StoredKey]:
        """A new data key, opened and as it is stored (without its time)."""
        ...

    def open_key(self, key: StoredKey | None, scope: Scope) -> DataKey:
        """None: of a run that is older than data keys. Errors: `Erased`, `Unavailable` (`seal`), `Internal`."""
        ...

    def rewrap(self, key: StoredKey, scope: Scope) -> StoredKey:
        """Under the active wrapping key; the same where it is already. Errors: as `open_key`."""
        ...

    def rotate(self, purpose: Literal["seal", "token"]) -> str:
        """Makes a new active key; returns its id. Errors: `ConfigError`, `Unavailable` (`keyring`)."""
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


class Prices(Protocol):
    def cost(self, model: str, usage: Usage) -> Cost:
        """What `usage` of `model` (`provider:name`) costs. An unknown model's is unknown, never 0. No network."""
        ...


class NoticeChannel(Protocol):
    def send(self, notice: Notice) -> None:
        """Errors: `Unavailable` (tried again later), `Invalid` and `ConfigError` (for good)."""
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


class Span(Protocol):
    """A piece of work under way, as whoever watches is told of it."""

    def note(self, **facts: Any) -> None:
        """Adds facts: JSON values, shown (tokenized) ones only."""
        ...

    def fail(self, error_type: str) -> None:
        """It went wrong. `error_type`: a code, or the name of a type; never a text."""
        ...


class Telemetry(Protocol):
    """Tells whoever watches, and decides nothing. INVARIANT: it is given shown values only. Never raises."""

    def span(
        self, kind: str, name: str, *, parent: str | None = None, waited_s: float = 0.0, **facts: Any
    ) -> AbstractContextManager[Span]:
        """Opens a span until the `with` ends. `kind`: workflow, agent, chat, tool, route, decision, approval.
        `parent`: W3C traceparent; None is the span at hand. `waited_s`: it began so long ago."""
        ...

    def current(self) -> Span:
        """The innermost open span."""
        ...

    def count(self, metric: str, amount: float = 1.0, **labels: str) -> None:
        """Labels take few values each: no ids of requests, runs or people."""
        ...

    def observe(self, metric: str, value: float, **labels: str) -> None: ...

    def traceparent(self) -> str | None:
        """Of the span at hand, for whoever goes on with it elsewhere."""
        ...

    def close(self) -> None:
        """Sends what is left, for a few seconds at most."""
        ...
