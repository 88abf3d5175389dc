"""A canary that runs: what its guard has seen so far, and how the traffic of both arms fares."""

from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from clearway.model.release import Move, Pointer
from clearway.model.report import RunTimes
from clearway.model.run import RunStatus
from clearway.operate.releases.pointer import MOST_MOVES
from clearway.ports import Tx
from clearway.rules.chain import rfc3339
from clearway.rules.releases.guard import Guard, Measure

Json = dict[str, Any]

#: Runs of both arms that are counted, the newest ones.
MOST_COUNTED = 2_000


def canary_record(tx: Tx) -> Json:
    """`{"canary", "active", "share", "generation", "since", "by", "reason", "terms", "enough", "advice", "measures",
    "course", "arms", "cut"}`; `canary` is None where none runs, and then nothing else is there but `active` and
    `generation`.

    `enough`: the natural logarithm of the e-value at which one measure ends it. `measures`: each
    `{"name", "compared", "canary", "control", "tolerated", "log_e"}`, as `Measure`. `course`: how they went, oldest
    first, each `{"looks", "at", "log_e": {name: …}}`: after how many of the guard's looks, and when. `arms`: of the
    newest runs since it began, `{"release", "runs", "ended", "failed", "refused", "waiting", "median_s"}`; `cut`: there
    are more of them."""
    pointer = tx.releases.pointer()
    if pointer is None or pointer.canary is None:
        found = (pointer.digest, pointer.generation) if pointer else (None, 0)
        return {"canary": None, "active": found[0], "generation": found[1]}
    began = _began(tx, pointer)
    return {**_agreed(pointer, began), **_evidence(pointer), **_arms(tx, pointer, began)}


def _began(tx: Tx, pointer: Pointer) -> Move | None:
    """The move that began it: a shadow that joined later is another one."""
    began = None
    for move in tx.releases.moves(limit=MOST_MOVES):
        if move.canary != pointer.canary:
            break
        began = move
    return began


def _agreed(pointer: Pointer, began: Move | None) -> Json:
    return {
        "canary": pointer.canary,
        "active": pointer.digest,
        "share": pointer.canary_share,
        "generation": pointer.generation,
        "since": rfc3339(began.at if began else pointer.moved_at),
        "by": began.by if began else pointer.moved_by,
        "reason": began.reason if began else pointer.reason,
    }


def _evidence(pointer: Pointer) -> Json:
    if pointer.guard is None:
        return {"terms": None, "enough": None, "advice": "", "measures": [], "course": []}
    guard = Guard.read(pointer.guard)
    return {
        "terms": guard.terms.as_json(),
        "enough": guard.enough,
        "advice": guard.advice()[0].value,
        "measures": [_line(measure) for measure in guard.measures()],
        "course": _course(guard),
    }


def _course(guard: Guard) -> list[Json]:
    names = [measure.name for measure in guard.measures()]
    return [
        {"looks": point.looks, "at": rfc3339(point.at), "log_e": dict(zip(names, point.log_e, strict=False))}
        for point in guard.course.points
    ]


def _line(measure: Measure) -> Json:
    return {
        "name": measure.name,
        "compared": measure.compared,
        "canary": measure.canary,
        "control": measure.control,
        "tolerated": measure.tolerated,
        "log_e": round(measure.log_e, 4),
    }


def _arms(tx: Tx, pointer: Pointer, began: Move | None) -> Json:
    runs = tx.reports.run_times(began.at if began else pointer.moved_at, limit=MOST_COUNTED)
    arms = (pointer.canary, pointer.digest)
    return {
        "arms": [_arm(str(digest), [run for run in runs if run.release == digest]) for digest in arms],
        "cut": len(runs) == MOST_COUNTED,
    }


def _arm(release: str, runs: Sequence[RunTimes]) -> Json:
    statuses = Counter(run.status for run in runs)
    took = [run.finished_at - run.created_at for run in runs if run.finished_at is not None]
    return {
        "release": release,
        "runs": len(runs),
        "ended": sum(statuses[status.value] for status in RunStatus if status.is_final),
        "failed": statuses[RunStatus.FAILED.value],
        "refused": statuses[RunStatus.REFUSED.value],
        "waiting": statuses[RunStatus.WAITING.value],
        "median_s": median(took) if took else None,
    }
