"""A sleep that no worker waits for: a ledger row that says until when, and a timer that wakes the run."""

from dataclasses import replace

from clearway.model.errors import IdempotencyMismatch
from clearway.model.ledger import Entry, LedgerState
from clearway.model.run import RunStatus
from clearway.ports import Store, Tx
from clearway.rules.digests import idempotency_key
from clearway.runtime.carry import Carry


async def sleep(store: Store, at: Carry, step_id: str, seconds: float) -> None:
    """Errors: `Suspended` until the time has come, `LostLease`, `IdempotencyMismatch`."""
    entry = at.entries.get(step_id)
    if entry is not None and entry.kind != "sleep":
        raise IdempotencyMismatch(
            f"Step {step_id} was recorded as a call of {entry.tool} and is a sleep now.",
            remedy="A skill must do the same each time that it is carried on.",
        )

    def work(tx: Tx) -> Entry:
        at.check_fence(tx)
        row = tx.ledger.get(key)
        if row is None:
            row = Entry(
                key=key,
                run_id=at.run.run_id,
                step_id=step_id,
                kind="sleep",
                tool="sleep",
                impact="read",
                fingerprint="",
                state=LedgerState.HELD,
                fence=at.fence,
                lease_until=tx.now + seconds,
                created_at=tx.now,
                updated_at=tx.now,
            )
            tx.ledger.insert(row)
            tx.wake(at.run.run_id, f"{at.run.run_id}.{step_id}.wake", delay_s=seconds + 0.02)
        elif tx.now >= (row.lease_until or 0.0):
            tx.ledger.move(
                key, fence=None, from_states={LedgerState.HELD}, state=LedgerState.SUCCEEDED, updated_at=tx.now
            )
            row = replace(row, state=LedgerState.SUCCEEDED)
        else:  # woken by something else, or early: the timer may be spent
            tx.wake(
                at.run.run_id,
                f"{at.run.run_id}.{step_id}.wake{at.fence}",
                delay_s=(row.lease_until or 0.0) - tx.now + 0.02,
            )
        return row

    key = idempotency_key(at.scope, "sleep", at.run.run_id, step_id)
    if entry is None or entry.state is not LedgerState.SUCCEEDED:
        at.entries[step_id] = entry = await store.awrite(at.scope, work)
    if entry.state is not LedgerState.SUCCEEDED:
        raise at.park(step_id, RunStatus.SLEEPING)
