"""How long a decision takes: `CedarPolicy.decide`, which is two Cedar decisions, for the agent and for the user.

At most 20 policies concern the tool, whatever the size of the set: five for each of four roles. The agent has one of
the roles, the user two; `all_roles` is the worst case, in which both have all four and every policy is evaluated for
both. Each call has another target and other arguments, so no result and no target is ever kept from an earlier call.
`bare` is cedarpy by itself: the same two requests, with the whole set and the principals parsed beforehand.
"""

import json
import time
from collections.abc import Callable, Iterator
from itertools import count

import cedarpy

from clearway.adapters.cedar import CedarPolicy, PolicyFile
from clearway.model.action import Action
from clearway.model.identity import Principal, Scope
from clearway.model.tool import Impact, Target, ToolSpec

SIZES = (1, 100, 1000)
PER_TOOL = 20
ROLES = ("support", "lead", "finance", "auditor")
ROUNDS = 10
CALLS = 500

_SCOPE = Scope("acme", "prod")
_SCHEMA = {
    "type": "object",
    "properties": {
        "account": {"type": "string"},
        "amount_minor": {"type": "integer"},
        "currency": {"enum": ["USD", "EUR"]},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "urgent": {"type": "boolean"},
    },
    "required": ["account", "amount_minor", "currency"],
}


def run() -> dict[str, float]:
    """Figures in microseconds (`…_us_…`) by number of policies, each from the quietest of ten rounds.

    The rounds of all calls take turns, so that other work on the machine hits them alike.
    """
    policies = {size: _policy(size) for size in SIZES}
    some, every = _actions(("support",), ("support", "lead")), _actions(ROLES, ROLES)
    largest = SIZES[-1]
    calls: dict[str, Callable[[], object]] = {f"all_roles_{largest}": lambda: policies[largest].decide(next(every))}
    for size in SIZES:
        calls[f"decide_{size}"] = lambda size=size: policies[size].decide(next(some))
        calls[f"bare_{size}"] = _bare(size)
    measured = _measure(calls)
    figures: dict[str, float] = {}
    for size in SIZES:
        (p50, p99), (bare, _) = measured[f"decide_{size}"], measured[f"bare_{size}"]
        figures |= {
            f"decide_p50_us_{size}": p50,
            f"decide_p99_us_{size}": p99,
            f"cedar_decision_p50_us_{size}": p50 / 2,
            f"cedar_decision_p99_us_{size}": p99 / 2,
            f"bare_p50_us_{size}": bare,
            f"times_bare_{size}": p50 / bare,
            f"decides_per_s_{size}": 1e6 / p50,
        }
    p50, p99 = measured[f"all_roles_{largest}"]
    figures |= {f"all_roles_decide_p50_us_{largest}": p50, f"all_roles_decide_p99_us_{largest}": p99}
    return {name: round(figure, 3) for name, figure in figures.items()}


def _measure(calls: dict[str, Callable[[], object]]) -> dict[str, tuple[float, float]]:
    """(p50, p99) of one call in microseconds, of the round with the lowest p50."""
    best: dict[str, tuple[float, float]] = {}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            times = sorted(_time(call) for _ in range(CALLS))
            figures = times[CALLS // 2] / 1000, times[CALLS * 99 // 100] / 1000
            best[name] = min(figures, best.get(name, figures))
    return best


def _time(call: Callable[[], object]) -> int:
    begin = time.perf_counter_ns()
    call()
    return time.perf_counter_ns() - begin


def _text(size: int) -> str:
    return "\n".join(_one(index, f"tool{index // PER_TOOL}") for index in range(size))


def _one(index: int, tool: str) -> str:
    role, step = ROLES[index % len(ROLES)], index % PER_TOOL // len(ROLES)
    scope = f'(principal in Role::"{role}", action == Action::"{tool}", resource)'
    own = "principal.tenant == resource.tenant"
    amount = f"context.arguments.amount_minor {{}} {(step + 1) * 10000}"
    if step == 1:
        return f'@id("p{index}") forbid {scope} when {{ {amount.format(">")} && context.environment == "dev" }};'
    duty = '@obligation("require_approval") @approvers("finance") ' if step == 2 else ""
    above = amount.format(">" if duty else "<=")
    return f'@id("p{index}") {duty}permit {scope} when {{ context.environment == "prod" && {own} && {above} }};'


def _policy(size: int) -> CedarPolicy:
    tools = {
        f"tool{n}": ToolSpec(f"tool{n}", "", Impact.EXTERNAL, print, dict, _SCHEMA, "sha256:0", lambda _: [])
        for n in range(max(1, size // PER_TOOL))
    }
    policy = CedarPolicy(tools, ["refunds"], ["dev", "prod"], [PolicyFile("bench.cedar", _text(size))])
    if problems := policy.check():
        raise problems[0]
    return policy


def _actions(agent_roles: tuple[str, ...], user_roles: tuple[str, ...]) -> Iterator[Action]:
    agent = Principal("agent", "refunds", _SCOPE, frozenset(agent_roles))
    user = Principal("user", "alice", _SCOPE, frozenset(user_roles))
    for n in count(1):
        arguments = {
            "account": str(n),
            "amount_minor": 100 + n % 5000,
            "currency": "USD",
            "note": "late",
            "urgent": True,
        }
        target = (Target("account", str(n)),)
        yield Action(
            scope=_SCOPE,
            run_id="run",
            step_id="1",
            agent=agent,
            user=user,
            tool="tool0",
            tool_digest="sha256:0",
            impact=Impact.EXTERNAL,
            arguments=arguments,
            shown=arguments,
            targets=target,
            shown_targets=target,
            key="key",
            fingerprint="sha256:0",
            digest="sha256:0",
            reason="asked",
        )


def _bare(size: int) -> Callable[[], object]:
    """The least that cedarpy by itself has to do for one action."""
    policies = cedarpy.PolicySet.from_str(_text(size))
    tenant = {"__entity": {"type": "Tenant", "id": "acme"}}
    roles = {"Agent": ("support",), "User": ("support", "lead")}
    uids = {"Agent": {"type": "Agent", "id": "refunds"}, "User": {"type": "User", "id": "alice"}}
    parents = {type_: [{"type": "Role", "id": role} for role in its] for type_, its in roles.items()}
    base = cedarpy.Entities.from_json_str(
        json.dumps([{"uid": uids[type_], "attrs": {"tenant": tenant}, "parents": parents[type_]} for type_ in uids])
    )
    actions = _actions(("support",), ("support", "lead"))

    def call() -> object:
        action = next(actions)
        target = {"type": "Target", "id": str(action.targets[0])}
        context = {
            "arguments": action.arguments,
            "impact": "external",
            "environment": "prod",
            "reason_given": True,
        }
        attrs = {"kind": "account", "id": action.targets[0].id, "tenant": tenant}
        known = base.with_added_json_str(json.dumps([{"uid": target, "attrs": attrs, "parents": []}]))
        action_uid = {"type": "Action", "id": "tool0"}
        requests = [
            {"principal": uid, "action": action_uid, "resource": target, "context": context} for uid in uids.values()
        ]
        return cedarpy.is_authorized_batch(requests, policies, known)

    return call
