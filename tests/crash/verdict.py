"""The verdict over the evidence. Pure. Billing's ledger is the truth; Clearway's books have to agree with it."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from clearway.model.approval import ApprovalState
from clearway.model.event import RecordedEvent
from clearway.model.ledger import Entry, LedgerState
from clearway.model.run import RunStatus
from examples.support_desk.services import Charge
from tests.crash.evidence import Evidence

LOST_RUN = "lost run"
DUPLICATE = "duplicate effect"
UNAPPROVED = "effect without approval"
AUDIT_GAP = "audit gap"
STRAY_UNKNOWN = "unknown outside the send window"
BOOKS_DIFFER = "ledger and billing differ"
CHECKS = (LOST_RUN, DUPLICATE, UNAPPROVED, AUDIT_GAP, STRAY_UNKNOWN, BOOKS_DIFFER)

#: Tools whose UNKNOWN only people can resolve.
FOR_PEOPLE = frozenset({"charge_blind"})

#: How a run may end here without being done: it is certain that the effect did not happen, after repeated kills.
_FAIR_FAILURES = frozenset({"worker_lost"})


@dataclass(frozen=True)
class Violation:
    """`check` is one of `CHECKS`; `what` names run, step or key."""

    check: str
    what: str


def judge(evidence: Evidence) -> list[Violation]:
    """Every way in which the evidence breaks the promises; empty where they were kept."""
    return [
        *_lost_runs(evidence),
        *_duplicates(evidence),
        *_unapproved(evidence),
        *_audit_gaps(evidence),
        *_stray_unknowns(evidence),
        *_differences(evidence),
    ]


def rests(evidence: Evidence, run_id: str) -> bool:
    """Whether the run has ended, or waits for people to resolve what nobody else can."""
    run = evidence.runs[run_id]
    unknown = [e.tool for e in evidence.entries if e.run_id == run_id and e.state is LedgerState.UNKNOWN]
    return run.status.is_final or (run.status is RunStatus.UNKNOWN and bool(unknown) and set(unknown) <= FOR_PEOPLE)


def effects(evidence: Evidence) -> list[Entry]:
    return [entry for entry in evidence.entries if entry.kind != "sleep" and entry.impact != "read"]


def _lost_runs(evidence: Evidence) -> Iterator[Violation]:
    for run_id in sorted(evidence.acknowledged):
        run = evidence.runs.get(run_id)
        if run is None:
            yield Violation(LOST_RUN, f"{run_id} was acknowledged and is not in the store")
        elif not rests(evidence, run_id):
            yield Violation(LOST_RUN, f"{run_id} is still {run.status.value}")
        elif run.status.is_final and run.status is not RunStatus.DONE:
            code = str((run.failure or {}).get("code"))
            if code not in _FAIR_FAILURES:
                yield Violation(LOST_RUN, f"{run_id} ended {run.status.value} ({code})")


def _duplicates(evidence: Evidence) -> Iterator[Violation]:
    for name, counts in (
        ("key", Counter(charge.idempotency_key for charge in evidence.charges)),
        ("step", Counter(charge.memo for charge in evidence.charges)),
    ):
        for what, count in counts.items():
            if count > 1:
                yield Violation(DUPLICATE, f"{name} {what} was charged {count} times")


def _unapproved(evidence: Evidence) -> Iterator[Violation]:
    rows = {entry.key: entry for entry in evidence.entries}
    for charge in evidence.charges:
        row = rows.get(charge.idempotency_key or "")
        if row is None or row.tool != "held_charge":
            continue
        approval = evidence.approvals.get(row.approval_id or "")
        if approval is None:
            yield Violation(UNAPPROVED, f"{charge.memo} has no approval")
        elif approval.state is not ApprovalState.CONSUMED:
            yield Violation(UNAPPROVED, f"{charge.memo}: its approval is {approval.state.value}")
        elif approval.action_digest != row.action_digest:
            yield Violation(UNAPPROVED, f"{charge.memo}: its approval is for another action")
        elif not evidence.voters[approval.approval_id] - {approval.requester}:
            yield Violation(UNAPPROVED, f"{charge.memo}: nobody else voted for it")


def _audit_gaps(evidence: Evidence) -> Iterator[Violation]:
    if evidence.audit_status != "intact":
        yield Violation(AUDIT_GAP, f"the chain is {evidence.audit_status}: {evidence.audit_why}")
    stories = _stories(evidence)
    for charge in evidence.charges:
        kinds = [event.kind for event in stories[_step_of(charge)]]
        if "action.started" not in kinds:
            yield Violation(AUDIT_GAP, f"{charge.memo} was charged without action.started")
        elif not {"action.succeeded", "action.in_doubt", "action.reconciled", "action.resolved"} & set(kinds):
            yield Violation(AUDIT_GAP, f"{charge.memo} was charged without an outcome in the log")
        if _successes(stories[_step_of(charge)]) > 1:
            yield Violation(AUDIT_GAP, f"{charge.memo} is recorded as done more than once")


def _stray_unknowns(evidence: Evidence) -> Iterator[Violation]:
    keys = {(entry.run_id, entry.step_id): entry.key for entry in evidence.entries}
    left = set[tuple[str, int]]().union(*(window.left for window in evidence.windows))
    for event in evidence.events:
        if event.kind != "action.in_doubt":
            continue
        payload = event.payload or {}
        step = event.run_id or "", event.step_id or ""
        if payload.get("code") != "worker_lost":
            yield Violation(STRAY_UNKNOWN, f"{'/'.join(step)}: in doubt for {payload.get('code')}, without a kill")
        elif (keys.get(step, ""), payload.get("attempt")) not in left:
            yield Violation(STRAY_UNKNOWN, f"{'/'.join(step)}: no kill fell into attempt {payload.get('attempt')}")


def _differences(evidence: Evidence) -> Iterator[Violation]:
    charged = Counter(charge.idempotency_key for charge in evidence.charges)
    rows = {entry.key: entry for entry in effects(evidence)}
    for entry in rows.values():
        step = f"{entry.run_id}/{entry.step_id}"
        if entry.state is LedgerState.SUCCEEDED and charged[entry.key] == 0:
            yield Violation(BOOKS_DIFFER, f"{step} succeeded by the ledger, and billing has no charge")
        elif entry.state not in (LedgerState.SUCCEEDED, LedgerState.UNKNOWN) and charged[entry.key]:
            yield Violation(BOOKS_DIFFER, f"{step} is {entry.state.value} by the ledger, and billing has a charge")
    for charge in evidence.charges:
        row = rows.get(charge.idempotency_key or "")
        if row is None or (row.run_id, row.step_id) != _step_of(charge):
            yield Violation(BOOKS_DIFFER, f"{charge.memo} was charged, and the ledger has no row for it")


def _stories(evidence: Evidence) -> dict[tuple[str, str], list[RecordedEvent]]:
    stories: dict[tuple[str, str], list[RecordedEvent]] = defaultdict(list)
    for event in evidence.events:
        if event.run_id and event.step_id:
            stories[event.run_id, event.step_id].append(event)
    return stories


def _successes(story: list[RecordedEvent]) -> int:
    def is_success(event: RecordedEvent) -> bool:
        payload = event.payload or {}
        return (
            event.kind == "action.succeeded"
            or (event.kind == "action.resolved" and payload.get("happened") is True)
            or (event.kind == "action.reconciled" and payload.get("answer") == "happened")
        )

    return sum(map(is_success, story))


def _step_of(charge: Charge) -> tuple[str, str]:
    run_id, _, step_id = charge.memo.partition("/")
    return run_id, step_id
