"""What people and programs read: runs, approvals, ledger rows, as JSON. Tokenized; nothing here opens a seal.

The execution record answers, for every ending: what happened, where did it fail, who owns the fix.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from clearway.model.approval import Approval, Grant, Vote
from clearway.model.endorsement import Endorsement
from clearway.model.event import RecordedEvent
from clearway.model.ledger import Entry
from clearway.model.run import Run
from clearway.model.switch import KillSwitch
from clearway.model.tool import SkillSpec, ToolSpec
from clearway.rules.chain import rfc3339
from clearway.rules.turn import in_order
from clearway.rules.two_people import people
from clearway.rules.voting import fill

Json = dict[str, Any]

#: Nothing to price is said as such, never as a bare 0.
NO_MODEL: Json = {"input_tokens": 0, "output_tokens": 0, "usd": 0, "basis": "no model call was made"}


def run_line(run: Run) -> Json:
    """A run in a list."""
    return {
        "run_id": run.run_id,
        "status": run.status.value,
        "skill": run.skill,
        "user": run.principal.get("user"),
        "created_at": rfc3339(run.created_at),
        "finished_at": _time(run.finished_at),
        "request_id": run.request_id,
        "correlation_id": run.correlation_id,
        "failure_code": (run.failure or {}).get("code"),
    }


def run_record(
    run: Run,
    entries: list[Entry],
    approvals: list[Approval],
    events: list[RecordedEvent],
    tools: Mapping[str, ToolSpec],
    skills: Mapping[str, SkillSpec],
    votes: Mapping[str, list[Vote]],
) -> Json:
    """The execution record of one run. `votes`: by approval."""
    skill = skills.get(run.skill)
    latency = None if run.finished_at is None else round(run.finished_at - run.created_at, 6)
    return {
        **run_line(run),
        "idempotency_key": run.idempotency_key,
        "principal": run.principal,
        "route": run.route,
        "release": run.release,
        "input": run.shown_input,
        "result": run.shown_result,
        "failure": run.failure,
        "owner": (run.failure or {}).get("owner") or (skill.owner if skill and skill.owner else "unowned"),
        "latency_s": latency,
        "working_s": round(run.spent_s, 6),
        "cost": cost_record(entries),
        "cancel_requested": run.cancel_requested,
        "held": held_record(run, events),
        "passes": run.fence,
        "steps": [step_record(entry, tools) for entry in in_order(entries)],
        "approvals": [{**approval_line(a), "votes": _shown_votes(votes.get(a.approval_id, []))} for a in approvals],
        "events": [{"seq": e.seq, "at": e.at, "kind": e.kind, "step": e.step_id, "payload": e.payload} for e in events],
    }


def held_record(run: Run, events: list[RecordedEvent]) -> Json | None:
    """Whom its further effects wait for, since when, and who rolled its release back. None where it is not held, or has
    ended. `since` and `by` are null where the event is gone, or of an earlier version."""
    if run.held_for is None or run.status.is_final:
        return None
    event = next((event for event in reversed(events) if event.kind == "run.held"), None)
    payload = (event.payload if event else None) or {}
    return {
        "for": run.held_for,
        "since": event.at if event else None,
        **{name: payload.get(name) for name in ("by", "release", "reason")},
    }


def cost_record(entries: list[Entry]) -> Json:
    """Tokens and dollars of a run's turns. `usd` is None where a price is not known: it is never guessed. `lost`: what
    asks without an answer may have cost besides (a lost worker, a time-out), as it was reserved."""
    details = [entry.detail or {} for entry in entries if entry.kind == "turn"]
    if not details:
        return NO_MODEL
    answered = [detail for detail in details if "usage" in detail]
    prices = [detail["usd"] for detail in answered]
    lost = [detail["lost"] for detail in details if detail.get("lost")]
    bases = sorted({str(detail["cost_basis"]) for detail in answered})
    return {
        "turns": len(answered),
        "input_tokens": sum(int(detail["usage"]["input"]) for detail in answered),
        "output_tokens": sum(int(detail["usage"]["output"]) for detail in answered),
        "usd": None if None in prices else round(sum(prices), 6),
        "basis": "; ".join(bases) or "no model answered",
        "lost_tokens": sum(int(one["tokens"]) for one in lost),
        "lost_usd": round(sum(int(one["micro_usd"]) for one in lost) / 1e6, 6),
    }


def turn_record(entry: Entry) -> Json:
    """What a step record has besides where the step is a model's turn."""
    detail = entry.detail or {}
    names = ("model", "provider_model", "finish_reason", "usage", "usage_basis", "usd", "cost_basis", "tries")
    return {"turn": {name: detail.get(name) for name in names}} if entry.kind == "turn" else {}


def step_record(entry: Entry, tools: Mapping[str, ToolSpec]) -> Json:
    """One step: what was called, how it ended, how long it took."""
    spec, detail = tools.get(entry.tool), entry.detail or {}
    return {
        "step": entry.step_id,
        "kind": entry.kind,
        "tool": entry.tool,
        "impact": entry.impact,
        "state": entry.state.value,
        "attempts": entry.attempt,
        "latency_s": None if entry.duration_s is None else round(entry.duration_s, 6),
        "arguments": entry.shown_arguments,
        "targets": list(entry.targets),
        "labels": entry.labels,
        "result": entry.shown_result,
        "code": detail.get("code"),
        "message": detail.get("message"),
        "policies": detail.get("policies", []),
        "resolved_by": detail.get("resolved_by"),
        "resolved_at": detail.get("resolved_at"),
        "approval": entry.approval_id,
        "grant": entry.grant_id,
        "key": entry.key,
        "owner": spec.owner if spec and spec.owner else "unowned",
        "at": rfc3339(entry.created_at),
        **turn_record(entry),
    }


def entry_record(entry: Entry, tools: Mapping[str, ToolSpec]) -> Json:
    """A ledger row."""
    spec = tools.get(entry.tool)
    ways = (
        []
        if spec is None
        else [
            *(["resend with the same key"] if spec.idempotency.remote_dedup_window_s else []),
            *(["lookup"] if spec.idempotency.lookup else []),
            "a person (clearway ledger resolve)",
        ]
    )
    return {
        **step_record(entry, tools),
        "run_id": entry.run_id,
        "fence": entry.fence,
        "remote_ref": entry.remote_ref,
        "fingerprint": entry.fingerprint,
        "has_business_key": entry.business_key is not None,
        "first_sent_at": _time(entry.first_sent_at),
        "lease_until": _time(entry.lease_until),
        "updated_at": rfc3339(entry.updated_at),
        "ways_out": ways if entry.state.value == "unknown" else [],
        "detail": entry.detail,
    }


def approval_line(approval: Approval) -> Json:
    """An approval in a list."""
    return {
        "approval_id": approval.approval_id,
        "state": approval.state.value,
        "summary": approval.presented.get("summary"),
        "tool": approval.tool,
        "impact": approval.impact,
        "run_id": approval.run_id,
        "step": approval.step_id,
        "kind": approval.kind,
        "requester": approval.requester,
        "requested_at": rfc3339(approval.requested_at),
        "expires_at": rfc3339(approval.expires_at),
        "decided_at": _time(approval.decided_at),
        "note": approval.note,
    }


def approval_record(approval: Approval, votes: list[Vote]) -> Json:
    """An approval as it is shown to the people who decide."""
    filled = fill(approval.factors, votes)
    return {
        **approval_line(approval),
        "presented": approval.presented,
        "presented_digest": approval.presented_digest,
        "action_digest": approval.action_digest,
        "policies": list(approval.policies),
        "factors": [{"group": f.group, "needed": f.n, "given": filled[f.group]} for f in approval.factors],
        "excluded": list(approval.excluded),
        "escalate_to": approval.escalate_to,
        "escalate_at": _time(approval.escalate_at),
        "escalated_at": _time(approval.escalated_at),
        "execute_by": _time(approval.execute_by),
        "replaces": approval.replaces,
        "votes": _shown_votes(votes),
    }


def _shown_votes(votes: list[Vote]) -> list[Json]:
    return [{**asdict(vote), "at": rfc3339(vote.at)} for vote in votes]


def switch_record(switch: KillSwitch) -> Json:
    """A kill switch, engaged or not."""
    return {**asdict(switch), "at": rfc3339(switch.at), "release_votes": list(people(switch.release_votes))}


def endorsement_record(row: Endorsement) -> Json:
    """An endorsement: whose word, for which argument, where and until when. The value is nowhere."""
    return {
        "endorsement_id": row.endorsement_id,
        "approval_id": row.approval_id,
        "argument": row.argument,
        "scope": "run" if row.run_id else "user",
        "run_id": row.run_id or None,
        "user": row.user,
        "by": row.by,
        "factor": row.factor,
        "comment": row.comment,
        "at": rfc3339(row.at),
        "expires_at": rfc3339(row.expires_at),
        "revoked_at": _time(row.revoked_at),
    }


def grant_record(grant: Grant) -> Json:
    """A grant, in force or over."""
    return {**asdict(grant), "targets": list(grant.targets), "expires_at": rfc3339(grant.expires_at)}


def _time(at: float | None) -> str | None:
    return None if at is None else rfc3339(at)
