"""The way back: which release it leads to, and what becomes of all that waits under the one that goes."""

from collections.abc import Sequence
from typing import Any

from clearway.model.approval import ApprovalState
from clearway.model.errors import Conflict, NotFound
from clearway.model.event import Event
from clearway.model.release import Fate, Move, Pointer
from clearway.model.run import Run
from clearway.operate.releases.pointer import MOST_MOVES, revoked
from clearway.operate.releases.reading import found, resolve
from clearway.operate.releases.shelf import Shelf
from clearway.ports import Tx

Json = dict[str, Any]
MOST_GRANTS = 10_000


def going(tx: Tx, now: Pointer, to: str | None) -> tuple[str, str]:
    """(the release that goes, the one that is in force afterwards). Errors: as `Rollout.rollback`."""
    if to is None and now.canary is not None:
        return now.canary, now.digest
    moves = tx.releases.moves(limit=MOST_MOVES)
    if to is not None:
        target = resolve(tx, to)
        if target.digest == now.digest and now.canary is not None:
            return now.canary, now.digest
        if target.digest == now.digest or all(move.digest != target.digest for move in moves):
            raise Conflict(
                "The release was never in force here.",
                code="never_in_force",
                remedy="Put it in force with `clearway release promote`.",
            )
        if target.revoked_at is not None:
            raise revoked()
        return now.digest, target.digest
    try:
        earlier = next(digest for digest in _behind(moves, now) if found(tx, digest).revoked_at is None)
    except (StopIteration, NotFound):
        raise Conflict(
            "There is no earlier release to go back to.",
            code="nothing_before",
            remedy="Stop what does harm instead: clearway kill engage …",
        ) from None
    return now.digest, earlier


def _behind(moves: Sequence[Move], now: Pointer) -> list[str]:
    """The releases behind the one in force, nearest first. `moves`: the newest first.

    INVARIANT: what was rolled back is not among them, until it is promoted anew: two people who roll back at once, or
    one who does it again, never put the bad release back in force."""
    stood: list[str] = []
    for move in reversed(moves):
        if move.kind == "rollback" and move.digest in stood:
            while stood[-1] != move.digest:
                stood.pop()
        elif not stood or stood[-1] != move.digest:
            stood.append(move.digest)
    return [digest for digest in reversed(stood) if digest != now.digest]


def clear(tx: Tx, shelf: Shelf, goes: str, runs: Fate, pointer: Pointer, by: str) -> Json:
    """Voids what waits under the release that goes. All of it in the transaction of the move.

    Errors: `Conflict` (`no_incident_owner`)."""
    under_way = tx.runs.of_release(goes)
    held_for = _incident_group(tx, shelf, pointer) if runs == "hold" else None
    voided = sum(_void(tx, run, pointer, runs, held_for) for run in under_way)
    if held_for is not None:
        held = {"for": held_for, "release": goes, "by": by, "reason": pointer.reason}
        tx.audit.append([Event("run.held", held, run.run_id) for run in under_way])
    grants = [g for g in tx.grants.list(limit=MOST_GRANTS) if g.release == goes and g.state == "active"]
    for grant in grants:
        tx.grants.revoke(grant.grant_id)
    if under_way or grants:
        payload = {
            "release": goes,
            "runs": [run.run_id for run in under_way],
            "fate": runs,
            "held_for": held_for,
            "approvals_voided": voided,
            "grants_revoked": [grant.grant_id for grant in grants],
            "by": by,
        }
        tx.audit.append([Event("release.cleared", payload)])
    return {
        "runs": [{"run_id": run.run_id, "skill": run.skill, "status": run.status.value} for run in under_way],
        "fate": runs,
        "held_for": held_for,
        "approvals_voided": voided,
        "grants_revoked": len(grants),
    }


def _incident_group(tx: Tx, shelf: Shelf, pointer: Pointer) -> str:
    """As the release that is in force now says: the one that goes does not name who looks after its runs."""
    group = shelf.incident_group(tx, pointer.digest)
    if group is None:
        raise Conflict(
            "The release that would be in force names no incident owner who could be asked.",
            code="no_incident_owner",
            remedy="Roll back with --runs leave or --runs cancel.",
        )
    return group


def _void(tx: Tx, run: Run, pointer: Pointer, fate: Fate, held_for: str | None) -> int:
    voided = 0
    for approval in tx.approvals.list(run_id=run.run_id, limit=1_000):
        if approval.state in (ApprovalState.PENDING, ApprovalState.APPROVED):
            voided += tx.approvals.move(
                approval.approval_id,
                from_states={approval.state},
                state=ApprovalState.CANCELLED if fate == "cancel" else ApprovalState.INVALIDATED,
                note="the release was rolled back",
            )
    if fate == "cancel":
        tx.runs.update(run.run_id, cancel_requested=True)
    if held_for is not None:
        tx.runs.update(run.run_id, held_for=held_for)
    if voided or fate == "cancel":
        tx.wake(run.run_id, f"{run.run_id}.rollback{pointer.generation}")
    return voided
