"""What happened before an action, looked up for its decision: in the transaction that claims it, so that of concurrent
runs none overruns (architecture: budgets are reserved with the claim).

INVARIANT: what may have happened counts (approvals-idempotency-audit.md §3: UNKNOWN); what was denied, or certainly did
not happen, does not.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from clearway.model.action import Action
from clearway.model.history import Happening, History
from clearway.model.ledger import Entry, LedgerState
from clearway.model.vault import StoredKey
from clearway.ports import DataKey, Sealer, Tx
from clearway.rules.sequences import RUN, SETS, Past, tools_before, window_of
from clearway.runtime.vault import RunVault

_MAY_HAVE = (LedgerState.CLAIMED, LedgerState.STARTED, LedgerState.SUCCEEDED, LedgerState.UNKNOWN)
_CALLS = ("call", "compensation")


def look_back(tx: Tx, action: Action, needed: frozenset[str], sealer: Sealer) -> History:
    """`needed`: as `Policy.history_read` names it."""
    sets: Mapping[str, frozenset[str]] = {}
    if needed & frozenset(SETS):
        past = _past(tx.ledger.of_run(action.run_id), but_not=action.step_id)
        sets = tools_before(past, [str(target) for target in action.shown_targets])
    counter = _Counter(tx, action, sealer)
    counts: dict[str, int] = {}
    sums: dict[str, dict[str, int]] = {}
    for name in needed - frozenset(SETS):
        match name.split("."):
            case ["count", period]:
                counts[period] = counter.count(period)
            case ["sum", argument, period]:
                sums.setdefault(argument, {})[period] = counter.total(argument, period)
            case _:
                raise AssertionError("the policy names what there is")
    return History(counts=counts, sums=sums, known=needed, **sets)


def happenings(action: Action, vault: RunVault, sealer: Sealer) -> tuple[Happening, ...]:
    """What the claim of this action adds to the count. Their time is set in its transaction.

    INVARIANT: amounts are sealed under the run's own key, so that no copy of them outlives the people of the run."""
    amounts = {name: value for name, value in action.arguments.items() if type(value) is int}
    sealed = vault.seal(amounts) if amounts else None
    return tuple(
        Happening(action.key, target, action.tool, action.user.name, 0.0, number == 0, sealed)
        for number, target in enumerate(_targets(action, sealer))
    )


def _past(entries: Iterable[Entry], *, but_not: str) -> list[Past]:
    return [
        Past(entry.tool, frozenset(entry.targets), entry.state is LedgerState.SUCCEEDED)
        for entry in entries
        if entry.step_id != but_not and entry.kind in _CALLS and entry.state in _MAY_HAVE
    ]


def _targets(action: Action, sealer: Sealer) -> list[str]:
    """Tokens, since what a target is called can be personal; an empty one where the action touches none."""
    return [sealer.token(str(target), "TARGET", action.scope) for target in action.targets] or [""]


class _Counter:
    def __init__(self, tx: Tx, action: Action, sealer: Sealer) -> None:
        self._tx, self._action, self._sealer = tx, action, sealer
        self._keys: dict[str, DataKey] = {}

    def count(self, period: str) -> int:
        """Of several targets that which has most."""
        by, names, since = self._asked(period)
        tool, key = self._action.tool, self._action.key
        return max(self._tx.happenings.count(tool, by, name, since, but_not=key) for name in names)

    def total(self, argument: str, period: str) -> int:
        by, names, since = self._asked(period)
        return max(self._sum(argument, by, name, since) for name in names)

    def _sum(self, argument: str, by: str, name: str, since: float) -> int:
        tool, key = self._action.tool, self._action.key
        sealed = self._tx.happenings.amounts(tool, by, name, since, but_not=key)
        amounts: list[dict[str, Any]] = [self._key(stored).unseal(text) for stored, text in sealed]
        return sum(int(each.get(argument, 0)) for each in amounts)

    def _key(self, stored: StoredKey | None) -> DataKey:
        """Of a run; opened once a look back."""
        key_id = "" if stored is None else stored.key_id
        if key_id not in self._keys:
            self._keys[key_id] = self._sealer.open_key(stored, self._action.scope)
        return self._keys[key_id]

    def _asked(self, period: str) -> tuple[str, list[str], float]:
        if period == RUN:
            return RUN, [self._action.run_id], 0.0
        by, seconds = window_of(period)
        names = {"user": [self._action.user.name], "target": _targets(self._action, self._sealer)}.get(by, [""])
        return by, names, self._tx.now - seconds
