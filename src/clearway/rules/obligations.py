"""Duties attached to a policy, written as its annotations.

::

    @id("refund-large") @owner("finance") @description("Large refunds wait for finance")
    @obligation("require_approval")      the one known duty; several would be separated by commas
    @approvers("finance:2, security:1")  groups, and how many different people of each; 1 where not said
    @quorum("2")                         instead of ":2", where there is one group only
    @decision_ttl("30m")                 how long people have to decide          30m where not said
    @execution_ttl("5m")                 how long the action may run afterwards  5m where not said
    @escalate_to("directors")            who is told at half the decision_ttl

Durations are whole numbers of seconds, minutes or hours: `45s`, `30m`, `4h`.

INVARIANT: nothing here guesses. A duty, an annotation or a number that is not understood is an error: at load a
`ConfigError`, at decision time a deny (approvals-idempotency-audit.md §2, OWASP LLM06).
"""

import difflib
import re
from collections.abc import Mapping, Sequence

from clearway.model.decision import ApprovalRule, Factor
from clearway.model.errors import ConfigError

REQUIRE_APPROVAL = "require_approval"
PLAIN = frozenset({"id", "owner", "description"})
#: Annotations that shape an approval; they mean nothing without the obligation.
SHAPING = frozenset({"approvers", "quorum", "decision_ttl", "execution_ttl", "escalate_to"})
KNOWN = PLAIN | SHAPING | {"obligation"}

DECISION_TTL_S = 1800.0
EXECUTION_TTL_S = 300.0

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_COUNT = re.compile(r"[1-9][0-9]?\Z")
_DURATION = re.compile(r"([1-9][0-9]{0,5})([smh])\Z")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def parse(annotations: Mapping[str, str]) -> ApprovalRule | None:
    """What a permit with these annotations asks for before the action may run; None: nothing.

    Errors: `ConfigError` without file and line, its message beginning with the annotation at fault (`@quorum …`).
    """
    for name in sorted(annotations):
        if name not in KNOWN:
            raise ConfigError(f"@{name} is not a known annotation.", remedy=_did_you_mean(name, KNOWN))
    duties = _duties(annotations)
    shaping = sorted(SHAPING & annotations.keys())
    if REQUIRE_APPROVAL not in duties:
        if shaping:
            raise ConfigError(
                f'@{shaping[0]} stands without @obligation("{REQUIRE_APPROVAL}").',
                remedy=f'Add @obligation("{REQUIRE_APPROVAL}"), or remove @{shaping[0]}.',
            )
        return None
    if "approvers" not in annotations:
        raise ConfigError(
            f'@obligation("{REQUIRE_APPROVAL}") does not say who approves.',
            remedy='Add, for instance, @approvers("finance").',
        )
    escalate_to = annotations.get("escalate_to")
    if escalate_to is not None and not _NAME.match(escalate_to):
        raise ConfigError(
            "@escalate_to does not name a group.", remedy='Write, for instance, @escalate_to("directors").'
        )
    return ApprovalRule(
        factors=_factors(annotations["approvers"], annotations.get("quorum")),
        decision_ttl_s=_duration(annotations, "decision_ttl", DECISION_TTL_S),
        execution_ttl_s=_duration(annotations, "execution_ttl", EXECUTION_TTL_S),
        escalate_to=escalate_to,
    )


def unite(rules: Sequence[ApprovalRule]) -> ApprovalRule:
    """The strictest of all: every group, the larger number of people of each, the shorter clocks.

    Escalates to the group of the rule with the shortest `decision_ttl` that names one. `rules` is not empty.
    """
    people: dict[str, int] = {}
    for factor in (factor for rule in rules for factor in rule.factors):
        people[factor.group] = max(factor.n, people.get(factor.group, 0))
    escalations = sorted((rule.decision_ttl_s, rule.escalate_to) for rule in rules if rule.escalate_to is not None)
    return ApprovalRule(
        factors=tuple(Factor(group, n) for group, n in sorted(people.items())),
        decision_ttl_s=min(rule.decision_ttl_s for rule in rules),
        execution_ttl_s=min(rule.execution_ttl_s for rule in rules),
        escalate_to=escalations[0][1] if escalations else None,
    )


def describe(rule: ApprovalRule) -> str:
    """Who has to approve, for people: `finance (2) and security`."""
    groups = [f"{factor.group} ({factor.n})" if factor.n > 1 else factor.group for factor in rule.factors]
    return groups[0] if len(groups) == 1 else ", ".join(groups[:-1]) + " and " + groups[-1]


def _duties(annotations: Mapping[str, str]) -> frozenset[str]:
    if "obligation" not in annotations:
        return frozenset()
    duties = [duty.strip() for duty in annotations["obligation"].split(",")]
    for duty in duties:
        if duty != REQUIRE_APPROVAL:
            raise ConfigError(
                f'@obligation names "{duty}", which is not a known obligation.',
                remedy=f'Write @obligation("{REQUIRE_APPROVAL}"), the only one there is.',
            )
    return frozenset(duties)


def _factors(approvers: str, quorum: str | None) -> tuple[Factor, ...]:
    factors: dict[str, Factor] = {}
    for entry in approvers.split(","):
        group, colon, count = (part.strip() for part in entry.partition(":"))
        if not _NAME.match(group) or (colon and not _COUNT.match(count)):
            raise ConfigError(
                "@approvers is not a list of groups and numbers of people (1 to 99).",
                remedy='Write, for instance, @approvers("finance:2, security:1").',
            )
        if group in factors:
            raise ConfigError(f"@approvers names {group} twice.", remedy="Name each group once.")
        factors[group] = Factor(group, int(count) if colon else 1)
    if quorum is not None:
        if len(factors) > 1 or ":" in approvers:
            raise ConfigError(
                "@quorum applies to a single group that has no number of its own.",
                remedy='Remove @quorum and write @approvers("finance:2, security:1").',
            )
        if not _COUNT.match(quorum):
            raise ConfigError(
                "@quorum is not a number of people (1 to 99).", remedy='Write, for instance, @quorum("2").'
            )
        (group,) = factors
        factors[group] = Factor(group, int(quorum))
    return tuple(sorted(factors.values()))


def _duration(annotations: Mapping[str, str], name: str, otherwise: float) -> float:
    if name not in annotations:
        return otherwise
    match = _DURATION.match(annotations[name])
    if match is None:
        raise ConfigError(f"@{name} is not a duration.", remedy=f'Write seconds, minutes or hours: @{name}("30m").')
    return int(match[1]) * _SECONDS[match[2]]


def _did_you_mean(name: str, known: frozenset[str]) -> str:
    close = difflib.get_close_matches(name.lower(), sorted(known), n=1)
    listed = ", ".join(f"@{one}" for one in sorted(known))
    return f"Did you mean @{close[0]}?" if close else f"Known are {listed}."
