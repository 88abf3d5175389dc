"""Holding an action for people: asking them, and looking at where their answer stands."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import uuid4

from clearway.model.action import Action
from clearway.model.approval import Approval, ApprovalState
from clearway.model.decision import ApprovalRule, Decision
from clearway.model.event import Event
from clearway.model.ledger import Entry, LedgerState
from clearway.model.tool import ToolSpec
from clearway.ports import Tx
from clearway.rules.digests import presented_digest
from clearway.runtime import labels
from clearway.runtime.carry import Carry, Overtaken
from clearway.runtime.present import present
from clearway.runtime.transitions import new_entry


class Answer(StrEnum):
    """Where an approval stands when its step looks at it."""

    PENDING = "pending"
    GO = "go"
    REFUSED = "refused"
    ANEW = "anew"


@dataclass(frozen=True, slots=True)
class Standing:
    """`why` is a stable code: `rejected`, `approval_expired`, `cancelled`, or what drifted. `approval`: as it is."""

    answer: Answer
    approval: Approval
    why: str = ""


def ask(  # noqa: PLR0913 - all that an approval is made of
    tx: Tx,
    at: Carry,
    spec: ToolSpec,
    action: Action,
    decision: Decision,
    preview: Any,
    sealed: str,
    entry: Entry | None,
    kind: str = "call",
) -> tuple[Entry, Approval]:
    """Stores the held step, the request for approval and its timers in one transaction."""
    at.check_fence(tx)
    rule = decision.approval or ApprovalRule(())
    asked_before = tx.approvals.for_step(action.run_id, action.step_id)
    shown = present(spec, action, decision.policies, preview)
    detail = (entry.detail or {}) if entry else {}
    editor = detail.get("edited_by")
    approval = Approval(
        approval_id=f"apr_{uuid4().hex[:20]}",
        run_id=action.run_id,
        step_id=action.step_id,
        kind="action",
        tool=action.tool,
        tool_digest=action.tool_digest,
        impact=action.impact.value,
        action_digest=action.digest,
        presented=shown,
        presented_digest=presented_digest(shown, action.digest),
        factors=rule.factors,
        policies=decision.policies,
        state=ApprovalState.PENDING,
        requester=editor or action.user.name,
        excluded=tuple(sorted(interested(at, action, detail))),
        requested_at=tx.now,
        expires_at=tx.now + rule.decision_ttl_s,
        execution_ttl_s=rule.execution_ttl_s,
        arguments=sealed,
        escalate_to=rule.escalate_to,
        escalate_at=tx.now + rule.decision_ttl_s / 2,
        replaces=asked_before[-1].approval_id if asked_before else None,
    )
    tx.approvals.insert(approval)
    entry = _held_row(tx, at, action, approval, sealed, entry, kind)
    tx.audit.append(
        [
            Event(
                "approval.requested",
                {
                    "approval": approval.approval_id,
                    "tool": action.tool,
                    "impact": action.impact.value,
                    "presented": shown,
                    "presented_digest": approval.presented_digest,
                    "action_digest": action.digest,
                    "factors": [[f.group, f.n] for f in rule.factors],
                    "expires_at": approval.expires_at,
                },
                action.run_id,
                action.step_id,
            )
        ]
    )
    for name, delay in (("escalate", rule.decision_ttl_s / 2), ("expire", rule.decision_ttl_s)):
        tx.wake(action.run_id, f"{approval.approval_id}.{name}", delay_s=delay + 0.05)
    return entry, approval


def _held_row(
    tx: Tx, at: Carry, action: Action, approval: Approval, sealed: str, entry: Entry | None, kind: str
) -> Entry:
    if entry is None:
        entry = new_entry(
            action, LedgerState.HELD, at, tx.now, kind=kind, approval_id=approval.approval_id, arguments=sealed
        )
        tx.ledger.insert(entry)
        return entry
    values: dict[str, Any] = {
        "state": LedgerState.HELD,
        "impact": action.impact.value,
        "approval_id": approval.approval_id,
        "arguments": sealed,
        "updated_at": tx.now,
        "shown_arguments": action.shown,
        "labels": labels.as_json(labels.without_endorsements(action.labels)),
        "targets": tuple(map(str, action.shown_targets)),
        "fingerprint": action.fingerprint,
        "action_digest": action.digest,
    }
    if not tx.ledger.move(
        entry.key,
        fence=entry.fence,
        from_states={LedgerState.HELD, LedgerState.FAILED_RETRYABLE},
        fence_to=at.fence,
        **values,
    ):
        raise Overtaken("This step was changed by somebody else.")
    return replace(entry, fence=at.fence, **values)


def interested(at: Carry, action: Action, detail: dict[str, Any]) -> frozenset[str]:
    """Whose own act this is, so that they cannot approve it: the user, and whoever edited the arguments."""
    if not at.separates_duties:
        return frozenset()
    return frozenset({action.user.subject, *map(str, detail.get("editors", []))})


def look(tx: Tx, at: Carry, step_id: str, approval_id: str) -> Standing | None:
    """What the answer is now, with both clocks applied. What has expired is written down, so that it never revives.
    None: there is no such approval."""
    at.check_fence(tx)
    approval = tx.approvals.get(approval_id)
    if approval is None:
        return None
    if (approval.run_id, approval.step_id) != (at.run.run_id, step_id):
        return Standing(Answer.ANEW, approval, "another_steps")
    answer, why = _answer(tx, approval)
    return Standing(answer, approval, why)


def _answer(tx: Tx, approval: Approval) -> tuple[Answer, str]:
    match approval.state:
        case ApprovalState.PENDING if tx.now >= approval.expires_at:
            close(tx, approval, ApprovalState.EXPIRED, "nobody decided in time")
            return Answer.REFUSED, "approval_expired"
        case ApprovalState.PENDING:
            _escalate(tx, approval)
            return Answer.PENDING, ""
        case ApprovalState.APPROVED if tx.now > (approval.execute_by or 0.0):
            close(tx, approval, ApprovalState.EXPIRED, "approved, but not carried out in time")
            return Answer.ANEW, "execution_expired"
        case ApprovalState.APPROVED:
            return Answer.GO, ""
        case ApprovalState.REJECTED:
            return Answer.REFUSED, "rejected"
        case ApprovalState.CANCELLED:
            return Answer.REFUSED, "cancelled"
        case ApprovalState.EXPIRED:
            late = approval.decided_at is not None
            return (Answer.ANEW, "execution_expired") if late else (Answer.REFUSED, "approval_expired")
        case ApprovalState.CONSUMED:
            # A step that waits has used nothing yet: whatever this approval let through, it was not this.
            return Answer.ANEW, "already_used"
        case ApprovalState.INVALIDATED:
            return Answer.ANEW, "invalidated"


def void(tx: Tx, at: Carry, approval: Approval, why: str) -> None:
    """Invalidates an approval that no longer fits. A consumed one has been used already and stays as it is."""
    at.check_fence(tx)
    if approval.state is ApprovalState.APPROVED:
        close(tx, approval, ApprovalState.INVALIDATED, why)


def close(tx: Tx, approval: Approval, state: ApprovalState, note: str) -> None:
    """Ends an approval that was not carried out. Errors: `Overtaken` where it was decided meanwhile."""
    if not tx.approvals.move(approval.approval_id, from_states={approval.state}, state=state, note=note):
        raise Overtaken("The approval was decided meanwhile.")
    tx.audit.append(
        [
            Event(
                f"approval.{state.value}",
                {"approval": approval.approval_id, "note": note},
                approval.run_id,
                approval.step_id,
            )
        ]
    )


def _escalate(tx: Tx, approval: Approval) -> None:
    if approval.escalated_at is not None or approval.escalate_at is None or tx.now < approval.escalate_at:
        return
    tx.approvals.move(approval.approval_id, from_states={ApprovalState.PENDING}, escalated_at=tx.now)
    tx.audit.append(
        [
            Event(
                "approval.escalated",
                {"approval": approval.approval_id, "to": approval.escalate_to or ""},
                approval.run_id,
                approval.step_id,
            )
        ]
    )
