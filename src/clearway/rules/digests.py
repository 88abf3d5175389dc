"""What is bound to what (approvals-idempotency-audit.md §1 and §3).

INVARIANT: arguments enter every digest in their tokenized form, so that no digest can be guessed back to a card number;
neither release nor policy is part of an action's digest, execution decides again under the policy in force.
"""

from collections.abc import Sequence
from typing import Any

from clearway.model.identity import Principal, Scope
from clearway.model.tool import Target
from clearway.rules.canonical import digest


def idempotency_key(scope: Scope, tool: str, run_id: str, step_id: str) -> str:
    """The key of one step's effect. Arguments are not part of it: a step that is worded anew keeps its key."""
    return digest(
        "clearway/key/v1",
        {"tenant": scope.tenant, "environment": scope.environment, "tool": tool, "run": run_id, "step": step_id},
    )


def fingerprint(tool: str, arguments: str) -> str:
    """What a step does, without where it stands: the same act proposed twice has the same fingerprint.

    `arguments`: a keyed token of the canonical arguments as a whole. Field by field they would depend on what the run
    had learned to hide by then, and a replay would not find the same.
    Targets are left out: a replay compares fingerprints, and must not ask the outside again to do so.
    """
    return digest("clearway/fingerprint/v1", {"tool": tool, "arguments": arguments})


def action_digest(  # noqa: PLR0913 - all that it binds
    scope: Scope,
    *,
    agent: Principal,
    user: Principal,
    tool: str,
    tool_digest: str,
    shown: dict[str, Any],
    targets: Sequence[Target],
    run_id: str,
    step_id: str,
    key: str,
) -> str:
    """What an approval binds and what is checked again right before execution."""
    return digest(
        "clearway/action/v1",
        {
            "tenant": scope.tenant,
            "environment": scope.environment,
            "principal": agent.name,
            "on_behalf_of": user.name,
            "tool": tool,
            "tool_digest": tool_digest,
            "arguments": shown,
            "targets": target_list(targets),
            "run": run_id,
            "step": step_id,
            "idempotency_key": key,
        },
    )


def presented_digest(presented: dict[str, Any], bound: str) -> str:
    """Covers all that a person is shown, and the action digest that it stands for."""
    return digest("clearway/presented/v1", {"presented": presented, "action": bound})


def target_list(targets: Sequence[Target]) -> list[dict[str, str]]:
    return [{"kind": t.kind, "id": t.id, "tenant": t.tenant} for t in sorted(targets)]
