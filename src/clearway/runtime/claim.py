"""A claim: admitted and STARTED in one transaction (approvals-idempotency-audit.md §3).

INVARIANT: `STARTED` is committed before anything is sent, together with the approval's consumption, the
reservations and the event; whoever holds a stale fence writes nothing.
"""

from dataclasses import dataclass, replace
from typing import Any

from clearway.model.action import Action
from clearway.model.approval import Approval, ApprovalState
from clearway.model.decision import Decision
from clearway.model.errors import Conflict
from clearway.model.event import Event
from clearway.model.history import Happening
from clearway.model.ledger import Entry, LedgerState
from clearway.model.outcome import Refused
from clearway.model.tool import ToolSpec
from clearway.ports import Tx
from clearway.rules.digests import target_list
from clearway.runtime import labels
from clearway.runtime.carry import CANCELLED, Carry, Overtaken
from clearway.runtime.limits import Limits, engaged_switch, reserve_call, spend_retry
from clearway.runtime.transitions import new_entry

#: Between the commit of STARTED and the send. A worker that was stopped in between must not send late.
SEND_WINDOW_S = 2.0
#: Beyond the time-out: how long a claim may stay STARTED, its send late by the whole window, until it is surely lost.
LEASE_MARGIN_S = SEND_WINDOW_S + 0.5


@dataclass(frozen=True, slots=True)
class Claim:
    """All that a claim is made of. `sealed`: the sealed arguments. `happenings`: what sequence conditions count.
    `approval`, `grant_id`: what lets a held one go on.
    `resends`: the row is UNKNOWN, and its grant was used already."""

    action: Action
    spec: ToolSpec
    decision: Decision
    entry: Entry | None
    sealed: str
    kind: str = "call"
    approval: Approval | None = None
    grant_id: str | None = None
    resends: bool = False
    happenings: tuple[Happening, ...] = ()


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The business key is taken by another step's effect."""

    entry: Entry


def start(tx: Tx, at: Carry, claim: Claim, limits: Limits) -> Entry | Refused | Duplicate:
    """Admits and claims straight to STARTED. Nothing is sent unless this has committed.

    Errors: `LostLease`, `Overtaken`; `OverLimit` (nothing was reserved); `Conflict` (`approval_taken`, `grant_taken`).
    """
    action = claim.action
    if at.check_fence(tx) and claim.kind != "compensation":
        return CANCELLED
    switch = engaged_switch(tx, action)
    if switch is not None:
        return Refused("kill_switch", f"The kill switch for {switch} is engaged.")
    taken = _business_duplicate(tx, action)
    if taken is not None:
        return Duplicate(taken)
    if claim.resends and not spend_retry(tx, action.tool, timed_out=True):
        return Refused("retry_budget", "The retry budget of this tool is used up.")
    reserve_call(tx, action.tool, claim.spec.rate_limit, limits)
    _consume(tx, claim)
    entry = _to_started(tx, at, claim)
    # INVARIANT: counted with the claim or not at all, so that what was denied eats no budget.
    tx.happenings.add([replace(each, at=tx.now) for each in claim.happenings])
    tx.audit.append([_started_event(claim, entry)])
    return entry


def stopped(tx: Tx, at: Carry, action: Action) -> Refused | None:
    """What stops a read: a cancelled run, an engaged kill switch."""
    if at.check_fence(tx):
        return CANCELLED
    switch = engaged_switch(tx, action)
    return None if switch is None else Refused("kill_switch", f"The kill switch for {switch} is engaged.")


def _business_duplicate(tx: Tx, action: Action) -> Entry | None:
    if action.business_key is None:
        return None
    live = tx.ledger.by_business_key(action.tool, action.business_key)
    return live if live is not None and live.key != action.key else None


def _consume(tx: Tx, claim: Claim) -> None:
    """INVARIANT: an approval is consumed by compare-and-set, in the transaction of the claim, once."""
    approval = claim.approval
    if (
        approval is not None
        and approval.state is ApprovalState.APPROVED
        and not tx.approvals.move(
            approval.approval_id,
            from_states={ApprovalState.APPROVED},
            state=ApprovalState.CONSUMED,
        )
    ):
        raise Conflict("The approval was used, or is no longer valid.", code="approval_taken")
    if claim.grant_id is not None and not claim.resends and not tx.grants.use(claim.grant_id, tx.now):
        raise Conflict("The grant was used up or revoked.", code="grant_taken")


def _to_started(tx: Tx, at: Carry, claim: Claim) -> Entry:
    action, old = claim.action, claim.entry
    values: dict[str, Any] = {
        "state": LedgerState.STARTED,
        "impact": action.impact.value,
        "attempt": (old.attempt if old else 0) + 1,
        "action_digest": action.digest,
        "business_key": action.business_key,
        "arguments": claim.sealed,
        "shown_arguments": action.shown,
        "targets": tuple(map(str, action.shown_targets)),
        "labels": labels.as_json(labels.without_endorsements(action.labels)),
        "fingerprint": action.fingerprint,
        "approval_id": claim.approval.approval_id if claim.approval else (old.approval_id if old else None),
        "grant_id": claim.grant_id,
        "lease_until": tx.now + claim.spec.timeout_s + LEASE_MARGIN_S,
        "first_sent_at": old.first_sent_at if old and old.first_sent_at else tx.now,
        "updated_at": tx.now,
    }
    if old is None:
        entry = replace(new_entry(action, LedgerState.STARTED, at, tx.now, kind=claim.kind), **values)
        tx.ledger.insert(entry)
        return entry
    from_states = {old.state}
    if not tx.ledger.move(action.key, fence=old.fence, from_states=from_states, fence_to=at.fence, **values):
        raise Overtaken("This step was changed by somebody else.")
    return replace(old, fence=at.fence, **values)


def _started_event(claim: Claim, entry: Entry) -> Event:
    action = claim.action
    return Event(
        "action.started",
        {
            "tool": action.tool,
            "impact": action.impact.value,
            "arguments": action.shown,
            "targets": target_list(action.shown_targets),
            "digest": action.digest,
            "key": action.key,
            "attempt": entry.attempt,
            "verdict": claim.decision.verdict.value,
            "policies": list(claim.decision.policies),
            "approval": entry.approval_id,
            "grant": claim.grant_id,
            "labels": labels.as_json(action.labels),
            "claimed_reason": action.reason,
            "user": action.user.name,
            "agent": action.agent.name,
        },
        action.run_id,
        action.step_id,
    )
