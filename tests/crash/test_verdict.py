"""The verdict names each way in which a promise can be broken, and nothing where none was."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from clearway.model.approval import Approval, ApprovalState
from clearway.model.event import RecordedEvent
from clearway.model.ledger import Entry, LedgerState
from clearway.model.run import Run, RunStatus
from examples.support_desk.services import Charge
from tests.crash.evidence import Evidence, Window
from tests.crash.verdict import (
    AUDIT_GAP,
    BOOKS_DIFFER,
    DUPLICATE,
    LOST_RUN,
    STRAY_UNKNOWN,
    UNAPPROVED,
    Violation,
    judge,
)

RUN = Run(
    run_id="r1",
    idempotency_key="k",
    request_fingerprint="",
    request_id="",
    correlation_id="",
    principal={},
    skill="errand",
    route={},
    release="",
    status=RunStatus.DONE,
    text="",
    input="",
    shown_input={},
    fence=1,
    deadline_s=1.0,
    spent_s=0.0,
    created_at=0.0,
)
APPROVAL = Approval(
    approval_id="a1",
    run_id="r1",
    step_id="s1",
    kind="action",
    tool="held_charge",
    tool_digest="",
    impact="external",
    action_digest="d1",
    presented={},
    presented_digest="",
    factors=(),
    policies=(),
    state=ApprovalState.CONSUMED,
    requester="user:dana",
    excluded=(),
    requested_at=0.0,
    expires_at=1.0,
    execution_ttl_s=1.0,
)
HELD = Entry(
    key="key1",
    run_id="r1",
    step_id="s1",
    kind="call",
    tool="held_charge",
    impact="external",
    fingerprint="",
    state=LedgerState.SUCCEEDED,
    fence=1,
    attempt=2,
    action_digest="d1",
    approval_id="a1",
)
BLIND = replace(HELD, key="key2", step_id="s2", tool="charge_blind", approval_id=None, attempt=1)


def charge(number: int) -> Charge:
    return Charge(f"c{number}", "2093", "adjustment", 1, "USD", f"key{number}", f"r1/s{number}", "", None)


def event(kind: str, number: int, **payload: Any) -> RecordedEvent:
    return RecordedEvent(1, "", kind, "r1", f"s{number}", "", "", payload, "")


SOUND = Evidence(
    acknowledged=frozenset({"r1"}),
    runs={"r1": RUN},
    entries=[HELD, BLIND],
    approvals={"a1": APPROVAL},
    voters={"a1": frozenset({"user:amir"})},
    audit_status="intact",
    audit_why="",
    keyed=[charge(1)],
    plain=[charge(2)],
    events=[
        event("action.started", 1, attempt=1),
        event("action.in_doubt", 1, attempt=1, code="worker_lost"),
        event("action.started", 1, attempt=2),
        event("action.succeeded", 1, attempt=2),
        event("action.started", 2, attempt=1),
        event("action.succeeded", 2, attempt=1),
    ],
    windows=(Window("random", frozenset({("key1", 1)})),),
)


def without(kind: str) -> list[RecordedEvent]:
    return [each for each in SOUND.events if each.kind != kind]


def test_sound_books_are_found_sound() -> None:
    assert judge(SOUND) == []


def test_a_doubt_that_only_people_can_resolve_is_no_loss() -> None:
    unresolved = replace(
        SOUND,
        runs={"r1": replace(RUN, status=RunStatus.UNKNOWN)},
        entries=[HELD, replace(BLIND, state=LedgerState.UNKNOWN)],
        events=[*SOUND.events[:-1], event("action.in_doubt", 2, attempt=1, code="worker_lost")],
        windows=(*SOUND.windows, Window("in flight", frozenset({("key2", 1)}))),
    )
    assert judge(unresolved) == []
    assert judge(replace(unresolved, plain=[])) == []


BROKEN: dict[str, tuple[str, Callable[[Evidence], Evidence]]] = {
    "a run that is not in the store": (LOST_RUN, lambda e: replace(e, acknowledged=frozenset({"r1", "r2"}))),
    "a run that waits for nobody": (
        LOST_RUN,
        lambda e: replace(e, runs={"r1": replace(RUN, status=RunStatus.RUNNING)}),
    ),
    "a run in doubt without an effect in doubt": (
        LOST_RUN,
        lambda e: replace(e, runs={"r1": replace(RUN, status=RunStatus.UNKNOWN)}),
    ),
    "a run that failed for a defect": (
        LOST_RUN,
        lambda e: replace(e, runs={"r1": replace(RUN, status=RunStatus.FAILED, failure={"code": "internal"})}),
    ),
    "a key charged twice": (DUPLICATE, lambda e: replace(e, keyed=[charge(1), replace(charge(1), memo="r1/s1 again")])),
    "a step charged under two keys": (
        DUPLICATE,
        lambda e: replace(e, plain=[charge(2), replace(charge(2), idempotency_key="key9")]),
    ),
    "no approval": (UNAPPROVED, lambda e: replace(e, approvals={})),
    "an approval that was not used": (
        UNAPPROVED,
        lambda e: replace(e, approvals={"a1": replace(APPROVAL, state=ApprovalState.APPROVED)}),
    ),
    "an approval of another action": (
        UNAPPROVED,
        lambda e: replace(e, approvals={"a1": replace(APPROVAL, action_digest="d2")}),
    ),
    "an approval by the requester": (UNAPPROVED, lambda e: replace(e, voters={"a1": frozenset({"user:dana"})})),
    "a broken chain": (AUDIT_GAP, lambda e: replace(e, audit_status="tampered")),
    "a charge without its intent": (AUDIT_GAP, lambda e: replace(e, events=without("action.started"))),
    "a charge without its outcome": (AUDIT_GAP, lambda e: replace(e, events=without("action.succeeded"))),
    "a charge recorded twice": (
        AUDIT_GAP,
        lambda e: replace(e, events=[*e.events, event("action.reconciled", 2, answer="happened")]),
    ),
    "a doubt without a kill": (STRAY_UNKNOWN, lambda e: replace(e, windows=())),
    "a doubt of another attempt": (
        STRAY_UNKNOWN,
        lambda e: replace(e, windows=(Window("random", frozenset({("key1", 2)})),)),
    ),
    "a doubt for another reason": (
        STRAY_UNKNOWN,
        lambda e: replace(e, events=[*e.events, event("action.in_doubt", 2, attempt=1, code="timeout")]),
    ),
    "a success without a charge": (BOOKS_DIFFER, lambda e: replace(e, plain=[])),
    "a charge of a step that failed": (
        BOOKS_DIFFER,
        lambda e: replace(e, entries=[HELD, replace(BLIND, state=LedgerState.FAILED_FINAL)]),
    ),
    "a charge that nobody recorded": (BOOKS_DIFFER, lambda e: replace(e, entries=[HELD])),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_promise_is_named(name: str) -> None:
    check, harm = BROKEN[name]
    found: list[Violation] = judge(harm(SOUND))
    assert check in {violation.check for violation in found}
