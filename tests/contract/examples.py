"""Values to store, each with everything set that can be."""

from typing import Any

from clearway.adapters.sql.store import SqlStore
from clearway.model.approval import Approval, ApprovalState, Grant, Vote
from clearway.model.decision import Factor
from clearway.model.event import Event, RecordedEvent
from clearway.model.identity import Scope
from clearway.model.keys import ApiKey
from clearway.model.ledger import Entry, LedgerState
from clearway.model.run import Run, RunStatus
from clearway.model.switch import KillSwitch
from clearway.rules import chain


def run(number: int = 1, **changes: Any) -> Run:
    values: dict[str, Any] = {
        "run_id": f"run{number}",
        "idempotency_key": f"ask{number}",
        "request_fingerprint": "sha256:1",
        "request_id": f"req{number}",
        "correlation_id": "case7",
        "principal": {"user": "ana", "roles": ["agent"]},
        "skill": "refund",
        "route": {"skill": "refund", "score": 0.5, "why": None},
        "release": "r1",
        "status": RunStatus.QUEUED,
        "text": "sealed",
        "input": "sealed",
        "shown_input": {"card": "<CARD:1>"},
        "fence": 1,
        "deadline_s": 300.0,
        "spent_s": 0.25,
        "created_at": 1000.0 + number,
        "active_pass": "p1",
        "wake": True,
        "cancel_requested": False,
        "started_at": 1.5,
        "finished_at": 2.5,
        "result": "sealed",
        "shown_result": ["ü", None, {"a": 1}],
        "failure": {"step": "s1", "code": "x"},
    }
    return Run(**{**values, **changes})


def entry(number: int = 1, **changes: Any) -> Entry:
    values: dict[str, Any] = {
        "key": f"sha256:{number}",
        "run_id": "run1",
        "step_id": f"s{number}",
        "kind": "call",
        "tool": "billing.refund",
        "impact": "external",
        "fingerprint": "sha256:f",
        "state": LedgerState.STARTED,
        "fence": 1,
        "attempt": 1,
        "action_digest": "sha256:a",
        "business_key": None,
        "approval_id": "ap1",
        "grant_id": "g1",
        "lease_until": 9.5,
        "first_sent_at": 8.5,
        "remote_ref": "re_1",
        "arguments": "sealed",
        "shown_arguments": {"amount_minor": 1200},
        "targets": ("account:9182",),
        "result": "sealed",
        "shown_result": {"ok": True},
        "detail": {"code": "x"},
        "created_at": 1000.0 + number,
        "updated_at": 1001.0,
        "duration_s": 0.5,
    }
    return Entry(**{**values, **changes})


def approval(number: int = 1, **changes: Any) -> Approval:
    values: dict[str, Any] = {
        "approval_id": f"ap{number}",
        "run_id": "run1",
        "step_id": "s1",
        "kind": "action",
        "tool": "billing.refund",
        "tool_digest": "sha256:t",
        "impact": "external",
        "action_digest": "sha256:a",
        "presented": {"summary": "Refund"},
        "presented_digest": "sha256:p",
        "factors": (Factor("finance", 2), Factor("security", 1)),
        "policies": ("refund-high",),
        "state": ApprovalState.PENDING,
        "requester": "user:ana",
        "excluded": ("user:ana", "user:bo"),
        "requested_at": 1000.0 + number,
        "expires_at": 2000.0,
        "execution_ttl_s": 300.0,
        "arguments": "sealed",
        "escalate_to": "leads",
        "escalate_at": 1500.0,
        "escalated_at": 1501.0,
        "decided_at": 1502.0,
        "execute_by": 1802.0,
        "replaces": "ap0",
        "note": "n",
    }
    return Approval(**{**values, **changes})


def vote(subject: str = "user:cy", **changes: Any) -> Vote:
    values: dict[str, Any] = {
        "approval_id": "ap1",
        "subject": subject,
        "verdict": "approve",
        "factor": "finance",
        "at": 1100.0,
        "action_digest": "sha256:a",
        "presented_digest": "sha256:p",
        "comment": "ok ‮",
        "authenticated_by": "key:k1",
        "record_signature": "k:abc",
    }
    return Vote(**{**values, **changes})


def grant(number: int = 1, **changes: Any) -> Grant:
    values: dict[str, Any] = {
        "grant_id": f"g{number}",
        "tool": "billing.refund",
        "tool_digest": "sha256:t",
        "release": "r1",
        "targets": ("account:9182",),
        "bounds": {"amount_minor": {"max": 5000}},
        "max_uses": 3,
        "uses": 0,
        "expires_at": 2000.0 + number,
        "state": "active",
        "created_by": "user:cy",
        "approval_id": "ap9",
    }
    return Grant(**{**values, **changes})


def switch(kind: str = "tool", id: str = "billing.refund", **changes: Any) -> KillSwitch:
    values: dict[str, Any] = {
        "kind": kind,
        "id": id,
        "engaged": True,
        "reason": "drill",
        "by": "user:cy",
        "at": 1.5,
        "release_votes": ("user:di",),
    }
    return KillSwitch(**{**values, **changes})


def api_key(number: int = 1, *, tenant: str = "acme", environment: str = "prod", **changes: Any) -> ApiKey:
    values: dict[str, Any] = {
        "key_id": f"k{number}",
        "tenant": tenant,
        "environment": environment,
        "subject": "user:ana",
        "secret_sha256": "00",
        "created_at": 1.0 + number,
        "expires_at": 9.0,
        "revoked_at": None,
    }
    return ApiKey(**{**values, **changes})


def event(number: int = 1, **changes: Any) -> Event:
    values: dict[str, Any] = {
        "kind": "action.decided",
        "payload": {"n": number, "who": "<MAIL:1>", "é": [1.5, "\x1f"]},
        "run_id": "run1",
        "step_id": f"s{number}",
    }
    return Event(**{**values, **changes})


def record(store: SqlStore, scope: Scope, how_many: int) -> list[RecordedEvent]:
    return store.write(scope, lambda tx: tx.audit.append([event(number + 1) for number in range(how_many)]))


def first_bad(store: SqlStore, scope: Scope) -> int | None:
    """What `clearway audit verify` finds: the whole chain against its head."""
    events, head = store.read(scope, lambda tx: (tx.audit.read(limit=10_000), tx.audit.head()))
    return chain.verify(events, scope, head=head)
