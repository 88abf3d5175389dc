"""What policy says about an action."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Ordered by strictness: `allow` < `hold` < `deny`; of several, the strictest wins."""

    ALLOW = "allow"
    HOLD = "hold"
    DENY = "deny"

    @property
    def rank(self) -> int:
        return ("allow", "hold", "deny").index(self.value)


@dataclass(frozen=True, slots=True, order=True)
class Factor:
    """`n` different people of `group` have to approve."""

    group: str
    n: int


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """What a hold asks for. Several are united: all factors, the larger n, the shorter clocks."""

    factors: tuple[Factor, ...]
    decision_ttl_s: float = 1800.0
    execution_ttl_s: float = 300.0
    escalate_to: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """`policies` are the `@id`s that determined it. `code` is stable: `allowed`, `approval_required`,
    `no_permit`, `forbidden`, `policy_error`, `unknown_obligation`, `tool_not_allowed`, `unlisted_tool`,
    `unknown_environment`, `wrong_tenant`, `schema_mismatch`. `message` is for people and holds no values."""

    verdict: Verdict
    code: str
    policies: tuple[str, ...] = ()
    approval: ApprovalRule | None = None
    message: str = ""
