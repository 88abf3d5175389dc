"""Holding an action for people, and checking their answer again right before it runs."""

import json
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import uuid4

from clearway.model.action import Action
from clearway.model.approval import Approval, ApprovalState, Grant, Vote
from clearway.model.decision import ApprovalRule, Decision, Verdict
from clearway.model.event import Event
from clearway.model.identity import Scope
from clearway.model.label import Trust
from clearway.model.ledger import Entry, LedgerState
from clearway.model.tool import ToolSpec
from clearway.ports import Directory, Sealer, Tx
from clearway.rules.canonical import canonical
from clearway.rules.digests import presented_digest
from clearway.rules.voting import is_met, login_of, still_covers, still_holds
from clearway.runtime import labels
from clearway.runtime.carry import Carry, Overtaken
from clearway.runtime.claim import new_entry
from clearway.runtime.present import present


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


def drift(  # noqa: PLR0913 - all that is compared
    approval: Approval,
    votes: list[Vote],
    spec: ToolSpec,
    action: Action,
    decision: Decision,
    directory: Directory,
    sealer: Sealer,
    excluded: frozenset[str],
) -> str:
    """What no longer fits between what was approved, what was shown and what would run; empty where all does.

    INVARIANT: what runs is what was approved is what was shown. Recomputed from the action at hand, not compared
    with stored digests alone: the stored row, its display and the votes are all suspects.
    """
    shown = present(spec, action, approval.policies, approval.presented.get("preview"))
    bound = presented_digest(shown, action.digest)
    checks = (
        (approval.state in (ApprovalState.APPROVED, ApprovalState.CONSUMED), f"it is {approval.state.value}"),
        (action.digest == approval.action_digest, "the action changed"),
        (bound == approval.presented_digest and shown == approval.presented, "what was shown changed"),
        (
            all((v.action_digest, v.presented_digest) == (action.digest, bound) for v in votes),
            "the votes are for another action",
        ),
        (all(is_genuine(vote, sealer) for vote in votes), "a vote was altered"),
        (decision.verdict is not Verdict.DENY, "policy now denies it"),
        (
            decision.approval is None or still_covers(approval.factors, decision.approval.factors),
            "policy now asks for more",
        ),
        (is_met(approval.factors, votes), "votes are missing"),
        (not any(vote.subject in excluded for vote in votes), "somebody voted on their own act"),
        (
            all(still_holds(vote, directory.find(login_of(vote), action.scope), excluded) for vote in votes),
            "an approver no longer has the role",
        ),
    )
    return next((why for fits, why in checks if not fits), "")


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


def vote_record(vote: Vote) -> bytes:
    """The bytes that the server signs for a decision: who, when, what was shown, both digests, factor, comment."""
    return canonical(
        {
            "approval": vote.approval_id,
            "subject": vote.subject,
            "verdict": vote.verdict,
            "factor": vote.factor,
            "at": f"{vote.at:.6f}",
            "action_digest": vote.action_digest,
            "presented_digest": vote.presented_digest,
            "comment": vote.comment,
            "authenticated_by": vote.authenticated_by,
        }
    )


def is_genuine(vote: Vote, sealer: Sealer) -> bool:
    key_id, _, signature = vote.record_signature.partition(":")
    try:
        return sealer.verify(key_id, vote_record(vote), bytes.fromhex(signature))
    except ValueError:
        return False


def fitting_grant(tx: Tx, action: Action, release: str, sealer: Sealer, directory: Directory) -> Grant | None:
    """A standing permission that covers this action exactly: target, tool digest, release, every bound.

    Those who agreed to it could do so today: a removed role blocks what it let through (threat 48)."""
    if action.irreversible:
        return None
    targets = tuple(map(str, action.shown_targets))
    for grant in tx.grants.active(action.tool, action.tool_digest, tx.now):
        fits = grant.release == release and grant.targets == targets and targets and within(grant.bounds, action.shown)
        fits = fits and not _leaves_open(grant.bounds, action)
        if fits and _is_as_agreed(tx, grant, action.scope, sealer, directory):
            return grant
    return None


def _is_as_agreed(tx: Tx, grant: Grant, scope: Scope, sealer: Sealer, directory: Directory) -> bool:
    """Whether the grant's row still says what people agreed to, and they are still the ones to do so."""
    approval = tx.approvals.get(grant.approval_id)
    if approval is None or approval.state is not ApprovalState.CONSUMED:
        return False
    votes, shown = tx.approvals.votes(approval.approval_id), approval.presented
    terms = shown.get("grant", {})
    return (
        presented_digest(shown, approval.action_digest) == approval.presented_digest
        and (shown.get("arguments"), tuple(shown.get("targets", ())), shown.get("tool"))
        == (grant.bounds, grant.targets, grant.tool)
        and (terms.get("id"), terms.get("max_uses"), terms.get("release"))
        == (grant.grant_id, grant.max_uses, grant.release)
        and is_met(approval.factors, votes)
        and bool(votes)
        and all(
            (vote.action_digest, vote.presented_digest) == (approval.action_digest, approval.presented_digest)
            and is_genuine(vote, sealer)
            and still_holds(vote, directory.find(login_of(vote), scope), approval.excluded)
            for vote in votes
        )
    )


def _leaves_open(bounds: dict[str, Any], action: Action) -> bool:
    """Whether a value from an untrusted source would slip in where the people who agreed to the grant said "any"."""
    untrusted = {path for path, label in action.labels.items() if label.trust is Trust.UNTRUSTED}
    names = {re.split(r"[.\[#>]", path)[0] for path in untrusted & action.consequential}
    return any(bounds.get(name, {}).get("any") is True for name in names)


def within(bounds: dict[str, Any], arguments: dict[str, Any]) -> bool:
    """Whether every argument keeps its bound: `{"max": n}`, `{"equals": v}` or `{"any": true}`. One without is out."""
    for name, value in arguments.items():
        bound = bounds.get(name)
        if bound is None:
            return False
        if bound.get("any") is True:
            continue
        if "equals" in bound and json.dumps(bound["equals"], sort_keys=True) == json.dumps(value, sort_keys=True):
            continue
        if "max" in bound and isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= bound["max"]:
            continue
        return False
    return True


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
