"""What goes over the wire, for the OpenAPI document and for checking what is sent.

Answers are written from the records of `clearway.operate.records`; these classes describe them, and a test compares
the two. Bodies take no key that is not declared.
"""

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

D = TypeVar("D")

Id = Annotated[str, Field(min_length=1, max_length=200)]
Reason = Annotated[str, Field(min_length=1, max_length=4_000)]
Text = Annotated[str, Field(max_length=4_000)]
Object = dict[str, Any]


class Body(BaseModel):
    """What is sent."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Shown(BaseModel):
    """What is answered. Later versions may add keys."""

    model_config = ConfigDict(extra="allow")


class Envelope(BaseModel, Generic[D]):
    """Every answer but a problem: its kind, and its data. The same as the command line's `--json`."""

    clearway: Literal["v1"] = "v1"
    kind: str
    data: D


class Page(BaseModel, Generic[D]):
    """`next`: what `cursor` takes for the page behind, or null. Newest first."""

    items: list[D]
    next: str | None


class Problem(Shown):
    """RFC 9457. `code` is stable: docs/reference/errors.md."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    remedy: str
    retryable: bool
    instance: str


class StartRun(Body):
    text: Annotated[str, Field(max_length=100_000)] = ""
    skill: Annotated[str, Field(max_length=200)] | None = None
    input: Object = {}
    role: Annotated[str, Field(max_length=200)] | None = None
    subject: Annotated[str, Field(max_length=200)] | None = None


class WithReason(Body):
    reason: Reason


class Approve(Body):
    """`presented_digest`: of what was shown (`GET /v1/approvals/{id}`); another one is a conflict."""

    presented_digest: Annotated[str, Field(max_length=100)]
    comment: Text = ""
    break_glass: bool = False


class Reject(Body):
    presented_digest: Annotated[str, Field(max_length=100)]
    comment: Reason


class Edit(Body):
    """`arguments`: all of them. It makes a new action, decided from the start."""

    arguments: Object
    comment: Reason


class Endorse(Body):
    """`argument`: the one whose value is vouched for; in this run, or in all runs for its user."""

    argument: Id
    presented_digest: Annotated[str, Field(max_length=100)]
    for_user: bool = False
    ttl_s: Annotated[float, Field(gt=0, le=31_536_000)] | None = None
    comment: Text = ""


class Reveal(Body):
    """`token`: as the shown records have it."""

    token: Id
    reason: Reason


class Erase(Body):
    """`subject`: id of the person whose data goes."""

    subject: Id
    reason: Reason
    dry_run: bool = False


class Retain(Body):
    dry_run: bool = False


class Rotate(Body):
    purpose: Literal["seal", "token"]
    only_rewrap: bool = False


class Resolve(Body):
    """`result`: what the tool would have returned."""

    happened: bool
    reason: Reason
    remote_ref: Text | None = None
    result: Any = None


class Verify(Body):
    """`checkpoint`: one that was kept elsewhere; `public_key`: 32 bytes in base64."""

    checkpoint: Annotated[str, Field(max_length=10_000)] | None = None
    public_key: Annotated[str, Field(max_length=100)] | None = None


class Export(Body):
    """`after`: number of the last event that is there already."""

    after: Annotated[int, Field(ge=0, lt=2**53)] = 0
    limit: Annotated[int, Field(ge=1, le=5_000)] = 5_000


class Prove(Body):
    seq: Annotated[int, Field(ge=1, lt=2**53)]


class Explain(Body):
    tool: Id
    arguments: Object = {}
    agent: Annotated[str, Field(max_length=200)] | None = None
    user: Annotated[str, Field(max_length=200)] | None = None
    role: Annotated[str, Field(max_length=200)] | None = None


class Switch(Body):
    """`id`: of the tool or agent, of one's own tenant or environment; empty for `global`."""

    kind: Literal["global", "environment", "tenant", "agent", "tool"]
    id: Annotated[str, Field(max_length=200)] = ""
    reason: Reason


class AskGrant(Body):
    tool: Id
    targets: Annotated[list[Id], Field(min_length=1, max_length=100)]
    bounds: Object
    max_uses: Annotated[int, Field(ge=1, lt=2**31)] = 1
    ttl_s: Annotated[float, Field(gt=0, le=86_400)] = 900.0
    reason: Reason


class TryNotices(Body):
    """`channel`: as clearway.toml names it; null is each."""

    channel: Annotated[str, Field(max_length=63)] | None = None


class CreateKey(Body):
    subject: Id
    days: Annotated[int, Field(ge=1, le=90)] = 30


class SignIn(Body):
    """`token`: the one that `clearway serve` printed, once. `user`: a declared one, environment dev."""

    token: Annotated[str, Field(max_length=200)]
    user: Id


class Acting(Body):
    user: Id


class RunLine(Shown):
    run_id: str
    status: str
    skill: str
    user: str | None
    created_at: str
    finished_at: str | None
    request_id: str
    correlation_id: str
    failure_code: str | None


class StartedRun(RunLine):
    new: bool
    route: Object


class RunRecord(RunLine):
    idempotency_key: str
    principal: Object
    route: Object
    release: str
    input: Any
    result: Any
    failure: Object | None
    owner: str
    held: Object | None
    code_missing: str | None
    no_worker: bool
    cost: Object
    steps: list[Object]
    approvals: list[Object]
    events: list[Object]


class CutRelease(Body):
    note: Reason


class ImportRelease(CutRelease):
    """`bundle`: base64 of what `release export` wrote."""

    bundle: str


class DiffRelease(Body):
    """`against`: a release; null is the one in force. `replay_days`: decide the calls of so many days again."""

    against: str | None = None
    replay_days: Annotated[float, Field(ge=0, le=366)] = 0.0
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 60.0


class PolicyChange(Body):
    """Policy files before and after, each by the SHA-256 of its text: `sha256:` and 64 digits."""

    old: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=10_000)]
    new: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=10_000)]


class SignRelease(Body):
    reason: Reason
    duty: str | None = None


class MoveRelease(Body):
    """`seen`: number of the last move that the caller has looked at; another one by now is a conflict."""

    reason: Reason
    seen: Annotated[int, Field(ge=0, lt=2**53)] | None = None


class Canary(MoveRelease):
    share: float
    route_shift: float = 0.02
    promote_after: int | None = None


class Rollback(MoveRelease):
    to: str | None = None
    runs: Literal["leave", "cancel", "hold"] = "leave"


class Unhold(Body):
    """`cancel`: ends the run instead of letting it go on."""

    reason: Reason
    cancel: bool = False


class RunStatusShown(Shown):
    run_id: str
    status: str
    final: bool
    steps: list[list[str]]
    pending_approvals: list[str]


class ApprovalLine(Shown):
    approval_id: str
    state: str
    summary: str | None
    tool: str
    impact: str
    run_id: str
    step: str
    kind: str
    requester: str
    requested_at: str
    expires_at: str
    decided_at: str | None
    note: str


class ApprovalRecord(ApprovalLine):
    presented: Object
    presented_digest: str
    action_digest: str
    policies: list[str]
    factors: list[Object]
    votes: list[Object]


class EntryRecord(Shown):
    key: str
    run_id: str
    step: str
    tool: str
    state: str
    attempts: int
    ways_out: list[str]


class Me(Shown):
    name: str
    kind: str
    id: str
    subject: str
    tenant: str
    environment: str
    roles: list[str]
    groups: list[str]
    authenticated_by: str
