"""A comparison of policies, for programs: JSON values only."""

from collections.abc import Mapping
from typing import Any

from clearway.adapters.cedar import CedarPolicy
from clearway.adapters.cedar.policies import LoadedPolicy
from clearway.model.decision import ApprovalRule, Decision
from clearway.model.identity import Principal
from clearway.operate.policy_diff import Finding, PolicyDiff, ToolDiff, may_pass, problems_of

Json = dict[str, Any]


def report(diff: PolicyDiff, old_name: str, new_name: str) -> Json:
    """`{"answer", "passes", "old", "new", "widenings", "narrowings", "others", "actions", "seconds"}`."""
    return {
        "answer": _answer(diff),
        "passes": may_pass(diff),
        "old": _side(diff.old, old_name),
        "new": _side(diff.new, new_name),
        "widenings": [_finding(finding, diff) for finding in diff.widenings],
        "narrowings": [_finding(finding, diff) for finding in diff.narrowings],
        "others": [_finding(finding, diff) for finding in diff.others],
        "actions": [_action(tool) for tool in diff.tools],
        "seconds": round(diff.seconds, 3),
    }


def _answer(diff: PolicyDiff) -> str:
    """Of all actions together, as of one."""
    findings = tuple(finding for tool in diff.tools for finding in tool.findings)
    return ToolDiff("", findings, proved=not diff.not_proven).answer


def _side(policy: CedarPolicy, name: str) -> Json:
    """`problems`: why it denies everything; none where it can be put in force."""
    return {
        "source": name,
        "digest": policy.digest,
        "policies": len(policy.in_force or ()),
        "problems": [str(problem) for problem in problems_of(policy)],
    }


def _finding(finding: Finding, diff: PolicyDiff) -> Json:
    action = finding.action
    labelled = {path: label.trust.value for path, label in sorted(action.labels.items()) if path in action.arguments}
    return {
        "change": finding.change.value,
        "action": action.tool,
        "impact": action.impact.value,
        "request": {
            "user": _principal(action.user),
            "agent": _principal(action.agent),
            "tenant": action.scope.tenant,
            "environment": action.scope.environment,
            "arguments": action.arguments,
            "targets": [
                {"kind": target.kind, "id": target.id, "tenant": target.tenant or action.scope.tenant}
                for target in action.targets
            ],
            "reason_given": bool(action.reason),
            "labels": {
                "trust": labelled,
                "consequential": sorted(action.consequential),
                "sources": {path: list(label.sources) for path, label in action.labels.items() if label.sources},
                "private": sorted({kind for label in action.labels.values() for kind in label.privacy}),
                "other_tenants": sorted({tenant for label in action.labels.values() for tenant in label.tenants}),
            },
            "history": {
                "done": sorted(action.history.done),
                "done_on_target": sorted(action.history.done_on_target),
                "begun": sorted(action.history.begun),
                "count": _told(action.history.counts),
                "sum": {name: told for name, sums in action.history.sums.items() if (told := _told(sums))},
            },
        },
        "old": _decision(finding.old, diff.old),
        "new": _decision(finding.new, diff.new),
        "remarks": list(finding.remarks),
    }


def _told(counts: Mapping[str, int]) -> dict[str, int]:
    return {period: count for period, count in counts.items() if count}


def _principal(principal: Principal) -> Json:
    return {
        "kind": principal.kind,
        "id": principal.id,
        "roles": sorted(principal.roles),
        "groups": sorted(principal.groups),
    }


def _decision(decision: Decision, policy: CedarPolicy) -> Json:
    known = {loaded.id: loaded for loaded in policy.in_force or ()}
    return {
        "verdict": decision.verdict.value,
        "code": decision.code,
        "policies": [_policy(known.get(id_), id_) for id_ in decision.policies],
        "approval": None if decision.approval is None else _approval(decision.approval),
    }


def _policy(loaded: LoadedPolicy | None, id_: str) -> Json:
    return {"id": id_, "place": "" if loaded is None else f"{loaded.file}:{loaded.line}"}


def _approval(rule: ApprovalRule) -> Json:
    return {
        "approvers": [[factor.group, factor.n] for factor in rule.factors],
        "decision_ttl_s": rule.decision_ttl_s,
        "execution_ttl_s": rule.execution_ttl_s,
        "escalate_to": rule.escalate_to,
    }


def _action(tool: ToolDiff) -> Json:
    outside = [{"policy": part.policy, "place": f"{part.file}:{part.line}", "what": part.what} for part in tool.outside]
    return {
        "action": tool.tool,
        "answer": tool.answer,
        "proved": tool.proved,
        "reasons": list(tool.reasons),
        "outside": outside,
        "refuted": [change.value for change in tool.refuted],
    }
