"""What an attempt's answer makes of its ledger row, and the event that records it. Pure."""

from dataclasses import dataclass, field
from typing import Any

from clearway.model.action import Action
from clearway.model.decision import Decision
from clearway.model.event import Event
from clearway.model.ledger import Entry, LedgerState
from clearway.model.outcome import Done, Failed, Outcome, Refused, Returned, Unknown
from clearway.model.tool import Impact, ToolSpec
from clearway.rules.digests import target_list
from clearway.rules.failure import Failure, Meaning
from clearway.rules.retry import pause_s
from clearway.rules.shapes import of_results
from clearway.runtime import labels
from clearway.runtime.carry import Carry
from clearway.runtime.vault import RunVault

#: What a row's detail says while it is in doubt, and no longer once that is cleared up.
DOUBT = frozenset({"in_doubt", "lost_until", "left_to_people"})


@dataclass(frozen=True, slots=True)
class Settlement:
    """`values`: the row's columns to set. `pause_s`: before a next attempt, if there is one."""

    values: dict[str, Any]
    events: list[Event] = field(default_factory=list[Event])
    pause_s: float = 0.0


def settlement(
    spec: ToolSpec,
    at: Carry,
    entry: Entry,
    answer: Returned | Failure,
    took_s: float,
    *,
    action: Action | None = None,
    decision: Decision | None = None,
) -> Settlement:
    """Applies the table of approvals-idempotency-audit.md §3. With `action` and `decision` (a read) the one event
    tells the whole story; an effect's intent has been recorded before."""
    payload: dict[str, Any] = {"tool": entry.tool, "attempt": entry.attempt, "duration_ms": round(took_s * 1000, 3)}
    if action is not None and decision is not None:
        payload |= {
            "impact": action.impact.value,
            "arguments": action.shown,
            "targets": target_list(action.shown_targets),
            "policies": list(decision.policies),
            "labels": labels.as_json(action.labels),
            "claimed_reason": action.reason,
            "user": action.user.name,
            "agent": action.agent.name,
        }
    if isinstance(answer, Returned):
        shown = at.masker.mask(answer.result, spec.sensitive, of_results(spec))
        at.vault.returned(entry.step_id, shown)
        values: dict[str, Any] = {
            "state": LedgerState.SUCCEEDED,
            "result": at.vault.seal(answer.result),
            "shown_result": shown,
            "duration_s": took_s,
            "lease_until": None,
            "detail": lasting(entry.detail),
        }
        return Settlement(values, [Event("action.succeeded", payload | {"result": shown}, entry.run_id, entry.step_id)])
    state = state_after(spec, entry, answer)
    code = at.masker.scrub(answer.code)
    in_doubt = state is LedgerState.UNKNOWN
    says = _SAYS[Meaning.IN_DOUBT if in_doubt else answer.meaning]
    detail = {**(entry.detail or {}), "code": code, "message": says} | ({"in_doubt": True} if in_doubt else {})
    values = {"state": state, "detail": detail, "duration_s": took_s, "lease_until": None}
    kind = "action.in_doubt" if state is LedgerState.UNKNOWN else "action.failed"
    pause = answer.retry_after_s or pause_s(entry.attempt, spec.retry.base_s, spec.retry.max_s)
    event = Event(
        kind,
        payload | {"code": code, "meaning": answer.meaning.value, "state": state.value},
        entry.run_id,
        entry.step_id,
    )
    return Settlement(values, [event], pause)


def state_after(spec: ToolSpec, entry: Entry, failure: Failure) -> LedgerState:
    """Where a failed attempt leaves the row.

    INVARIANT: what is in doubt stays in doubt. That a resend was refused, or never sent, says nothing about the attempt
    before it."""
    if entry.impact != Impact.READ.value and (entry.detail or {}).get("in_doubt"):
        return LedgerState.UNKNOWN
    if entry.impact == Impact.READ.value and entry.approval_id is None and entry.grant_id is None:
        return LedgerState.FAILED_FINAL
    match failure.meaning:
        case Meaning.REJECTED:
            return LedgerState.FAILED_FINAL
        case Meaning.IN_DOUBT if entry.impact != Impact.READ.value:
            return LedgerState.UNKNOWN
        case _:
            more = entry.attempt < spec.retry.attempts
            return LedgerState.FAILED_RETRYABLE if more else LedgerState.FAILED_FINAL


def lasting(detail: dict[str, Any] | None) -> dict[str, Any] | None:
    """What of a row's detail outlives its state: who edited its arguments."""
    kept = {name: value for name, value in (detail or {}).items() if name in ("edited_by", "editors")}
    return kept or None


def read_outcome(entry: Entry, vault: RunVault, *, replayed: bool) -> Outcome:
    """The outcome that a row stands for."""
    detail = entry.detail or {}
    code, message = str(detail.get("code", entry.state.value)), str(detail.get("message", ""))
    match entry.state:
        case LedgerState.SUCCEEDED:
            return Done(None if entry.result is None else vault.unseal(entry.result), replayed)
        case LedgerState.REFUSED:
            return Refused(code, message, tuple(detail.get("policies", ())))
        case LedgerState.FAILED_FINAL:
            return Failed(code, message)
        case _:
            return Unknown(code, message)


_SAYS = {
    Meaning.NOT_SENT: "Nothing was sent.",
    Meaning.LATER: "The other side declined for now, before doing anything.",
    Meaning.REJECTED: "The other side refused it.",
    Meaning.IN_DOUBT: "It was sent, and no clear answer came back.",
}
