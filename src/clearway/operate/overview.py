"""What an operator looks at first: how much runs, how well, how long, and how much people have to decide.

Counted from the newest `MOST_COUNTED` runs and approvals of the window, so that it takes as long in a full store as
in a small one; `cut` says where that is not all of them.
"""

from collections import Counter
from collections.abc import Sequence
from statistics import median, quantiles
from typing import Any

from clearway.model.approval import ApprovalState
from clearway.model.report import AskedFor, RunTimes
from clearway.model.run import RunStatus
from clearway.ports import Tx
from clearway.rules.chain import rfc3339

Json = dict[str, Any]
MOST_COUNTED = 2_000
#: Bars of a chart.
BARS = 24
#: What people wave through: over this share of at least so many decisions approve, or half are quicker than that.
WAVED_THROUGH, AT_LEAST, TOO_QUICK_S = 0.95, 50, 5.0
#: Window by name → seconds.
WINDOWS = {"hour": 3_600.0, "day": 86_400.0, "week": 604_800.0}

_YES = frozenset({ApprovalState.APPROVED.value, ApprovalState.CONSUMED.value})


def overview(tx: Tx, window: str) -> Json:
    """`{"runs", "approvals", "bars", …}` of one of `WINDOWS`, up to now. Rates are shares of 1, or None of nothing."""
    length = WINDOWS[window]
    since = tx.now - length
    runs = tx.reports.run_times(since, limit=MOST_COUNTED)
    asked = tx.reports.asked_for(since, limit=MOST_COUNTED)
    cut = len(runs) == MOST_COUNTED or len(asked) == MOST_COUNTED
    return {
        "window": window,
        "since": rfc3339(since),
        "cut": cut,
        "runs": _runs(runs),
        "skills": _skills(runs),
        "approvals": _approvals(asked, tx),
        "bars": _bars(runs, since, length),
    }


def waved_through(tx: Tx, window: str = "day") -> Json | None:
    """`{"decided", "approve_rate", "answer_s"}` of the window where people seem to approve whatever they are asked,
    else None."""
    found = answers(tx.reports.asked_for(tx.now - WINDOWS[window], limit=MOST_COUNTED))
    return found if seems_waved_through(found) else None


def seems_waved_through(found: Json) -> bool:
    """Of what `answers` gives."""
    if found["decided"] < AT_LEAST:
        return False
    return found["approve_rate"] > WAVED_THROUGH or found["answer_s"] < TOO_QUICK_S


def answers(asked: Sequence[AskedFor]) -> Json:
    """`{"decided", "approve_rate", "answer_s"}`: how many were decided, the share approved, half of them within."""
    decided = [one for one in asked if one.decided_at is not None]
    approved = sum(one.state in _YES for one in decided)
    return {
        "decided": len(decided),
        "approve_rate": approved / len(decided) if decided else None,
        "answer_s": median(one.decided_at - one.requested_at for one in decided if one.decided_at is not None)
        if decided
        else None,
    }


def _runs(runs: Sequence[RunTimes]) -> Json:
    statuses = Counter(run.status for run in runs)
    ended = sum(statuses[status.value] for status in RunStatus if status.is_final)
    return {
        "count": len(runs),
        "statuses": dict(statuses.most_common()),
        "success": statuses[RunStatus.DONE.value] / ended if ended else None,
        **_percentiles([run.finished_at - run.created_at for run in runs if run.finished_at is not None]),
    }


def _skills(runs: Sequence[RunTimes]) -> list[Json]:
    names = Counter(run.skill for run in runs)
    return [{"skill": name, **_runs([run for run in runs if run.skill == name])} for name, _ in names.most_common(20)]


def _approvals(asked: Sequence[AskedFor], tx: Tx) -> Json:
    return {
        "count": len(asked),
        **answers(asked),
        "waiting": tx.reports.waiting_count(tx.now),
        "states": dict(Counter(one.state for one in asked).most_common()),
        "by_policy": Counter(policy for one in asked for policy in one.policies).most_common(40),
        "by_tool": Counter(one.tool for one in asked).most_common(12),
    }


def _bars(runs: Sequence[RunTimes], since: float, length: float) -> list[Json]:
    """Runs begun in each of `BARS` equal parts of the window, oldest first, by how they ended."""
    bars: list[Counter[str]] = [Counter() for _ in range(BARS)]
    for run in runs:
        bars[min(BARS - 1, int((run.created_at - since) / length * BARS))][_ending(run.status)] += 1
    width = length / BARS
    return [{"at": rfc3339(since + place * width), **counted} for place, counted in enumerate(bars)]


def _ending(status: str) -> str:
    if status == RunStatus.DONE.value:
        return "done"
    return "not_done" if RunStatus(status).is_final else "under_way"


def _percentiles(seconds: Sequence[float]) -> Json:
    """Latencies of ended runs, waiting for people included, in seconds."""
    if not seconds:
        return {"p50_s": None, "p95_s": None, "p99_s": None}
    if len(seconds) == 1:
        return dict.fromkeys(("p50_s", "p95_s", "p99_s"), seconds[0])
    cuts = quantiles(seconds, n=100, method="inclusive")
    return {"p50_s": cuts[49], "p95_s": cuts[94], "p99_s": cuts[98]}
