"""What is known after a campaign: Clearway's own books, billing's, and what the driver noted at each kill."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from clearway.model.approval import Approval
from clearway.model.event import RecordedEvent
from clearway.model.ledger import Entry
from clearway.model.run import Run
from clearway.ports import Tx
from examples.support_desk import services
from examples.support_desk.services import Charge, ReceivedRequest

if TYPE_CHECKING:
    from tests.crash.site import Site


@dataclass(frozen=True)
class Window:
    """One kill: how, and the (idempotency key, attempt) of each effect that was started and not settled then."""

    how: str
    left: frozenset[tuple[str, int]]


@dataclass(frozen=True)
class Evidence:
    """`acknowledged`: runs whose start was answered. `keyed`, `plain`: charges by the two billing services."""

    acknowledged: frozenset[str]
    runs: dict[str, Run]
    entries: list[Entry]
    approvals: dict[str, Approval]
    voters: dict[str, frozenset[str]]
    events: list[RecordedEvent]
    audit_status: str
    audit_why: str
    keyed: list[Charge]
    plain: list[Charge]
    keyed_requests: list[ReceivedRequest] = field(default_factory=list[ReceivedRequest])
    plain_requests: list[ReceivedRequest] = field(default_factory=list[ReceivedRequest])
    windows: tuple[Window, ...] = ()

    @property
    def charges(self) -> list[Charge]:
        return [*self.keyed, *self.plain]

    def states(self) -> Counter[str]:
        return Counter(entry.state.value for entry in self.entries)


def collect(site: "Site") -> Evidence:
    """Reads all books. Nothing may be at work any more."""
    from tests.crash.site import SCOPE

    def read(tx: Tx) -> dict[str, Any]:
        runs = {run.run_id: run for run in _all_runs(tx)}
        entries = [entry for run_id in runs for entry in tx.ledger.of_run(run_id)]
        approvals = [approval for run_id in runs for approval in tx.approvals.list(run_id=run_id, limit=1000)]
        voters = {
            a.approval_id: frozenset(vote.subject for vote in tx.approvals.votes(a.approval_id)) for a in approvals
        }
        return {
            "runs": runs,
            "entries": entries,
            "approvals": {a.approval_id: a for a in approvals},
            "voters": voters,
            "events": _all_events(tx),
        }

    verdict = site.olga.audit_verify()
    return Evidence(
        acknowledged=frozenset(site.acknowledged),
        **site.app.store.read(SCOPE, read),
        audit_status=verdict["status"],
        audit_why=verdict["why"],
        keyed=services.charges(site.keyed.data_dir),
        plain=services.charges(site.plain.data_dir),
        keyed_requests=services.requests(site.keyed.data_dir),
        plain_requests=services.requests(site.plain.data_dir),
        windows=tuple(site.windows),
    )


def _all_runs(tx: Tx) -> list[Run]:
    found: list[Run] = []
    while page := tx.runs.list(limit=500, before=(found[-1].created_at, found[-1].run_id) if found else None):
        found += page
    return found


def _all_events(tx: Tx) -> list[RecordedEvent]:
    found: list[RecordedEvent] = []
    while page := tx.audit.read(after=found[-1].seq if found else 0, limit=5000):
        found += page
    return found
