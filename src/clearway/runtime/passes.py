"""The beginning and the leaving of a pass, each one transaction on the run's row."""

from dataclasses import replace

from clearway.model.event import Event
from clearway.model.run import Run, RunStatus
from clearway.ports import Tx
from clearway.runtime.carry import Carry, LostLease, check_lease


def begin_pass(tx: Tx, run_id: str, pass_id: str) -> Run | None:
    """Takes the run over for this pass; None where there is nothing to do or another pass is at work.

    INVARIANT: one pass at a time; a recovered pass gets a new fence, so that the one it replaces writes no more."""
    run = tx.runs.get(run_id)
    if run is None or run.status.is_final:
        return None
    if run.active_pass is not None and run.active_pass != pass_id:
        tx.runs.update(run_id, wake=True)
        return None
    fence, first = run.fence + 1, run.started_at is None
    started = tx.now if run.started_at is None else run.started_at
    tx.runs.update(
        run_id, fence_to=fence, active_pass=pass_id, wake=False, status=RunStatus.RUNNING, started_at=started
    )
    tx.audit.append([Event("run.started" if first else "run.resumed", {"skill": run.skill, "fence": fence}, run_id)])
    return replace(run, fence=fence, active_pass=pass_id, wake=False, status=RunStatus.RUNNING, started_at=started)


def leave_pass(tx: Tx, at: Carry, status: RunStatus, spent_s: float) -> bool:
    """Ends a pass that waits. True where the run was woken while the pass was at work: it goes on at once."""
    at.check_fence(tx)
    run = tx.runs.get(at.run.run_id)
    if run is None:
        raise LostLease("The run is gone.")
    tx.runs.update(run.run_id, status=status, spent_s=spent_s, active_pass=run.active_pass if run.wake else None)
    if not run.wake:
        tx.audit.append([Event("run.waiting", {"for": status.value, "steps": sorted(at.parked)}, run.run_id)])
    return run.wake


def leave_to_others(tx: Tx, run: Run) -> None:
    """The run's release needs code that is not loaded here. It was offered to any worker, before its release was
    stored; from now on its passes are offered only to workers that have the code."""
    check_lease(tx, run.run_id, run.fence)
    tx.runs.update(run.run_id, status=RunStatus.QUEUED, active_pass=None)
    tx.wake(run.run_id, f"{run.run_id}.code{run.fence}")
