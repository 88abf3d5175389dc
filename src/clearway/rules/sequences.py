"""Sequence conditions: what of a run's and a tenant's past policies may ask for, and how it is counted.

::

    context.done.contains("get_reservation")             read before write
    context.done_on_target.contains("get_reservation")   of the same target
    !context.begun.contains("export_customers")          after X no Y
    context.count.user_day < 3                           at most three a day by user
    context.sum.amount_minor.target_day + context.arguments.amount_minor <= 100000

The counters are those of the action's own tool. Windows slide: `user_day` is the last 24 hours, for this user, in this
tenant and environment. docs/reference/policies.md says more.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

By = Literal["user", "target", "tenant"]

RUN = "run"
_SECONDS = {"hour": 3600.0, "day": 86400.0, "week": 604800.0}
_BYS: tuple[By, ...] = ("user", "target", "tenant")
_WINDOWS: dict[str, tuple[By, float]] = {
    f"{by}_{window}": (by, seconds) for by in _BYS for window, seconds in _SECONDS.items()
}

#: Names of the counters under `context.count` and `context.sum.ARGUMENT`.
PERIODS = (RUN, *_WINDOWS)
#: Names of the sets of tools.
SETS = ("done", "done_on_target", "begun")


def window_of(period: str) -> tuple[By, float]:
    """(by whom or what, how many seconds back) of a period other than `run`."""
    return _WINDOWS[period]


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier call of the run. `succeeded`: it certainly happened; otherwise it may have."""

    tool: str
    targets: frozenset[str]
    succeeded: bool


def tools_before(past: Iterable[Past], targets: Collection[str]) -> dict[str, frozenset[str]]:
    """`SETS` → tools. INVARIANT: what is in doubt has happened where that forbids, and has not where that permits."""
    calls = list(past)
    wanted = frozenset(targets)
    return {
        "begun": frozenset(call.tool for call in calls),
        "done": frozenset(call.tool for call in calls if call.succeeded),
        "done_on_target": frozenset(
            call.tool for call in calls if call.succeeded and wanted and wanted <= call.targets
        ),
    }
