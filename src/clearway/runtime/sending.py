"""An effect through the gate, or a read that is counted: claimed under the policy in force, sent, settled."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from clearway.model.errors import Conflict, Unavailable
from clearway.model.event import Event
from clearway.model.ledger import Entry, LedgerState
from clearway.model.outcome import Refused, Returned
from clearway.ports import Tx
from clearway.rules.failure import Failure
from clearway.rules.retry import pause_s
from clearway.runtime import tracing
from clearway.runtime.claim import SEND_WINDOW_S, Claim, Duplicate, start
from clearway.runtime.history import happenings
from clearway.runtime.judge import Judge
from clearway.runtime.limits import OverLimit, refund_retry, spend_retry
from clearway.runtime.proposal import Proposal
from clearway.runtime.reconcile import Reconciler
from clearway.runtime.settle import settlement
from clearway.runtime.transitions import settle


class Again(Enum):
    """Nothing was claimed, and what was decided may no longer hold: decide again."""

    AGAIN = "again"


@dataclass(frozen=True, slots=True)
class Started:
    """A claim that has committed. `claimed_at`: monotonic seconds."""

    entry: Entry
    claimed_at: float


async def claim(judge: Judge, wanted: Claim) -> Started | Refused | Duplicate | Again | None:
    """Claims, under the policy in force when the claim commits. Waits out a short rate limit; what was decided may
    be old by then. None: the grant was used up or revoked."""
    gate, at = judge.gate, judge.at
    counted = happenings(wanted.action, at.vault, gate.sealer) if judge.is_counted() else ()

    def work(tx: Tx) -> Started | Refused | Duplicate | Again:
        # Not before: the transaction may have waited for others'.
        claimed_at = at.clock.monotonic()
        gate.watch.claiming(tx)
        decision = judge.verdict_in(tx)
        if (decision.verdict, decision.approval) != (wanted.decision.verdict, wanted.decision.approval):
            return Again.AGAIN
        # What is recorded is what decided here, not what had decided before.
        now = replace(wanted, action=judge.action, decision=decision, happenings=counted)
        made = start(tx, at, now, at.version.limits)
        return Started(made, claimed_at) if isinstance(made, Entry) else made

    try:
        return await gate.store.awrite(at.scope, work)
    except OverLimit as over:
        if not judge.proposal.can_wait(over.wait_s):
            return Refused("rate_limited", f"The rate limit {over.bucket} is used up.")
        await at.clock.sleep(over.wait_s)
        return Again.AGAIN
    except Conflict as conflict:
        match conflict.code:
            case "grant_taken":
                return None
            case "business_key_taken":
                return Again.AGAIN
            case "approval_taken":
                return Refused(conflict.code, conflict.message)
            case _:
                raise


async def send(proposal: Proposal, started: Started) -> Entry:
    """Calls the tool and settles. INVARIANT: the row is STARTED and committed before this."""
    gate, at, spec, entry = proposal.gate, proposal.at, proposal.spec, started.entry
    gate.probe("started")
    with tracing.tool_span(proposal, entry.attempt) as span:
        answer = await gate.executor.call(
            spec,
            proposal.action,
            attempt=entry.attempt,
            timeout_s=proposal.budget_s(),
            now=proposal.now,
            send_by=started.claimed_at + SEND_WINDOW_S,
        )
        took = at.clock.monotonic() - started.claimed_at
        tracing.answered(proposal, span, answer, took)
    gate.probe("sent")
    result = settlement(spec, at, entry, answer, took)
    if result.values["state"] is LedgerState.FAILED_RETRYABLE and result.pause_s >= proposal.left_s():
        # To come back when it may be tried again is later than the run has time for.
        result.values["state"] = LedgerState.FAILED_FINAL
    entry = await _write_settlement(proposal, entry, result.events, result.values, answer)
    gate.probe("settled")
    reconciler = Reconciler(gate.store, gate.sealer)
    if entry.state is LedgerState.FAILED_RETRYABLE or (
        entry.state is LedgerState.UNKNOWN and reconciler.may_resend(spec, entry, await proposal.now())
    ):
        await at.clock.sleep(min(result.pause_s, max(0.0, proposal.left_s())))
    return entry


async def _write_settlement(
    proposal: Proposal, entry: Entry, events: list[Event], values: dict[str, Any], answer: Returned | Failure
) -> Entry:
    """A result that is in memory only is worth some patience with a locked or full store."""
    for attempt in range(1, 6):
        try:
            return await proposal.gate.store.awrite(
                proposal.at.scope, lambda tx: _settle(tx, proposal, entry, events, values, answer)
            )
        except Unavailable:
            if attempt == 5:
                raise
            await proposal.at.clock.sleep(pause_s(attempt, 0.2, 5.0))
    raise AssertionError("unreachable")


def _settle(
    tx: Tx, proposal: Proposal, entry: Entry, events: list[Event], values: dict[str, Any], answer: Returned | Failure
) -> Entry:
    if isinstance(answer, Returned):
        refund_retry(tx, proposal.spec.name, retried=entry.attempt > 1)
    elif values["state"] is LedgerState.FAILED_RETRYABLE and not spend_retry(
        tx, proposal.spec.name, timed_out=answer.code == "timeout"
    ):
        values = {**values, "state": LedgerState.FAILED_FINAL}
    return settle(tx, proposal.at, entry, events=events, **values)
