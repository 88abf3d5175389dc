"""What a rollback would do, before anybody does it. Changes nothing."""

from typing import Any

from clearway.model.approval import ApprovalState
from clearway.model.errors import ClearwayError, Conflict
from clearway.model.release import Pointer, Release
from clearway.operate.releases.pointer import MOST_MOVES
from clearway.operate.releases.reading import found, line
from clearway.operate.releases.rollback import MOST_GRANTS, going
from clearway.operate.releases.shelf import Shelf
from clearway.ports import Tx
from clearway.rules.chain import rfc3339

Json = dict[str, Any]

#: Rows of each list; the counts are of all.
MOST_LISTED = 200
_WAITING = (ApprovalState.PENDING, ApprovalState.APPROVED)


def rollback_plan(tx: Tx, shelf: Shelf, to: str | None = None) -> Json:
    """`{"from", "to", "ends_canary", "canary", "shadow", "generation", "refused", "earlier", "runs", "approvals",
    "grants", "counts", "held_for"}`.

    `refused`: why it cannot be done, as `{"code", "message", "remedy"}`, else None. `earlier`: what was in force here
    before, the latest first. `counts`: of `runs`, `approvals` and `grants`, which list the first 200. `held_for`: whom
    the effects of runs would wait for with `runs="hold"`; None: that is not possible. Errors: `NotFound`, `Invalid`."""
    now = tx.releases.pointer()
    if now is None:
        nothing = Conflict(
            "Nothing was ever promoted here.",
            code="nothing_before",
            remedy="Stop what does harm instead: clearway kill engage …",
        )
        return {"from": None, "to": None, "generation": 0, "refused": _said(nothing), "earlier": []}
    refused: Json | None = None
    try:
        goes, target = going(tx, now, to)
    except Conflict as error:
        refused, goes, target = _said(error), now.digest, None
    return {
        "from": line(found(tx, goes)),
        "to": line(found(tx, target)) if target else None,
        "ends_canary": goes == now.canary,
        "canary": now.canary,
        "shadow": now.shadow,
        "generation": now.generation,
        "refused": refused,
        "earlier": _earlier(tx, now),
        **_cleared(tx, goes),
        "held_for": shelf.incident_group(tx, target) if target else None,
    }


def _earlier(tx: Tx, now: Pointer) -> list[Json]:
    """Each release that was in force here once, with the time from which it was so last."""
    last: dict[str, float] = {}
    for move in tx.releases.moves(limit=MOST_MOVES):
        if move.digest != now.digest:
            last.setdefault(move.digest, move.at)
    releases: list[tuple[Release, float]] = [(found(tx, digest), at) for digest, at in last.items()]
    return [{**line(release), "in_force_at": rfc3339(at)} for release, at in releases]


def _cleared(tx: Tx, goes: str) -> Json:
    runs = tx.runs.of_release(goes)
    approvals = [
        approval
        for run in runs
        for approval in tx.approvals.list(run_id=run.run_id, limit=1_000)
        if approval.state in _WAITING
    ]
    grants = [g for g in tx.grants.list(limit=MOST_GRANTS) if g.release == goes and g.state == "active"]
    return {
        "counts": {"runs": len(runs), "approvals": len(approvals), "grants": len(grants)},
        "runs": [
            {
                "run_id": run.run_id,
                "skill": run.skill,
                "status": run.status.value,
                "user": run.principal.get("user"),
                "created_at": rfc3339(run.created_at),
            }
            for run in runs[:MOST_LISTED]
        ],
        "approvals": [
            {
                "approval_id": approval.approval_id,
                "run_id": approval.run_id,
                "tool": approval.tool,
                "state": approval.state.value,
                "summary": approval.presented.get("summary"),
            }
            for approval in approvals[:MOST_LISTED]
        ],
        "grants": [
            {"grant_id": g.grant_id, "tool": g.tool, "targets": list(g.targets), "expires_at": rfc3339(g.expires_at)}
            for g in grants[:MOST_LISTED]
        ],
    }


def _said(error: ClearwayError) -> Json:
    return {"code": error.code, "message": error.message, "remedy": error.remedy}
