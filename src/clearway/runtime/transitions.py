"""The ledger's other transitions, each one transaction: what a step turned out to be, refused, withdrawn, undone.

INVARIANT: whoever holds a stale fence writes nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from clearway.model.action import Action
from clearway.model.approval import ApprovalState
from clearway.model.errors import Erased
from clearway.model.event import Event
from clearway.model.ledger import Entry, LedgerState
from clearway.model.outcome import Refused
from clearway.ports import Tx
from clearway.runtime import labels
from clearway.runtime.carry import Carry, Overtaken
from clearway.runtime.settle import lasting


def new_entry(action: Action, state: LedgerState, at: Carry, now: float, **values: Any) -> Entry:
    """A row for a step that has none yet."""
    return Entry(
        key=action.key,
        run_id=action.run_id,
        step_id=action.step_id,
        kind=values.pop("kind", "call"),
        tool=action.tool,
        impact=action.impact.value,
        fingerprint=action.fingerprint,
        state=state,
        fence=at.fence,
        action_digest=action.digest,
        shown_arguments=action.shown,
        targets=tuple(map(str, action.shown_targets)),
        labels=labels.as_json(labels.without_endorsements(action.labels)),
        created_at=now,
        updated_at=now,
        **values,
    )


def settle(tx: Tx, at: Carry, entry: Entry, *, events: Sequence[Event], **values: Any) -> Entry:
    """STARTED (or UNKNOWN, once reconciled) → what it turned out to be. Errors: `LostLease`, `Overtaken`."""
    at.check_fence(tx)
    values["updated_at"] = tx.now
    won = tx.ledger.move(entry.key, fence=entry.fence, from_states={LedgerState.STARTED, LedgerState.UNKNOWN}, **values)
    if not won:
        raise Overtaken("This step was changed by somebody else; the late result is not recorded.")
    tx.audit.append(events)
    return replace(entry, **values)


def record_read(tx: Tx, at: Carry, entry: Entry, event: Event) -> Entry:
    """A read's only transaction: its row, its event, one commit. Errors: `LostLease`."""
    at.check_fence(tx)
    entry = replace(entry, created_at=tx.now, updated_at=tx.now)
    tx.ledger.insert(entry)
    tx.audit.append([event])
    return entry


def record_duplicate(tx: Tx, at: Carry, action: Action, entry: Entry | None, other: Entry, kind: str) -> Entry:
    """Settles a step whose business key another step's effect has: with that effect's result, or as refused.

    This row carries no business key itself: the effect is the other's."""
    same = other.fingerprint == action.fingerprint
    result = None if not same or other.result is None else _resealed(tx, at, other)
    if isinstance(result, Refused):
        return refuse(tx, at, entry or new_entry(action, LedgerState.REFUSED, at, tx.now, kind=kind), result)
    if other.state is not LedgerState.SUCCEEDED or not same:
        code = "business_key_mismatch" if not same else "business_key_in_flight"
        fresh = entry or new_entry(action, LedgerState.REFUSED, at, tx.now, kind=kind)
        return refuse(tx, at, fresh, Refused(code, f"Run {other.run_id}, step {other.step_id}, has this business key."))
    at.check_fence(tx)
    values: dict[str, Any] = {
        "state": LedgerState.SUCCEEDED,
        "result": result,
        "shown_result": other.shown_result,
        "updated_at": tx.now,
        "detail": {
            **((lasting(entry.detail) if entry else None) or {}),
            "code": "business_duplicate",
            "run": other.run_id,
            "step": other.step_id,
        },
    }
    if entry is None:
        entry = replace(new_entry(action, LedgerState.SUCCEEDED, at, tx.now, kind=kind), **values)
        tx.ledger.insert(entry)
    elif tx.ledger.move(entry.key, fence=entry.fence, from_states={entry.state}, fence_to=at.fence, **values):
        entry = replace(entry, fence=at.fence, **values)
    else:
        raise Overtaken("This step was changed by somebody else.")
    tx.audit.append(
        [
            Event(
                "action.duplicate",
                {"tool": action.tool, "of_run": other.run_id, "of_step": other.step_id},
                action.run_id,
                action.step_id,
            )
        ]
    )
    return entry


def _resealed(tx: Tx, at: Carry, other: Entry) -> str | Refused:
    """Another run's result under this run's key. Its effect stands, also where what it returned was erased."""
    try:
        theirs = at.vault.vaults.open(tx, other.run_id)
    except Erased:
        return Refused("erased", f"Run {other.run_id} has this business key, and what it returned was erased.")
    return at.vault.seal(theirs.unseal(other.result or ""))


def refuse(tx: Tx, at: Carry, entry: Entry, refused: Refused) -> Entry:
    """Records that a step was refused, so that recovery repeats the refusal and never decides more laxly."""
    at.check_fence(tx)
    detail = {"code": refused.code, "message": refused.message, "policies": list(refused.policies)}
    whole = {**(lasting(entry.detail) or {}), **detail}
    entry = replace(
        entry, state=LedgerState.REFUSED, detail=whole, updated_at=tx.now, created_at=entry.created_at or tx.now
    )
    held = tx.ledger.get(entry.key)
    if held is None:
        tx.ledger.insert(entry)
    elif not tx.ledger.move(
        entry.key,
        fence=None,
        from_states={LedgerState.HELD, LedgerState.FAILED_RETRYABLE, LedgerState.CLAIMED},
        state=LedgerState.REFUSED,
        detail=whole,
        fence_to=at.fence,
        updated_at=tx.now,
    ):
        raise Overtaken("This step was changed by somebody else.")
    payload = {"tool": entry.tool, "impact": entry.impact, **detail}
    tx.audit.append([Event("action.refused", payload, entry.run_id, entry.step_id)])
    return entry


def withdraw(tx: Tx, at: Carry, entry: Entry, refused: Refused) -> Entry:
    """A step that still waits for people when its run ends: nobody is asked any longer."""
    approval = None if entry.approval_id is None else tx.approvals.get(entry.approval_id)
    if approval is not None and approval.state in (ApprovalState.PENDING, ApprovalState.APPROVED):
        tx.approvals.move(
            approval.approval_id, from_states={approval.state}, state=ApprovalState.CANCELLED, note=refused.code
        )
        tx.audit.append(
            [
                Event(
                    "approval.cancelled",
                    {"approval": approval.approval_id, "note": refused.code},
                    entry.run_id,
                    entry.step_id,
                )
            ]
        )
    return refuse(tx, at, entry, refused)


def release_business_key(tx: Tx, at: Carry, entry: Entry) -> None:
    """An effect that was undone no longer stands for its business key: asked for again, it is a new one."""
    at.check_fence(tx)
    tx.ledger.move(entry.key, fence=None, from_states={LedgerState.SUCCEEDED}, business_key=None, updated_at=tx.now)
    tx.audit.append([Event("action.undone", {"tool": entry.tool, "key": entry.key}, entry.run_id, entry.step_id)])
