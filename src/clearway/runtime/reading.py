"""A read through the gate: retried in memory, recorded once. One commit, two where a rate limit has to be reserved."""

from dataclasses import replace

from clearway.model.decision import Decision, Verdict
from clearway.model.event import Event
from clearway.model.ledger import Entry, LedgerState
from clearway.model.outcome import Refused, Returned
from clearway.ports import Tx
from clearway.rules.failure import Failure, Meaning
from clearway.rules.retry import pause_s
from clearway.runtime import tracing
from clearway.runtime.claim import stopped
from clearway.runtime.limits import OverLimit, limits_call, refund_retry, reserve_call, spend_retry
from clearway.runtime.proposal import Proposal
from clearway.runtime.settle import settlement
from clearway.runtime.transitions import new_entry, record_read


async def read(proposal: Proposal, decision: Decision) -> Entry | None:
    """Carries a read out and records it. None: policy changed between two attempts, so it is decided again."""
    return await _Reading(proposal).carry_out(decision)


class _Reading:
    def __init__(self, proposal: Proposal) -> None:
        self.proposal = proposal
        self.gate, self.at = proposal.gate, proposal.at
        self.spec, self.action = proposal.spec, proposal.action

    async def carry_out(self, decision: Decision) -> Entry | None:
        begun, attempt = self.at.clock.monotonic(), 0
        while True:
            refused = await self._admit_read()
            if refused:
                return await self.proposal.refuse(None, refused)
            attempt += 1
            with tracing.tool_span(self.proposal, attempt) as span:
                answer = await self.gate.executor.call(
                    self.spec, self.action, attempt=attempt, timeout_s=self.proposal.budget_s(), now=self.proposal.now
                )
                tracing.answered(self.proposal, span, answer, self.at.clock.monotonic() - begun)
            if (
                isinstance(answer, Returned)
                or answer.meaning is Meaning.REJECTED
                or attempt >= self.spec.retry.attempts
            ):
                break
            pause = answer.retry_after_s or pause_s(attempt, self.spec.retry.base_s, self.spec.retry.max_s)
            if pause + self.spec.min_send_s > self.proposal.left_s() or not await self._spend_retry(answer):
                break
            await self.at.clock.sleep(pause)
            decision = self.proposal.verdict()
            if decision.verdict is not Verdict.ALLOW:
                return None
        entry = replace(
            new_entry(self.action, LedgerState.STARTED, self.at, 0.0, kind=self.proposal.kind), attempt=attempt
        )
        result = settlement(
            self.spec,
            self.at,
            entry,
            answer,
            self.at.clock.monotonic() - begun,
            decision=decision,
            action=self.action,
        )
        entry, retried = replace(entry, **result.values), attempt > 1 and isinstance(answer, Returned)
        return await self.gate.store.awrite(
            self.at.scope, lambda tx: self._record_read(tx, entry, result.events[0], retried=retried)
        )

    def _record_read(self, tx: Tx, entry: Entry, event: Event, *, retried: bool) -> Entry:
        if entry.state is LedgerState.SUCCEEDED:
            refund_retry(tx, self.spec.name, retried=retried)
        return record_read(tx, self.at, entry, event)

    async def _spend_retry(self, answer: Failure) -> bool:
        return await self.gate.store.awrite(
            self.at.scope, lambda tx: spend_retry(tx, self.spec.name, timed_out=answer.code == "timeout")
        )

    async def _admit_read(self) -> Refused | None:
        action, limits = self.action, self.at.version.limits
        while True:
            limited = limits_call(self.spec.rate_limit, action.tool, limits)
            if not limited and self.gate.is_calm(action):
                return None
            switch = await self.gate.store.aread(self.at.scope, lambda tx: stopped(tx, self.at, action))
            if switch is None:
                self.gate.note_calm(action)
            if switch is not None or not limited:
                return switch
            try:
                await self.gate.store.awrite(
                    self.at.scope, lambda tx: reserve_call(tx, action.tool, self.spec.rate_limit, limits)
                )
                return None
            except OverLimit as over:
                if not self.proposal.can_wait(over.wait_s):
                    return Refused("rate_limited", f"The rate limit {over.bucket} is used up.")
                await self.at.clock.sleep(over.wait_s)
