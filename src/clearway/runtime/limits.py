"""Admission: kill switches, rate limits and the retry budget, inside the claiming transaction.

Reservations are part of the transaction: a request that is turned away eats no budget (peers.md, "Traps seen").
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from clearway.model.action import Action
from clearway.model.identity import Scope
from clearway.model.tool import RateLimit
from clearway.ports import Tx

RETRY_BUDGET = 500.0
RETRY_COST = 5.0
TIMEOUT_COST = 10.0
RETRY_REFUND = 1.0
DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a project sets beside the rate limits that tools and skills declare. `tenant_day_steps`: most calls of a
    tenant and environment in one UTC day."""

    system: RateLimit | None = None
    tenant: RateLimit | None = None
    skills: Mapping[str, RateLimit] = field(default_factory=dict[str, RateLimit])
    tools: Mapping[str, RateLimit] = field(default_factory=dict[str, RateLimit])
    tenant_day_steps: int | None = None


class OverLimit(Exception):
    """Rolls the transaction back: nothing was reserved. `wait_s` until it could succeed."""

    def __init__(self, bucket: str, wait_s: float) -> None:
        super().__init__(bucket)
        self.bucket = bucket
        self.wait_s = wait_s


def engaged_switch(tx: Tx, action: Action) -> str | None:
    """Names the kill switch that stops this action, if one does. Read in the transaction that claims it."""
    switch = tx.switches.engaged(switch_scopes(action.scope, action.agent.id, action.tool))
    return None if switch is None else f"{switch.kind} {switch.id}".strip()


def switch_scopes(scope: Scope, agent: str, tool: str) -> list[tuple[str, str]]:
    return [
        ("global", ""),
        ("environment", scope.environment),
        ("tenant", scope.tenant),
        ("agent", agent),
        ("tool", tool),
    ]


def reserve_call(tx: Tx, tool: str, declared: RateLimit | None, limits: Limits) -> None:
    """Takes one call of `tool` from each bucket that holds for it. Errors: `OverLimit`."""
    wanted = [(f"tool:{tool}", declared), (f"tool-set:{tool}", limits.tools.get(tool)), ("calls", limits.tenant)]
    _reserve(tx, wanted)
    if limits.tenant_day_steps is not None:
        day = int(tx.now // DAY_S)
        if tx.limits.add(f"steps:{day}", 1, at_most=limits.tenant_day_steps) is None:
            raise OverLimit("budget of steps a day", (day + 1) * DAY_S - tx.now)


def reserve_run(tx: Tx, skill: str, declared: RateLimit | None, limits: Limits) -> None:
    """Takes one run of `skill` from each bucket that holds for it. Errors: `OverLimit`."""
    wanted = [
        (f"skill:{skill}", declared),
        (f"skill-set:{skill}", limits.skills.get(skill)),
        ("system:runs", limits.system),
    ]
    _reserve(tx, wanted)


def limits_call(declared: RateLimit | None, tool: str, limits: Limits) -> bool:
    """Whether a call of the tool has anything to reserve (a read without costs one commit, with, two)."""
    own = declared is not None or tool in limits.tools
    return own or limits.tenant is not None or limits.tenant_day_steps is not None


def spend_retry(tx: Tx, tool: str, *, timed_out: bool) -> bool:
    """Takes a retry from the dependency's budget; False where it is used up (approvals-idempotency-audit.md §4)."""
    cost = TIMEOUT_COST if timed_out else RETRY_COST
    return tx.limits.take(f"retry:{tool}", cost, capacity=RETRY_BUDGET, refill_per_s=0.0, now=tx.now) is None


def refund_retry(tx: Tx, tool: str, *, retried: bool) -> None:
    """Success gives back: what the retry took, and a little for one that needed none, so that the budget recovers."""
    tx.limits.give(f"retry:{tool}", RETRY_COST if retried else RETRY_REFUND, capacity=RETRY_BUDGET)


def _reserve(tx: Tx, wanted: list[tuple[str, RateLimit | None]]) -> None:
    for bucket, limit in wanted:
        if limit is None:
            continue
        wait = tx.limits.take(
            bucket, 1.0, capacity=float(limit.count), refill_per_s=limit.count / limit.per_s, now=tx.now
        )
        if wait is not None:
            raise OverLimit(bucket, wait)
