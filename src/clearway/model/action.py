"""A tool call, and what it becomes once: an action."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clearway.model.history import History
from clearway.model.identity import Principal, Scope
from clearway.model.label import Label
from clearway.model.tool import Impact, Target


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a skill or a model proposes. `reason` is the proposer's claim and never decides anything."""

    tool: str
    arguments: dict[str, Any]
    step_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """A tool call, validated, classified, resolved and fingerprinted. Lives in memory only.

    `arguments` and `targets` are raw and canonical, for policy and the tool; `shown` and `shown_targets` are the
    same with sensitive values as tokens, and are what enters every digest and every table.
    `key` is the idempotency key, `fingerprint` covers the arguments,
    `digest` is what an approval binds (approvals-idempotency-audit.md §1).
    `labels`: by argument and by path below it (`items[].id`), where the value came from. INVARIANT: without one it is
    untrusted. `consequential`: the arguments that matter, as the tool declares them. `history`: what happened before.
    `release`: which the run started under. Neither labels, history nor release are part of a digest: the first two are
    looked up anew at each decision, and policy is the one in force.
    """

    scope: Scope
    run_id: str
    step_id: str
    agent: Principal
    user: Principal
    tool: str
    tool_digest: str
    impact: Impact
    arguments: dict[str, Any]
    shown: dict[str, Any]
    targets: tuple[Target, ...]
    shown_targets: tuple[Target, ...]
    key: str
    fingerprint: str
    digest: str
    business_key: str | None = None
    reason: str = ""
    irreversible: bool = False
    labels: Mapping[str, Label] = field(default_factory=dict[str, Label])
    consequential: frozenset[str] = frozenset()
    history: History = field(default_factory=History)
    release: str = ""
