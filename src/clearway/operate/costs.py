"""What models took: sums by day, skill and model, from the counters that each recorded turn adds to."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from clearway.runtime.limits import DAY_S

Json = dict[str, Any]
MOST_DAYS = 366


def cost_rows(day: int, counters: Mapping[str, int]) -> list[Json]:
    """A row for each skill and model. `usd` is None where a turn has no known price: it is never guessed."""
    by_use: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for name, value in counters.items():
        _, _, skill, model, what = name.split("|")
        by_use[skill, model][what] = value
    date = datetime.fromtimestamp(day * DAY_S, UTC).date().isoformat()
    return [
        {
            "day": date,
            "skill": skill,
            "model": model,
            "turns": found.get("turns", 0),
            "input_tokens": found.get("input_tokens", 0),
            "output_tokens": found.get("output_tokens", 0),
            "usd": None if found.get("unpriced_turns") else found.get("micro_usd", 0) / 1e6,
            "unpriced_turns": found.get("unpriced_turns", 0),
        }
        for (skill, model), found in sorted(by_use.items())
    ]
