"""One turn of a model on its way: reserved, asked, recorded. `Turns` says when.

INVARIANT: an answer that was recorded is never asked for again. One that was lost before its commit may be: asking has
no effect on the world, and what it may have cost stays counted.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from clearway.model.chat import ModelAnswer, ModelRequest, Usage
from clearway.model.errors import Unavailable
from clearway.model.event import Event
from clearway.model.ledger import Entry, LedgerState
from clearway.model.outcome import Refused
from clearway.ports import Tx
from clearway.rules.digests import idempotency_key
from clearway.rules.retry import pause_s
from clearway.rules.turn import MOST_TEXT, counted, judge
from clearway.runtime.asking import Asked, Asking
from clearway.runtime.carry import CANCELLED, Carry, Overtaken
from clearway.runtime.limits import refund_retry, spend_retry, switch_scopes
from clearway.runtime.pieces import Stream
from clearway.runtime.run_api import ActionStopped
from clearway.runtime.spending import TURN, OverBudget, Spent, as_json, as_spent, lost_of, note_use
from clearway.runtime.turn_record import Question, Turn, as_kept, shown_answer, stopped
from clearway.runtime.turn_tracing import asking_span, note_answer

if TYPE_CHECKING:
    from clearway.runtime.turns import Turns

ASKABLE = frozenset({LedgerState.STARTED, LedgerState.FAILED_RETRYABLE})


class TurnStep:
    """One turn on its way."""

    def __init__(self, turns: "Turns", at: Carry, step_id: str, question: Question) -> None:
        self.turns, self.at, self.step_id, self.question = turns, at, step_id, question
        self.request, self.use = question.request, question.use
        self.day = 0
        self.reserved = Spent()
        # Masked and sealed here, not in a transaction: that runs in a thread of its own.
        self.shown_request = self._shown_request()
        self.shown: dict[str, Any] = {}
        self.sealed = self.provider_model = ""
        self.stream = Stream(turns.pieces, at.run.run_id, step_id, at.masker)

    async def take(self) -> Turn:
        at, store = self.at, self.turns.store
        try:
            entry = await store.awrite(at.scope, self._start)
        except OverBudget as over:
            raise ActionStopped(self.step_id, self.use.model, over.refused) from None
        if isinstance(entry, Refused):
            raise ActionStopped(self.step_id, self.use.model, entry)
        self.turns.probe("turn_started")
        begun = at.clock.monotonic()
        heard = self.turns.pieces.is_heard(at.run.run_id)
        asking = Asking(
            self.turns.models,
            at,
            self._may_retry,
            self._reserve_again,
            self.stream.add if heard else None,
            self.stream.restart,
        )
        with asking_span(self.turns.telemetry, at, self.step_id, self.request) as span:
            asked = await asking.ask(self.request, self.use.models)
            self.turns.probe("turn_asked")
            took = at.clock.monotonic() - begun
            turn = None if asked.answer is None else self._judged(asked.answer)
            entry = await self._write_settlement(asked, turn, took)
            note_answer(self.turns.telemetry, span, entry)
        self.turns.probe("turn_settled")
        if turn is None:
            raise stopped(entry)
        if heard:
            self.stream.finish(str(self.shown["text"]))
        return turn

    async def _write_settlement(self, asked: Asked, turn: Turn | None, took_s: float) -> Entry:
        """An answer that is in memory only is worth some patience with a locked or full store."""
        old = self.at.entries[self.step_id]
        for attempt in range(1, 6):
            try:
                entry = await self.turns.store.awrite(
                    self.at.scope, lambda tx: self._settle(tx, old, asked, turn, took_s)
                )
                self.at.entries[self.step_id] = entry
                return entry
            except Unavailable:
                if attempt == 5:
                    raise
                await self.at.clock.sleep(pause_s(attempt, 0.2, 5.0))
        raise AssertionError("unreachable")

    # Transactions

    def _start(self, tx: Tx) -> Entry | Refused:
        """Admits, reserves and writes STARTED. Errors: `OverBudget`, `LostLease`, `Overtaken`."""
        at, key = self.at, self._key()
        if at.check_fence(tx):
            return CANCELLED
        scopes = [scope for scope in switch_scopes(at.scope, at.agent.id, "") if scope[0] != "tool"]
        switch = tx.switches.engaged(scopes)
        if switch is not None:
            return Refused("kill_switch", f"The kill switch for {f'{switch.kind} {switch.id}'.strip()} is engaged.")
        old = at.entries.get(self.step_id)
        lost = lost_of(old)
        others = [entry for entry in at.entries.values() if entry.step_id != self.step_id]
        known = others if old is None else [*others, replace(old, detail={"lost": as_json(lost)})]
        told = {"told": self.question.told} if self.question.told else {}
        detail = self._reserve(tx, known) | {"lost": as_json(lost)} | told
        values: dict[str, Any] = {"state": LedgerState.STARTED, "detail": detail, "updated_at": tx.now}
        values["attempt"] = (old.attempt if old else 0) + 1
        if old is None:
            entry = Entry(
                key=key,
                run_id=at.run.run_id,
                step_id=self.step_id,
                kind=TURN,
                tool=self.use.model,
                impact="read",
                fingerprint=self.question.asks,
                fence=at.fence,
                shown_arguments=self.shown_request,
                created_at=tx.now,
                **values,
            )
            tx.ledger.insert(entry)
        else:
            if not tx.ledger.move(key, fence=old.fence, from_states=ASKABLE, fence_to=at.fence, **values):
                raise Overtaken("This turn was changed by somebody else.")
            entry = replace(old, fence=at.fence, **values)
        tx.audit.append([self._event("turn.asked", {"model": self.use.model, "attempt": entry.attempt} | detail)])
        # Here, not after the commit: turns side by side must see each other's reservations.
        at.entries[self.step_id] = entry
        return entry

    def _reserve(self, tx: Tx, entries: Iterable[Entry]) -> dict[str, Any]:
        reserved = self.at.version.budgets.reserve(tx, self.use, self.request, entries)
        self.request, self.reserved, self.day = reserved.request, reserved.amount, reserved.day
        return reserved.as_json()

    def _settle(self, tx: Tx, old: Entry, asked: Asked, turn: Turn | None, took_s: float) -> Entry:
        at = self.at
        at.check_fence(tx)
        detail = dict(old.detail or {})
        reserved = as_spent(detail.pop("reserved", None))
        detail["tries"] = asked.tries
        values: dict[str, Any] = {"duration_s": took_s, "updated_at": tx.now}
        if turn is None or asked.answer is None:
            billed = bool(asked.tries and asked.tries[-1]["sent"])
            if billed:
                detail["lost"] = as_json(as_spent(detail["lost"]) + reserved)
            self.at.version.budgets.settle(tx, reserved, self.day, reserved if billed else Spent())
            detail |= {"code": asked.code, "message": _told(asked)}
            values |= {"state": LedgerState.FAILED_FINAL, "detail": detail}
            event = self._event("turn.failed", {"model": self.use.model} | detail)
        else:
            detail |= self._bill(tx, asked, asked.answer, reserved)
            values |= {
                "state": LedgerState.SUCCEEDED,
                "detail": detail,
                "result": self.sealed,
                "shown_result": self.shown,
            }
            event = self._event(
                "turn.answered", detail | {"answer": self.shown, "duration_ms": round(took_s * 1000, 3)}
            )
        if not tx.ledger.move(old.key, fence=old.fence, from_states={LedgerState.STARTED}, **values):
            raise Overtaken("This turn was changed by somebody else; the late answer is not recorded.")
        tx.audit.append([event])
        return replace(old, **values)

    def _bill(self, tx: Tx, asked: Asked, answer: ModelAnswer, reserved: Spent) -> dict[str, Any]:
        usage, is_said = counted(answer.usage, self.request, answer.text, answer.uses)
        used, cost = self.at.version.budgets.of(asked.asked, usage)
        self.at.version.budgets.settle(tx, reserved, self.day, used)
        note_use(tx, self.day, self.at.skill.name, asked.asked, usage, used)
        refund_retry(tx, f"model:{asked.asked}", retried=bool(asked.tries))
        return {
            "model": asked.asked,
            "provider_model": self.provider_model,
            "finish_reason": answer.finish_reason,
            "usage": _usage(usage),
            "usage_basis": "as the provider says" if is_said else "estimated: the provider says none",
            "usd": cost.usd,
            "cost_basis": cost.basis,
            "spent": as_json(used),
        }

    async def _may_retry(self, model: str, timed_out: bool) -> bool:
        return await self.turns.store.awrite(
            self.at.scope, lambda tx: spend_retry(tx, f"model:{model}", timed_out=timed_out)
        )

    async def _reserve_again(self) -> ModelRequest | None:
        """The try before may have been billed: its reservation stays counted, and the next one takes another."""

        def work(tx: Tx) -> None:
            self.at.check_fence(tx)
            old = self.at.entries[self.step_id]
            lost = as_spent((old.detail or {})["lost"]) + self.reserved
            kept = replace(old, detail={**(old.detail or {}), "lost": as_json(lost), "reserved": None})
            entries = [kept if entry.step_id == self.step_id else entry for entry in self.at.entries.values()]
            detail = {**(kept.detail or {}), **self._reserve(tx, entries)}
            if not tx.ledger.move(old.key, fence=old.fence, from_states={LedgerState.STARTED}, detail=detail):
                raise Overtaken("This turn was changed by somebody else.")
            self.at.entries[self.step_id] = replace(old, detail=detail)

        try:
            await self.turns.store.awrite(self.at.scope, work)
        except OverBudget:
            return None
        return self.request

    # What is kept and shown

    def _judged(self, answer: ModelAnswer) -> Turn:
        text = answer.text.encode("utf-8", "replace").decode()
        finish = answer.finish_reason if len(text) <= MOST_TEXT else "length"
        turn = Turn(text[:MOST_TEXT], judge(answer.uses, self.question.past), finish, answer.output, answer.model)
        self.shown = shown_answer(self.at, self.step_id, turn)
        self.sealed = self.at.vault.seal(as_kept(turn))
        self.provider_model = self.at.masker.scrub(answer.model)[:200]
        return turn

    def _shown_request(self) -> dict[str, Any]:
        """An agent's conversation follows from the run's rows, so it is not stored a second time."""
        shown: dict[str, Any] = {"messages": len(self.request.messages), "tools": len(self.request.tools)}
        if self.question.asks:
            shown["text"] = self.at.masker.scrub(self.request.messages[-1].text)[:MOST_TEXT]
        return shown

    def _event(self, kind: str, payload: dict[str, Any]) -> Event:
        return Event(kind, payload, self.at.run.run_id, self.step_id)

    def _key(self) -> str:
        # No tool is called like this: the names of tools have no colon.
        return idempotency_key(self.at.scope, "model:turn", self.at.run.run_id, self.step_id)


def _usage(usage: Usage) -> dict[str, int]:
    return {"input": usage.input_tokens, "output": usage.output_tokens, "cached_input": usage.cached_input_tokens}


def _told(asked: Asked) -> str:
    tried = ", ".join(f"{one['model']}: {one['code']}" for one in asked.tries)
    return f"No model answered ({tried[:300]})."
