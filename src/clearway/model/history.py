"""What happened before an action, as far as policies may ask."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class History:
    """`done`, `begun`: tools that this run has used before: that succeeded; that succeeded or may have (in doubt, under
    way). `done_on_target`: those that succeeded on every target of the action.

    `counts`: how often the action's own tool was used before, by period (`rules.sequences.PERIODS`): what may have
    happened counts, what certainly did not does not. `sums`: argument → period → sum of that argument over those.
    `known`: which of all that was looked up (`done`, `count.user_day`, `sum.amount_minor.run`); None: all of it, and
    what is missing is nothing or 0.
    """

    done: frozenset[str] = frozenset()
    done_on_target: frozenset[str] = frozenset()
    begun: frozenset[str] = frozenset()
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    sums: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    known: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """One use of a tool on one target, to be counted. `key`: of its ledger row, whose state says whether it counts.

    `target`: a keyed token, empty where the action has none. `first`: whether it is the action's first target, so that
    an action counts once. `at`: of its first claim, on the store's clock. `amounts`: its whole numbers by name, sealed
    under the key of its run.
    """

    key: str
    target: str
    tool: str
    user: str
    at: float
    first: bool
    amounts: str | None = None
