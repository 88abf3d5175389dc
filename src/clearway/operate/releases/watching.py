"""Looks on while a canary or a shadow runs, and acts as was agreed: in the transaction of what it looks at."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from clearway.model.action import Action
from clearway.model.decision import Decision
from clearway.model.event import Event
from clearway.model.identity import Scope
from clearway.model.ledger import Entry, LedgerState
from clearway.model.release import Pointer
from clearway.model.run import Run, RunStatus
from clearway.operate.releases.rollout import Rollout
from clearway.ports import Tx
from clearway.rules.releases.guard import Advice, Ended, Guard
from clearway.runtime.version import Seen

#: Refusals that are policy's, as codes of ledger rows.
_BY_POLICY = frozenset({"no_permit", "forbidden", "policy_error", "unknown_obligation", "schema_mismatch"})
GUARD = "clearway:guard"


@dataclass(frozen=True, slots=True)
class ReleaseWatch:
    """Implements `clearway.runtime.version.Watch`. `shadow`: what the shadow's policy says, where one runs."""

    rollout: Rollout
    shadow: Callable[[Action], Decision | None]
    saw: Callable[[Scope, Pointer | None], None]

    def requested(self, tx: Tx, seen: Seen, run_id: str) -> None:
        pointer = seen.pointer
        if pointer is None or not seen.routed:
            return
        if pointer.shadow is not None and seen.shadow != seen.routed:
            payload = {"release": pointer.shadow, "live": seen.routed, "shadow": seen.shadow}
            tx.audit.append([Event("release.shadow_route", payload, run_id)])
        if pointer.canary is not None and pointer.guard is not None:
            guard = Guard.read(pointer.guard)
            guard.note_route(differs=seen.differs)
            self._act(tx, pointer, guard)

    def ended(self, tx: Tx, run: Run, status: RunStatus) -> None:
        pointer = tx.releases.pointer()
        if pointer is None or pointer.canary is None or pointer.guard is None:
            return
        if run.release not in (pointer.canary, pointer.digest) or status is RunStatus.CANCELLED:
            return
        guard = Guard.read(pointer.guard)
        guard.note_end(_ended(tx, run, status), canary=run.release == pointer.canary)
        self._act(tx, pointer, guard)

    def claiming(self, tx: Tx) -> None:
        self.saw(tx.scope, tx.releases.pointer())

    def decided(self, action: Action, decision: Decision) -> dict[str, Any] | None:
        found = self.shadow(action)
        if found is None or (found.verdict, found.approval) == (decision.verdict, decision.approval):
            return None
        return {
            "tool": action.tool,
            "live": decision.verdict.value,
            "shadow": found.verdict.value,
            "policies": list(found.policies),
        }

    def _act(self, tx: Tx, pointer: Pointer, guard: Guard) -> None:
        """Notes the evidence, and does what it calls for."""
        guard.note_look(tx.now)
        kept = replace(pointer, guard=guard.as_json())
        tx.releases.note_guard(pointer.generation, guard.as_json())
        advice, why = guard.advice()
        if advice is Advice.WATCH or not guard.terms.acts:
            return
        if advice is Advice.ROLL_BACK:
            self.rollout.retreat(tx, kept, by=GUARD, reason=f"the canary's guard: {why}")
        else:
            self.rollout.advance(tx, kept, by=GUARD, reason=f"the canary's guard: {why}")


def _ended(tx: Tx, run: Run, status: RunStatus) -> Ended:
    entries = tx.ledger.of_run(run.run_id)
    denied = any(
        entry.state is LedgerState.REFUSED and (entry.detail or {}).get("code") in _BY_POLICY for entry in entries
    )
    held = any(entry.approval_id is not None for entry in entries)
    return Ended(status is RunStatus.FAILED, denied, held, run.spent_s, _cost(entries))


def _cost(entries: list[Entry]) -> float | None:
    """Of the run's model turns; None without any, or where a price is not known."""
    costs = [(entry.detail or {}).get("usd") for entry in entries if entry.kind == "turn"]
    known = [float(cost) for cost in costs if isinstance(cost, int | float)]
    return sum(known) if costs and len(known) == len(costs) else None
