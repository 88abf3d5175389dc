"""What a project declares: tools and skills."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from clearway.model.agent import ModelUse
from clearway.model.label import Trust

Arguments = Mapping[str, Any]


class Impact(StrEnum):
    """How much an action can do. Ordered: `read` < `internal_write` < `external`."""

    READ = "read"
    INTERNAL_WRITE = "internal_write"
    EXTERNAL = "external"

    @property
    def rank(self) -> int:
        return ("read", "internal_write", "external").index(self.value)

    @property
    def is_effect(self) -> bool:
        return self is not Impact.READ


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """What an action touches: `kind:id`, belonging to `tenant` (empty: the run's own)."""

    kind: str
    id: str
    tenant: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}" + (f" of tenant {self.tenant}" if self.tenant else "")


@dataclass(frozen=True, slots=True)
class Retry:
    """`attempts` in all (not retries); pauses grow from `base_s` to `max_s` with jitter.

    `transient`: exception types of the tool's own that mean "try again" beside the ones Clearway knows.
    `unavailable_is_unsent`: the other side answers 503 before it executes anything.
    """

    attempts: int = 3
    base_s: float = 0.2
    max_s: float = 5.0
    transient: tuple[type[BaseException], ...] = ()
    unavailable_is_unsent: bool = False


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `count` in `per_s` seconds, as a token bucket of that size."""

    count: int
    per_s: float


@dataclass(frozen=True, slots=True)
class Idempotency:
    """What the other side offers against doubled effects; the ways out of UNKNOWN.

    `remote_dedup_window_s`: it honours the idempotency key for so long, a resend is safe within.
    `lookup(key, arguments)` → `Found`, `NotFound` or `LookupUnavailable`; NotFound counts `settle_delay_s` after it.
    `business_key(arguments)` → str, int or None (no key): the same effect planned anew in another run has the same one.
    """

    remote_dedup_window_s: float | None = None
    lookup: Callable[[str, Arguments], Any] | None = None
    settle_delay_s: float = 0.0
    business_key: Callable[[Arguments], str | int | None] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A lookup's answer: the effect happened. `result` is what the tool would have returned."""

    result: Any = None
    remote_ref: str | None = None


@dataclass(frozen=True, slots=True)
class NotFound:
    """A lookup's answer: the other side has no trace of it."""


@dataclass(frozen=True, slots=True)
class LookupUnavailable:
    """A lookup's answer: could not be asked now."""


@dataclass(frozen=True, slots=True)
class Compensation:
    """Undoes an effect by another tool. `arguments(arguments, result)` → that tool's arguments."""

    tool: str
    arguments: Callable[[Arguments, Any], Arguments]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A declared tool. Made by `clearway.tool`; see there for the meaning of each part.

    `validate(raw)` → canonical arguments with defaults filled, or raises `Invalid`.
    `targets(arguments)` → `["kind:id", Target(…), …]`, may be async and may ask the outside; it is asked at proposal
    and again right before execution. `raises(arguments)` may raise, never lower, the impact of one call.
    `preview(arguments)` → `{"before": …, "after": …}` for approvers, may be async.
    `sensitive`: names or dotted paths of fields, in arguments and results alike, stored as tokens only.
    `digest` covers name, description and schema: another one voids approvals and grants.
    `receives_raw`: further fields in which a token is the value that it stands for when the tool is called; those in
    `sensitive` are among them. `format_keeping`: fields, in arguments and results alike, that are sensitive and are
    shown as a stand-in of their form rather than as a token. `subject`: the argument that names whose data this is.
    `result_trust`: how far what it returns may be relied on, as a whole or by field (`rules.provenance.fields`).
    `consequential`: paths of the arguments that say where an effect goes or how large it is (`recipient`,
    `items[].account`): policy asks where their values come from.
    """

    name: str
    description: str
    impact: Impact
    function: Callable[..., Any]
    validate: Callable[[Arguments], dict[str, Any]]
    schema: Mapping[str, Any]
    digest: str
    targets: Callable[[Arguments], Sequence[str | Target] | Awaitable[Sequence[str | Target]]]
    summary: str = ""
    sensitive: frozenset[str] = frozenset()
    timeout_s: float = 30.0
    min_send_s: float = 0.05
    retry: Retry = field(default_factory=Retry)
    rate_limit: RateLimit | None = None
    idempotency: Idempotency = field(default_factory=Idempotency)
    compensate: Compensation | None = None
    owner: str = ""
    raises: Callable[[Arguments], Impact | None] | None = None
    preview: Callable[[Arguments], Any] | None = None
    takes_context: bool = False
    irreversible: bool = False
    money: tuple[str, str] | None = None
    result_trust: Trust | Mapping[str, Trust] = Trust.UNTRUSTED
    consequential: frozenset[str] = frozenset()
    receives_raw: frozenset[str] = frozenset()
    subject: str = ""
    format_keeping: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SkillSpec:
    """A declared skill: a named capability, with an owner, as an async function over a run.

    `function(run, **canonical)` gives the skill's function typed values. `validate(input, text="")` → canonical input
    with defaults filled, or raises `Invalid`; `text` is the request's, for a skill with a parameter `text` that the
    input leaves out. `schema`: JSON Schema of the input. `models`: None where it asks no model.
    `subject`: the input field that names the person whose data a run is about.
    `request`: whose word the text and input of its requests are: trusted where the caller speaks
    for itself, untrusted where it hands on what others wrote.
    """

    name: str
    description: str
    function: Callable[..., Awaitable[Any]]
    tools: frozenset[str]
    validate: Callable[..., dict[str, Any]]
    schema: Mapping[str, Any] = field(default_factory=dict[str, Any])
    examples: tuple[str, ...] = ()
    owner: str = ""
    keywords: tuple[str, ...] = ()
    sensitive: frozenset[str] = frozenset()
    deadline_s: float = 300.0
    max_steps: int = 100
    rate_limit: RateLimit | None = None
    models: ModelUse | None = None
    file: str = ""
    line: int = 0
    request: Trust = Trust.TRUSTED
    subject: str = ""
