"""What the road tells whoever watches it. Names are the adapter's business; values are shown ones (tokens), always."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from clearway.model.action import Action
from clearway.model.approval import ApprovalState
from clearway.model.decision import Decision
from clearway.model.ledger import Entry, LedgerState
from clearway.model.outcome import Returned
from clearway.model.run import Run, RunStatus
from clearway.model.run_ref import RunRef
from clearway.ports import Span, Telemetry
from clearway.rules.failure import Failure, Meaning
from clearway.rules.route import Route
from clearway.runtime.carry import Carry

if TYPE_CHECKING:
    from clearway.runtime.gate import Gate
    from clearway.runtime.hold import Standing
    from clearway.runtime.proposal import Proposal

TRACEPARENT = "traceparent"


class _Nothing(AbstractContextManager[Span]):
    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_: object) -> None: ...

    def note(self, **facts: Any) -> None: ...

    def fail(self, error_type: str) -> None: ...


class Silent:
    """Nobody watches."""

    _nothing = _Nothing()

    def span(
        self, kind: str, name: str, *, parent: str | None = None, waited_s: float = 0.0, **facts: Any
    ) -> AbstractContextManager[Span]:
        return self._nothing

    def current(self) -> Span:
        return self._nothing

    def count(self, metric: str, amount: float = 1.0, **labels: str) -> None: ...

    def observe(self, metric: str, value: float, **labels: str) -> None: ...

    def traceparent(self) -> str | None:
        return None

    def close(self) -> None: ...


SILENT: Telemetry = Silent()


def pass_span(telemetry: Telemetry, ref: RunRef, run: Run) -> AbstractContextManager[Span]:
    """A pass of a run. All passes hang on the span that took the request in, so that they make one trace."""
    return telemetry.span(
        "workflow",
        run.skill,
        parent=run.route.get(TRACEPARENT),
        tenant=ref.scope.tenant,
        environment=ref.scope.environment,
        request_id=run.request_id,
        correlation_id=run.correlation_id,
        run_id=run.run_id,
        release_digest=run.release,
        skill=run.skill,
        pass_number=run.fence,
    )


def pass_left(telemetry: Telemetry, status: RunStatus) -> None:
    telemetry.current().note(status=status.value)


def run_ended(
    telemetry: Telemetry, run: Run, status: RunStatus, failure: Mapping[str, Any] | None, owner: str | None
) -> None:
    telemetry.count("runs", status=status.value, skill=run.skill)
    span = telemetry.current()
    span.note(status=status.value, owner=(failure or {}).get("owner") or owner or "unowned")
    if failure is not None:
        span.note(failed_step=failure.get("step", ""))
        span.fail(str(failure["code"]))


def routed(telemetry: Telemetry, span: Span, route: Route, candidates: int) -> Route:
    """Passes a route on, told. What a router abstains from is an error of the span's."""
    span.note(router=route.router, candidates=candidates, score=route.score, outcome="matched", skill=route.skill)
    telemetry.count("routes", router=route.router)
    return route


def tool_span(proposal: "Proposal", attempt: int) -> AbstractContextManager[Span]:
    action = proposal.action
    return proposal.gate.telemetry.span(
        "tool",
        action.tool,
        tool=action.tool,
        tool_type="function",
        call_id=action.step_id,
        run_id=action.run_id,
        impact=action.impact.value,
        attempt=attempt,
        step_kind=proposal.kind,
        owner=proposal.spec.owner or "unowned",
        arguments=action.shown,
    )


def answered(proposal: "Proposal", span: Span, answer: Returned | Failure, took_s: float) -> None:
    """What came of one attempt. A failure's code is the tool's own word, so it goes through the masker."""
    telemetry, action = proposal.gate.telemetry, proposal.action
    if telemetry is SILENT:
        return
    outcome = "succeeded" if isinstance(answer, Returned) else answer.meaning.value
    span.note(outcome=outcome)
    if isinstance(answer, Failure):
        span.fail(proposal.at.masker.scrub(answer.code))
        if answer.meaning is Meaning.IN_DOUBT and action.impact.is_effect:
            telemetry.count("unknown", tool=action.tool)
    telemetry.observe("step.duration", took_s, tool=action.tool, outcome=outcome)


def decided(telemetry: Telemetry, action: Action, decision: Decision) -> Decision:
    """Passes a decision on, told."""
    if telemetry is SILENT:
        return decision
    with telemetry.span(
        "decision",
        action.tool,
        tool=action.tool,
        call_id=action.step_id,
        run_id=action.run_id,
        decision=decision.verdict.value,
        reasons=[decision.code],
        policies=list(decision.policies),
        obligations=["require_approval"] if decision.approval else [],
    ):
        telemetry.count("decisions", verdict=decision.verdict.value, tool=action.tool)
    return decision


def asked(telemetry: Telemetry, entry: Entry | None) -> None:
    """People are asked."""
    if telemetry is SILENT or entry is None or entry.state is not LedgerState.HELD:
        return
    with telemetry.span(
        "approval",
        entry.tool,
        tool=entry.tool,
        call_id=entry.step_id,
        run_id=entry.run_id,
        approval_id=entry.approval_id,
        status="pending",
    ):
        telemetry.count("approvals", status="pending")


async def told(gate: "Gate", at: Carry, standing: "Standing") -> None:
    """People have answered, or their time is up. The span is as long as the wait was; who answered is a token."""
    telemetry, approval = gate.telemetry, standing.approval
    if telemetry is SILENT or (approval.state is ApprovalState.PENDING and not standing.why):
        return
    now, votes = await gate.store.aread(at.scope, lambda tx: (tx.now, tx.approvals.votes(approval.approval_id)))
    waited = max(0.0, (approval.decided_at or now) - approval.requested_at)
    status = standing.why or approval.state.value
    with telemetry.span(
        "approval",
        approval.tool,
        waited_s=max(0.0, now - approval.requested_at),
        tool=approval.tool,
        call_id=approval.step_id,
        run_id=approval.run_id,
        approval_id=approval.approval_id,
        status=status,
        wait_s=waited,
        approvers=[gate.sealer.token(vote.subject, "APPROVER", at.scope) for vote in votes],
    ):
        telemetry.count("approvals", status=status)
        telemetry.observe("approval.wait", waited, status=status)
