"""Runs that a rollback held: who may let them go on, or end them.

INVARIANT: a run that is let go on is decided by policy again, and by nothing that was asked only because it was held;
and nobody lets their own request go on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clearway.model.approval import ApprovalState
from clearway.model.errors import Conflict, Denied, NotFound
from clearway.model.event import Event
from clearway.model.identity import Principal
from clearway.model.run import Run
from clearway.operate.releases.reading import resolve
from clearway.operate.releases.shelf import Shelf
from clearway.ports import Store, Tx
from clearway.runtime.proposal import ROLLED_BACK

Json = dict[str, Any]
ACT = "decide on held runs"


@dataclass(frozen=True, slots=True)
class HeldRuns:
    """One a process; it keeps no state."""

    store: Store
    shelf: Shelf

    def one(self, by: Principal, run_id: str, reason: str, *, cancel: bool = False) -> Json:
        """Lets a held run go on under the release that it is pinned to, as policy allows; with `cancel`, ends it.

        For the incident and policy owners, but never for whom the run acts for. Errors: `NotFound`, `Denied`
        (`not_an_owner`, `own_run`), `Conflict` (`not_held`, `revoked`), `Invalid` (`reason`)."""

        def work(tx: Tx, act: Callable[[Run], Json]) -> Json:
            run = tx.runs.get(run_id)
            if run is None:
                raise NotFound("There is no such run here.", remedy="See `clearway runs list --held`.")
            # INVARIANT: behind the look-up: another tenant's run is not there, whoever asks.
            self._require_owner(tx, by)
            if run.held_for is None or run.status.is_final:
                raise Conflict(
                    "The run is not held.", code="not_held", remedy="See which are: clearway runs list --held."
                )
            if _is_own(run, by) and not cancel:
                raise Denied(
                    "The run acts for you.", code="own_run", remedy="Another owner has to let it go on, or cancel it."
                )
            _check_not_revoked(tx, run.release, cancel=cancel)
            return {"runs": [act(run)], "left": []}

        return self._decide(by, reason, cancel, work)

    def all_of(self, by: Principal, ref: str, reason: str, *, cancel: bool = False) -> Json:
        """As `one`, each held run of a release. `left`: the caller's own, which stay held. Errors: as there."""

        def work(tx: Tx, act: Callable[[Run], Json]) -> Json:
            digest = resolve(tx, ref).digest
            self._require_owner(tx, by)
            _check_not_revoked(tx, digest, cancel=cancel)
            found = [run for run in tx.runs.of_release(digest) if run.held_for is not None]
            if not found:
                raise Conflict(
                    "No run of this release is held.", code="not_held", remedy="See: clearway runs list --held."
                )
            own = [run for run in found if _is_own(run, by) and not cancel]
            left = [{"run_id": run.run_id, "why": "it acts for you"} for run in own]
            return {"runs": [act(run) for run in found if run not in own], "left": left}

        return self._decide(by, reason, cancel, work)

    def _require_owner(self, tx: Tx, by: Principal) -> None:
        self.shelf.require_owner(tx, by, ACT, "incident", "policy")

    def _decide(
        self, by: Principal, reason: str, cancel: bool, work: Callable[[Tx, Callable[[Run], Json]], Json]
    ) -> Json:
        said = self.shelf.said(by, reason, "reason")

        def decide(tx: Tx) -> Json:
            act = _cancel if cancel else _let_go_on
            return {**work(tx, lambda run: act(tx, run, by, said)), "cancelled": cancel}

        return self.store.write(by.scope, decide)


def _let_go_on(tx: Tx, run: Run, by: Principal, said: str) -> Json:
    voided = _void(tx, run, ApprovalState.INVALIDATED, lambda policies: ROLLED_BACK in policies)
    tx.runs.update(run.run_id, held_for=None)
    payload = {"by": by.name, "for": run.held_for, "reason": said, "approvals_voided": voided}
    tx.audit.append([Event("run.unheld", payload, run.run_id)])
    if voided:
        tx.wake(run.run_id, f"{run.run_id}.unheld{run.fence}")
    return _line(run, voided)


def _cancel(tx: Tx, run: Run, by: Principal, said: str) -> Json:
    """As `runs cancel` does: nothing more is sent, what was done is undone where a tool says how."""
    voided = _void(tx, run, ApprovalState.CANCELLED, lambda _: True)
    tx.runs.update(run.run_id, cancel_requested=True)
    tx.audit.append([Event("run.cancel_requested", {"by": by.name, "reason": said}, run.run_id)])
    tx.wake(run.run_id, f"{run.run_id}.cancel")
    return _line(run, voided)


def _void(tx: Tx, run: Run, state: ApprovalState, concerns: Callable[[tuple[str, ...]], bool]) -> int:
    """What people have approved stands; what they are still asked only because of the hold is asked anew, or not."""
    states = (ApprovalState.PENDING,) if state is ApprovalState.INVALIDATED else _OPEN
    return sum(
        tx.approvals.move(approval.approval_id, from_states={approval.state}, state=state, note="no longer held")
        for approval in tx.approvals.list(run_id=run.run_id, limit=1_000)
        if approval.state in states and concerns(tuple(approval.policies))
    )


_OPEN = (ApprovalState.PENDING, ApprovalState.APPROVED)


def _check_not_revoked(tx: Tx, digest: str, *, cancel: bool) -> None:
    release = tx.releases.get(digest)
    if release is not None and release.revoked_at is not None and not cancel:
        raise Conflict(
            "The release that the run is pinned to is revoked, so it does not go on under it.",
            code="revoked",
            remedy="End it (--cancel), or have two people reinstate the release first.",
        )


def _is_own(run: Run, by: Principal) -> bool:
    return run.principal.get("user") == by.name


def _line(run: Run, voided: int) -> Json:
    return {"run_id": run.run_id, "skill": run.skill, "status": run.status.value, "approvals_voided": voided}
