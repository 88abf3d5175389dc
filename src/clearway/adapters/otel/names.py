"""Clearway's own telemetry schema: stable, and documented in docs/reference/telemetry.md."""

from typing import Any, NamedTuple

SCOPE = "clearway"

#: Kind of span → what its name begins with; the name of the skill, model or tool follows, where there is one.
SPANS = {
    "workflow": "invoke_workflow",
    "agent": "invoke_agent",
    "chat": "chat",
    "tool": "execute_tool",
    "route": "clearway.route",
    "decision": "clearway.policy_decision",
    "approval": "clearway.approval",
}
#: Spans of calls that leave the process.
CLIENTS = frozenset({"chat"})
#: Named by their operation alone: their tool is an attribute.
UNNAMED = frozenset({"route", "decision", "approval"})

#: Facts whose attribute is not just `clearway.` and their name.
_ATTRIBUTES = {
    "release_digest": "clearway.release.digest",
    "canary_arm": "clearway.canary.arm",
    "skill": "clearway.skill.name",
    "cost_usd": "clearway.cost.usd",
    "cost_basis": "clearway.cost.basis",
    "pass_number": "clearway.pass",
    "tool": "clearway.tool.name",
    "call_id": "clearway.step_id",
    "approval_id": "clearway.approval.id",
    "wait_s": "clearway.approval.wait_s",
    "approvers": "clearway.approval.approvers",
    "router": "clearway.route.router",
    "candidates": "clearway.route.candidates",
    "score": "clearway.route.score",
    "threshold": "clearway.route.threshold",
    "policies": "clearway.decision.policies",
    "decision": "clearway.decision.verdict",
    "reasons": "clearway.decision.reasons",
    "obligations": "clearway.decision.obligations",
    "server": "server.address",
}
#: Facts that only the conventions have a name for.
_THEIRS = frozenset(
    {
        "tool_type", "arguments", "result", "provider", "model", "answered_by", "response_id", "finish_reasons",
        "input_tokens", "output_tokens", "cached_input_tokens", "max_output_tokens", "temperature", "agent_id",
        "agent_version",
    }
)  # fmt: skip
#: What a call was given and gave back, tokenized: only where the project asks for it.
CONTENT = frozenset({"arguments", "result"})
ERROR_TYPE = "error.type"


class Metric(NamedTuple):
    """`kind`: counter or histogram."""

    kind: str
    unit: str
    says: str


METRICS: dict[str, Metric] = {
    "runs": Metric("counter", "{run}", "Runs that ended, by status and skill."),
    "routes": Metric("counter", "{request}", "Requests that were given a skill, by router."),
    "decisions": Metric("counter", "{decision}", "Policy decisions, by verdict and tool."),
    "approvals": Metric("counter", "{approval}", "Approvals asked for and answered, by status."),
    "unknown": Metric("counter", "{effect}", "Effects whose outcome is unknown, by tool."),
    "tokens": Metric("counter", "{token}", "Tokens, by direction and model."),
    "cost": Metric("counter", "{USD}", "What models cost, by model and basis."),
    "step.duration": Metric("histogram", "s", "Attempts at tool calls, by tool and outcome."),
    "approval.wait": Metric("histogram", "s", "From the asking to the answer, by status."),
}
#: Read from the store when asked for: (name, what it says).
GAUGES = {
    "approvals.pending": "Approvals that wait for people, by environment.",
    "effects.unknown": "Effects that are in doubt now, by environment.",
}
#: Seconds.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)


def attributes(facts: dict[str, Any]) -> dict[str, Any]:
    """What our schema calls the facts; `arguments` and the like it leaves to the conventions."""
    return {_ATTRIBUTES.get(fact, f"clearway.{fact}"): value for fact, value in facts.items() if fact not in _THEIRS}
