"""What was in force and when: one move with all that the log says of it, and the canaries of before."""

from collections.abc import Sequence
from typing import Any

from clearway.model.errors import NotFound
from clearway.model.event import RecordedEvent
from clearway.model.release import Move
from clearway.operate.releases.pointer import MOST_MOVES
from clearway.ports import Tx
from clearway.rules.chain import rfc3339

Json = dict[str, Any]

_PAGE = 500
#: Of the events of one moment, so many pages are looked through.
_MOST_PAGES = 20
_OF_A_MOVE = ("release.promoted", "release.canary_started", "release.shadow_started", "release.rolled_back")


def move_record(tx: Tx, generation: int) -> Json:
    """`{"generation", "kind", "digest", "canary", "at", "by", "reason", "before", "from", "ended_canary", "cleared",
    "seq"}`.

    `before`: the move before it, or None. `from`: what a rollback took away. `ended_canary`: the share and the evidence
    of a canary that it ended; `cleared`: what a rollback voided (`release.cleared`). `seq`: number of its event in the
    audit log; None where the log has it no more. Errors: `NotFound`."""
    moves = tx.releases.moves(limit=MOST_MOVES)
    move = next((each for each in moves if each.generation == generation), None)
    if move is None:
        raise NotFound("There is no such move here.", remedy="See `clearway release status`.")
    before = next((each for each in moves if each.generation == generation - 1), None)
    events = _events(tx, move)
    event = next(
        (e for e in events if e.kind in _OF_A_MOVE and (e.payload or {}).get("generation") == generation), None
    )
    payload: Json = dict(event.payload or {}) if event else {}
    cleared = next((e.payload for e in events if e.kind == "release.cleared" and _follows(e, event)), None)
    return {
        **shown(move),
        "before": shown(before) if before else None,
        "from": payload.get("from"),
        "share": payload.get("share") if move.canary else None,
        "runs": payload.get("runs"),
        "ended_canary": payload.get("ended_canary"),
        "cleared": cleared,
        "seq": event.seq if event else None,
    }


def shown(move: Move) -> Json:
    """A move as JSON."""
    return {
        "generation": move.generation,
        "kind": move.kind,
        "digest": move.digest,
        "canary": move.canary,
        "at": rfc3339(move.at),
        "by": move.by,
        "reason": move.reason,
    }


def canaries(moves: Sequence[Move]) -> list[Json]:
    """Canaries that ended, the latest first: `{"canary", "control", "began", "ended", "outcome"}`, the latter two moves
    as JSON and how it ended: `promoted`, `rolled back`, `replaced`. `moves`: newest first."""
    found: list[Json] = []
    began: Move | None = None
    for move in reversed(moves):
        if began is not None and move.canary != began.canary:
            found.append(
                {
                    "canary": began.canary,
                    "control": began.digest,
                    "began": shown(began),
                    "ended": shown(move),
                    "outcome": _outcome(began, move),
                }
            )
            began = None
        if move.canary is not None and began is None:
            began = move
    return found[::-1]


def _outcome(began: Move, ended: Move) -> str:
    if ended.kind == "promote" and ended.digest == began.canary:
        return "promoted"
    return "rolled back" if ended.kind == "rollback" else "replaced"


def _follows(event: RecordedEvent, move: RecordedEvent | None) -> bool:
    """It was written with the move, hence next to it."""
    return move is not None and move.kind == "release.rolled_back" and 0 < event.seq - move.seq <= 2


def _events(tx: Tx, move: Move) -> list[RecordedEvent]:
    """Those about releases of the move's moment.

    The log has no index by kind, and may hold millions: the place is found by its time, which grows with the number."""
    at = rfc3339(move.at)
    low, high = 0, tx.audit.head()[0]
    while low < high:
        middle = (low + high) // 2
        one = tx.audit.read(after=middle, limit=1)
        if one and one[0].at < at:
            low = middle + 1
        else:
            high = middle
    found: list[RecordedEvent] = []
    for _ in range(_MOST_PAGES):
        page = tx.audit.read(after=low, limit=_PAGE)
        found += [event for event in page if event.at == at and event.kind.startswith("release.")]
        if len(page) < _PAGE or page[-1].at > at:
            break
        low = page[-1].seq
    return found
