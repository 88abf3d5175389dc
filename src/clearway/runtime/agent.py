"""The loop of an agent skill: a model's turn, its calls through the gate, their endings as data for the next turn.

A call that waits for people is told as pending, and the model goes on with what does not depend on it; the run parks
where the model has nothing more to do. In a pass each call is proposed once, at its place: what people decide while a
pass is at work is taken up by the next one, which replays up to here.

INVARIANT: it ends. Each turn costs of a budget of turns, tokens, money and time, each call of one of steps, and some
turns in a row of which nothing came end the run.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from clearway.model.action import ToolCall
from clearway.model.agent import DEFAULT_TURNS, ModelUse
from clearway.model.approval import ApprovalState
from clearway.model.ledger import LedgerState
from clearway.model.outcome import Done, Failed, Outcome, Refused
from clearway.model.run import RunStatus
from clearway.model.tool import Impact
from clearway.ports import Tx
from clearway.rules.turn import ALREADY_PENDING, MOST_FRUITLESS, MOST_PENDING, Proposed
from clearway.runtime import labels
from clearway.runtime.carry import Carry, Suspended
from clearway.runtime.conversation import Conversation
from clearway.runtime.gate import Gate
from clearway.runtime.run_api import ActionStopped
from clearway.runtime.turn_record import Turn
from clearway.runtime.turns import Turns

#: Reads of one answer that are under way at a time. Effects go one by one, in the order of the answer.
SIDE_BY_SIDE = 8


@dataclass(frozen=True, slots=True)
class Loop:
    """One pass of one agent run. `shielded`: carries work out as a step of the run. `ends`: how calls have ended, by
    step; None where people have not decided yet."""

    at: Carry
    turns: Turns
    gate: Gate
    shielded: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
    calls: set[str] = field(default_factory=set[str])
    ends: dict[str, Outcome | None] = field(default_factory=dict[str, Outcome | None])

    async def run(self, text: str, given: dict[str, Any]) -> str:
        """The model's last words. Errors: `ActionStopped`, `Suspended`."""
        use = self.at.skill.models
        if use is None:
            raise AssertionError("an agent declares its model")
        told = Conversation(self.at, self.turns, use)
        told.begin(text, given)
        name = self.at.skill.name
        with self.turns.telemetry.span("agent", name, agent=name, run_id=self.at.run.run_id):
            try:
                return await self._loop(told, use)
            finally:
                # What is undone now may rest on results of which no model is told any more.
                labels.told(self.at, *self.at.untold)

    async def _loop(self, told: Conversation, use: ModelUse) -> str:
        fruitless, most = 0, use.budget.turns or DEFAULT_TURNS
        for number in range(1, most + 1):
            turn = await self._turn(number, told, use)
            rests = not turn.calls and turn.finish_reason == "stop" and bool(turn.text.strip())
            if rests and not told.pending:
                return self._opened(turn.text)
            told.answered(number, turn, rests=rests)
            if not rests:
                came, rests = await self._react(number, turn, told)
                fruitless = 0 if came else fruitless + 1
            if fruitless >= MOST_FRUITLESS:
                why = f"Nothing came of {fruitless} turns in a row."
                raise ActionStopped(f"t{number}", use.model, Refused("fruitless_turns", why))
            if number < most:
                await self._hear(number + 1, told, rests)
        why = f"The agent may take at most {most} turns a run."
        raise ActionStopped(f"t{most + 1}", use.model, Refused("turn_budget", why))

    def _opened(self, text: str) -> str:
        """The last words, for whom the run acts for: tokens of this run as the values that they stand for."""
        return self.at.masker.opened(text)

    async def _turn(self, number: int, told: Conversation, use: ModelUse) -> Turn:
        if self.at.remaining_s() <= 0:
            raise ActionStopped(f"t{number}", use.model, Failed("deadline", "The run's time is over."))
        question = told.question()
        turn: Turn = await self.shielded(lambda: self.turns.take(self.at, f"t{number}", question))
        if turn.finish_reason in ("content_filter", "error"):
            code = "content_filter" if turn.finish_reason == "content_filter" else "model_failed"
            raise ActionStopped(f"t{number}", use.model, Failed(code, "The provider broke the answer off."))
        return turn

    async def _react(self, number: int, turn: Turn, told: Conversation) -> tuple[bool, bool]:
        """Carries the turn's calls out and tells the model what became of them: (whether anything came of it, whether
        it asks again for what waits already)."""
        if not turn.calls:
            return False, False
        await self.shielded(lambda: self._carry_out(number, turn.calls))
        recorded = self._recorded(number + 1)
        waiting: dict[str, str] = {} if recorded is None else recorded.get("pending", {})
        came = asks_again = False
        for index, call in enumerate(turn.calls, 1):
            step_id = f"t{number}.c{index}"
            ending = self.ends[step_id]
            if ending is None or step_id in waiting:
                told.waits(step_id, call, waiting.get(step_id) or self.at.entries[step_id].approval_id or "")
                came = True
                continue
            await told.ended(step_id, call, ending)
            came = came or isinstance(ending, Done)
            asks_again = asks_again or (isinstance(ending, Refused) and ending.code == ALREADY_PENDING)
        return came, asks_again

    # What waits for people

    async def _hear(self, number: int, told: Conversation, rests: bool) -> None:
        """Before turn `number`: what people have decided of what the model knows to be waiting. `rests`: it has nothing
        more to do until they do. Errors: `Suspended` where there is nothing to tell, or too much waits."""
        recorded = self._recorded(number)
        if recorded is not None:
            decided: list[str] = recorded.get("decided", [])
        else:
            decided = [step_id for step_id in told.pending if self.ends[step_id] is not None]
            waiting = told.pending.keys() - set(decided)
            enough = len(waiting) >= MOST_PENDING or (rests and not decided)
            if waiting and (enough or await self.shielded(lambda: self._is_decided(waiting))):
                for step_id in waiting:
                    self.at.park(step_id, RunStatus.WAITING)
                raise Suspended()
        for step_id in decided:
            ending = self.ends[step_id]
            if ending is None:
                raise AssertionError("what a model was told of has ended")
            await told.decided(step_id, ending)

    def _recorded(self, number: int) -> dict[str, Any] | None:
        """What the turn was told of what waits; None where no answer to it is recorded."""
        entry = self.at.entries.get(f"t{number}")
        if entry is None or entry.state is not LedgerState.SUCCEEDED:
            return None
        return (entry.detail or {}).get("told", {})

    async def _is_decided(self, waiting: Collection[str]) -> bool:
        """Whether people have decided on one of these since this pass looked: then the next one takes it up, at once,
        for its decision has woken the run."""
        asked = [self.at.entries[step_id].approval_id or "" for step_id in waiting]

        def work(tx: Tx) -> bool:
            found = [tx.approvals.get(approval_id) for approval_id in asked]
            return any(one is not None and one.state is not ApprovalState.PENDING for one in found)

        return await self.turns.store.aread(self.at.scope, work)

    # The calls of a turn

    async def _carry_out(self, number: int, calls: tuple[Proposed, ...]) -> None:
        """Reads that stand together go side by side; everything else one by one, in the order of the answer.

        A call that waits for people does not keep the others from going on. Errors: `Suspended` where one waits that
        the model is not told of."""
        waits = False
        for group in _groups(calls, self._is_read):
            if self.at.closing or self.at.broken is not None:
                raise Suspended()
            work = [self._propose(f"t{number}.c{index}", call) for index, call in group]
            for (index, _), ending in zip(group, await asyncio.gather(*work, return_exceptions=True), strict=True):
                step_id = f"t{number}.c{index}"
                if isinstance(ending, Suspended):
                    waits = waits or not self._may_tell(step_id)
                    self.ends[step_id] = None
                elif isinstance(ending, BaseException):
                    raise ending
                else:
                    self.ends[step_id] = ending
        if waits:
            raise Suspended()

    def _may_tell(self, step_id: str) -> bool:
        """Whether the model is told that this call waits, and the run goes on."""
        use = self.at.skill.models
        if use is None or use.pending == "wait" or self.at.parked.get(step_id) is not RunStatus.WAITING:
            return False
        del self.at.parked[step_id]
        return True

    async def _propose(self, step_id: str, call: Proposed) -> Outcome:
        if call.code:
            return Refused(call.code, call.message)
        self._count_step(step_id, call.use.name)
        return await self.gate.propose(self.at, ToolCall(call.use.name, dict(call.use.arguments), step_id))

    def _count_step(self, step_id: str, tool: str) -> None:
        """A call too many ends the run, as for any skill."""
        self.calls.add(step_id)
        most = self.at.skill.max_steps
        if len(self.calls) > most:
            raise ActionStopped(
                step_id, tool, Refused("step_budget", f"The agent may make at most {most} calls a run.")
            )

    def _is_read(self, call: Proposed) -> bool:
        spec = self.turns.tools.get(call.use.name)
        return bool(call.code) or (spec is not None and spec.impact is Impact.READ)


def _groups(calls: Iterable[Proposed], is_read: Callable[[Proposed], bool]) -> Iterable[list[tuple[int, Proposed]]]:
    group: list[tuple[int, Proposed]] = []
    for index, call in enumerate(calls, 1):
        if not is_read(call):
            if group:
                yield group
            group = []
            yield [(index, call)]
            continue
        group.append((index, call))
        if len(group) == SIDE_BY_SIDE:
            yield group
            group = []
    if group:
        yield group
