"""The ways out of UNKNOWN: resend in the remote's window, lookup, person. There is no fourth.

The promise is worded: at most one automatic effect, otherwise UNKNOWN (approvals-idempotency-audit.md §3).
"""

from dataclasses import replace
from typing import Any

from clearway.model.errors import Invalid
from clearway.model.event import Event
from clearway.model.ledger import Entry, LedgerState
from clearway.model.run import RunStatus
from clearway.model.tool import Found, LookupUnavailable, NotFound, ToolSpec
from clearway.ports import Sealer, Store, Tx
from clearway.rules.canonical import canonical, parse_json
from clearway.rules.shapes import of_results
from clearway.runtime.carry import Carry, Overtaken
from clearway.runtime.settle import DOUBT, lasting
from clearway.runtime.transitions import settle

#: Seconds until the next lookup, by how many there were; the last one repeats.
LOOKUP_PAUSES_S = (2.0, 5.0, 30.0, 120.0, 600.0)

MOST_LOSSES_GIVEN_BACK = 5


def attempts_allowed(spec: ToolSpec, entry: Entry) -> int:
    """As declared, and those that a lost worker used up without hearing an answer."""
    return spec.retry.attempts + int((entry.detail or {}).get("worker_losses", 0))


class Reconciler:
    """Moves rows out of STARTED (after a crash) and UNKNOWN. It sends nothing itself: the gate does."""

    def __init__(self, store: Store, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer

    async def take_over(self, at: Carry, entry: Entry, *, effect: bool) -> Entry:
        """STARTED, found by a later pass: in doubt if it was an effect; a read is harmless to repeat."""
        state = LedgerState.UNKNOWN if effect else LedgerState.FAILED_RETRYABLE
        before = entry.detail or {}
        # A lost worker used up an attempt without hearing an answer: it is given back, a few times.
        losses = min(int(before.get("worker_losses", 0)) + 1, MOST_LOSSES_GIVEN_BACK)
        detail = {
            **before,
            "code": "worker_lost",
            "message": "The worker ended while it was under way.",
            "worker_losses": losses,
        }
        if effect:
            # Until its lease is over, a worker that was only stopped may still send.
            detail |= {"in_doubt": True, "lost_until": entry.lease_until or 0.0}

        def work(tx: Tx) -> Entry:
            at.check_fence(tx)
            if not tx.ledger.move(
                entry.key,
                fence=entry.fence,
                from_states={LedgerState.STARTED},
                fence_to=at.fence,
                state=state,
                detail=detail,
                lease_until=None,
                updated_at=tx.now,
            ):
                raise Overtaken("This step was changed by somebody else.")
            tx.audit.append(
                [
                    Event(
                        "action.in_doubt" if effect else "action.failed",
                        {
                            "tool": entry.tool,
                            "attempt": entry.attempt,
                            "code": "worker_lost",
                            "state": state.value,
                        },
                        entry.run_id,
                        entry.step_id,
                    )
                ]
            )
            return replace(entry, state=state, fence=at.fence, detail=detail, lease_until=None, updated_at=tx.now)

        return await self._store.awrite(at.scope, work)

    def may_resend(self, spec: ToolSpec, entry: Entry, now: float) -> bool:
        """Whether the other side still knows this key, so that a resend cannot double the effect."""
        window = spec.idempotency.remote_dedup_window_s
        if window is None or entry.first_sent_at is None or not entry.arguments:
            return False
        # A resend must be over before the window is: the send itself may take its whole time-out.
        fresh = now + spec.timeout_s < entry.first_sent_at + window
        return fresh and entry.attempt < attempts_allowed(spec, entry)

    async def apply(
        self, at: Carry, spec: ToolSpec, entry: Entry, found: Found | NotFound | LookupUnavailable
    ) -> Entry:
        """What a lookup's answer makes of the row. Errors: `Suspended` where it must be asked again or by people."""
        if isinstance(found, Found):
            return await self._happened(at, spec, entry, found)
        if isinstance(found, NotFound):
            lost_until = float((entry.detail or {}).get("lost_until", 0.0))
            settled_at = max(entry.updated_at, lost_until) + spec.idempotency.settle_delay_s
            now = await self._store.aread(at.scope, lambda tx: tx.now)
            if now >= settled_at:
                return await self._did_not_happen(at, spec, entry)
            await self._later(at, entry, settled_at - now + 0.02)
        elif spec.idempotency.lookup is not None:
            await self._later(at, entry, pause_before_lookup(entry))
        raise at.park(entry.step_id, RunStatus.UNKNOWN)

    async def stay_in_doubt(self, at: Carry, entry: Entry, *, ask_again: bool) -> Entry:
        """The step cannot even be prepared now, to send or to look it up. Errors: always `Suspended`."""
        if ask_again:
            await self._later(at, entry, pause_before_lookup(entry))
        raise at.park(entry.step_id, RunStatus.UNKNOWN)

    async def _happened(self, at: Carry, spec: ToolSpec, entry: Entry, found: Found) -> Entry:
        try:
            result = parse_json(canonical(found.result), what="A lookup's result")
        except Invalid:
            result = {"clearway_note": "The lookup returned something that is not JSON; it was dropped."}
        ref = None if found.remote_ref is None else at.masker.scrub(str(found.remote_ref))
        shown = at.masker.mask(result, spec.sensitive, of_results(spec))
        at.vault.returned(entry.step_id, shown)
        sealed = at.vault.seal(result)
        event = Event(
            "action.reconciled",
            {"tool": entry.tool, "by": "lookup", "answer": "happened", "result": shown},
            entry.run_id,
            entry.step_id,
        )
        return await self._store.awrite(
            at.scope,
            lambda tx: settle(
                tx,
                at,
                entry,
                events=[event],
                state=LedgerState.SUCCEEDED,
                result=sealed,
                shown_result=shown,
                remote_ref=ref,
                lease_until=None,
                detail=lasting(entry.detail),
            ),
        )

    async def _did_not_happen(self, at: Carry, spec: ToolSpec, entry: Entry) -> Entry:
        more = entry.attempt < attempts_allowed(spec, entry)
        state = LedgerState.FAILED_RETRYABLE if more else LedgerState.FAILED_FINAL
        event = Event(
            "action.reconciled",
            {"tool": entry.tool, "by": "lookup", "answer": "did_not_happen", "state": state.value},
            entry.run_id,
            entry.step_id,
        )
        detail = {name: value for name, value in (entry.detail or {}).items() if name not in DOUBT}
        return await self._store.awrite(
            at.scope, lambda tx: settle(tx, at, entry, events=[event], state=state, detail=detail)
        )

    async def _later(self, at: Carry, entry: Entry, delay_s: float) -> None:
        asked = int((entry.detail or {}).get("lookups", 0)) + 1
        detail = {**(entry.detail or {}), "lookups": asked}

        def work(tx: Tx) -> None:
            self._note(tx, at, entry, detail)
            tx.wake(entry.run_id, f"{entry.run_id}.{entry.step_id}.lookup{at.fence}-{asked}", delay_s=delay_s)

        await self._store.awrite(at.scope, work)

    def _note(self, tx: Tx, at: Carry, entry: Entry, detail: dict[str, Any]) -> None:
        at.check_fence(tx)
        # `updated_at` stays: it is when the effect came into doubt, and the settle delay counts from there.
        if not tx.ledger.move(entry.key, fence=entry.fence, from_states={LedgerState.UNKNOWN}, detail=detail):
            raise Overtaken("This step was settled by somebody else.")


def pause_before_lookup(entry: Entry) -> float:
    asked = int((entry.detail or {}).get("lookups", 0))
    return LOOKUP_PAUSES_S[min(asked, len(LOOKUP_PAUSES_S) - 1)]
