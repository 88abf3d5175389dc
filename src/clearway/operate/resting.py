"""When a run rests: it has ended, or somebody has to do something before it goes on."""

from collections.abc import Mapping
from typing import Any


def has_settled(now: Mapping[str, Any]) -> bool:
    """`now`: as `Operations.run_status` gives it.

    Waiting without an open approval, or in doubt without a step in doubt, the run has just been decided and goes on.
    """
    in_doubt = any(state == "unknown" for _, _, state in now["steps"])
    return bool(
        now["final"]
        or (now["status"] == "unknown" and in_doubt)
        or (now["status"] == "waiting" and now["pending_approvals"])
    )
