"""Retention: what is old enough goes, kind by kind, on schedule; the audit chain stays whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clearway.model.event import Event
from clearway.model.identity import Principal, Scope
from clearway.ports import Store, Tx
from clearway.rules.rights import require

DAY_S = 86_400.0
#: Runs or values that one transaction removes, so that nobody waits long for its lock.
AT_ONCE = 200
SCHEDULE = "schedule"


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """`days`: kind of data → days that it is kept; a kind that is not there is kept for ever."""

    store: Store
    days: Mapping[str, float]

    def count(self, scope: Scope) -> dict[str, int]:
        """Kind → how many would go now."""
        return self.store.read(
            scope, lambda tx: {kind: tx.retention.count(kind, _before(tx, days)) for kind, days in self.days.items()}
        )

    def ask(self, by: Principal, *, dry_run: bool) -> dict[str, Any]:
        """For whoever asks: `{"counts", "days", "removed"}`. Errors: `Denied`."""
        require(by, "retention")
        counts = self.count(by.scope) if dry_run else self.apply(by.scope, by.name)
        return {"counts": counts, "days": dict(self.days), "removed": not dry_run}

    def apply(self, scope: Scope, by: str = SCHEDULE) -> dict[str, int]:
        """Removes what is due; kind → how many went."""
        removed = {kind: self._remove(scope, kind, days) for kind, days in self.days.items()}
        if any(removed.values()):
            payload = {"removed": removed, "days": {kind: str(days) for kind, days in self.days.items()}, "by": by}
            self.store.write(scope, lambda tx: tx.audit.append([Event("retention.applied", payload)]))
            self.store.scour()
        return removed

    def _remove(self, scope: Scope, kind: str, days: float) -> int:
        total = 0
        while True:
            gone = self.store.write(
                scope, lambda tx: tx.retention.remove(kind, _before(tx, days), tx.now, limit=AT_ONCE)
            )
            total += gone
            if gone < AT_ONCE:
                return total


def _before(tx: Tx, days: float) -> float:
    return tx.now - days * DAY_S
