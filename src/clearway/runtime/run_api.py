"""What a skill sees of its run: `call`, `propose`, `sleep`, and values that are the same on every replay."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from clearway.model.action import ToolCall
from clearway.model.errors import ClearwayError
from clearway.model.identity import Principal
from clearway.model.outcome import Done, Failed, Outcome, Refused
from clearway.runtime.carry import Carry, Suspended


class ActionStopped(ClearwayError):
    """A call did not end well. `outcome` is `Refused`, `Failed` or `Unknown`; `step` names the call."""

    code = "action_stopped"

    def __init__(self, step: str, tool: str, outcome: Outcome) -> None:
        code = outcome.code if not isinstance(outcome, Done) else "done"
        message = outcome.message if not isinstance(outcome, Done) else ""
        super().__init__(f"{tool} ({step}): {code}. {message}".strip(), code=code)
        self.step = step
        self.tool = tool
        self.outcome = outcome


class HasSpec(Protocol):
    """A decorated tool."""

    @property
    def spec(self) -> Any: ...


class RunContext:
    """One run, as its skill sees it. Step ids count the calls in the order in which they are made.

    A skill is carried on by running it again from its start: calls that are recorded return their recorded results.
    So it must make the same calls in the same order; take times, ids and random values from here.
    """

    def __init__(self, at: Carry, propose: Callable[[ToolCall], Awaitable[Outcome]],
                 nap: Callable[[str, float], Awaitable[None]]) -> None:
        self._at = at
        self._propose = propose
        self._nap = nap
        self._steps = 0

    @property
    def id(self) -> str:
        return self._at.run.run_id

    @property
    def user(self) -> Principal:
        return self._at.user

    @property
    def now(self) -> datetime:
        """When the run was asked for, UTC: the same on every replay."""
        return datetime.fromtimestamp(self._at.run.created_at, UTC)

    def uuid(self, name: str) -> UUID:
        """An id that is the same for this run and `name` on every replay."""
        return UUID(bytes=hashlib.sha256(f"{self.id}\0{name}".encode()).digest()[:16], version=4)

    def call(self, tool: HasSpec | str, *, reason: str = "", **arguments: Any) -> Coroutine[Any, Any, Any]:
        """Calls a tool through the gate and returns its result. `reason`: why this path was chosen; it is recorded,
        shown to approvers as a claim, and decides nothing.

        Errors: `ActionStopped` where it was refused or failed."""
        name, step_id = self._next(tool)
        return self._result(name, step_id, self._start(ToolCall(name, arguments, step_id, reason)))

    def propose(self, tool: HasSpec | str, *, reason: str = "", **arguments: Any) -> Coroutine[Any, Any, Outcome]:
        """As `call`, but every ending is a value: `Done`, `Refused`, `Failed`."""
        name, step_id = self._next(tool)
        return self._start(ToolCall(name, arguments, step_id, reason))

    async def sleep(self, seconds: float) -> None:
        """Waits durably: the run leaves its worker and is carried on when the time has come."""
        self._steps += 1
        await self._shielded(self._nap(f"s{self._steps}", seconds))

    def _next(self, tool: HasSpec | str) -> tuple[str, str]:
        self._steps += 1
        return (tool if isinstance(tool, str) else str(tool.spec.name)), f"s{self._steps}"

    async def _start(self, call: ToolCall) -> Outcome:
        if self._steps > self._at.skill.max_steps:
            return Refused("step_budget", f"The skill may make at most {self._at.skill.max_steps} steps a run.")
        return await self._shielded(self._propose(call))

    async def _result(self, name: str, step_id: str, ending: Awaitable[Outcome]) -> Any:
        outcome = await ending
        if isinstance(outcome, Done):
            return outcome.result
        raise ActionStopped(step_id, name, outcome)

    async def _shielded(self, work: Awaitable[Any]) -> Any:
        """A cancelled sibling (a skill's `gather` or `TaskGroup`) must not tear an effect apart in mid-flight."""
        if self._at.parked and self._at.closing:
            work.close() if asyncio.iscoroutine(work) else None
            raise Suspended()
        task = asyncio.ensure_future(work)
        self._at.working.add(task)
        task.add_done_callback(self._at.working.discard)
        return await asyncio.shield(task)


def stopped_as(error: BaseException) -> tuple[str, str, str]:
    """(status word, code, step) of a skill's ending by `error`: `refused` or `failed`."""
    if isinstance(error, ActionStopped):
        word = "failed" if isinstance(error.outcome, Failed) else "refused"
        return word, error.code, error.step
    if isinstance(error, ClearwayError):
        return "failed", error.code, ""
    return "failed", "skill_error", ""
