"""What whoever watches can ask at any time: which counters there are, and how much waits for people now."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product

from clearway.model.approval import ApprovalState
from clearway.model.decision import Verdict
from clearway.model.ledger import LedgerState
from clearway.model.run import RunStatus
from clearway.ports import Store, Tx

Labels = Mapping[str, str]
#: Of one tenant and environment; more than these are told as so many.
MOST_COUNTED = 1000

_WAITING: dict[str, Callable[[Tx], int]] = {
    "approvals.pending": lambda tx: len(tx.approvals.list(state=ApprovalState.PENDING, limit=MOST_COUNTED)),
    "effects.unknown": lambda tx: len(tx.ledger.list(state=LedgerState.UNKNOWN, limit=MOST_COUNTED)),
}


def counters(tools: Iterable[str], skills: Iterable[str]) -> dict[str, list[Labels]]:
    """Each counter with every combination of labels that is known before anything has happened."""
    names, ends = sorted(tools), [status.value for status in RunStatus if status.is_final]
    answers = ("pending", "approved", "rejected", "approval_expired", "cancelled")
    return {
        "runs": [{"status": status, "skill": skill} for status, skill in product(ends, sorted(skills))],
        "decisions": [{"verdict": verdict.value, "tool": tool} for verdict, tool in product(Verdict, names)],
        "approvals": [{"status": word} for word in answers],
        "unknown": [{"tool": tool} for tool in names],
    }


def gauge_reader(store: Store, environments: Sequence[str]) -> Callable[[str], list[tuple[float, Labels]]]:
    """Reads a gauge over all tenants. INVARIANT: no figure is labelled with a tenant (threat 20)."""

    def read(name: str) -> list[tuple[float, Labels]]:
        found: Counter[str] = Counter(dict.fromkeys(environments, 0))
        for scope in store.scopes():
            if scope.environment in found:
                found[scope.environment] += store.read(scope, _WAITING[name])
        return [(count, {"environment": environment}) for environment, count in found.items()]

    return read
