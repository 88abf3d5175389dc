"""The one door to the world: classify → decide → (hold) → admit → claim → execute → settle → record.

A step (`runtime/step.py`) is a small state machine over its ledger row; `Gate.propose` moves it on until it is settled
or must wait.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, field, replace

from clearway.model.action import Action, ToolCall
from clearway.model.errors import IdempotencyMismatch
from clearway.model.identity import Scope
from clearway.model.ledger import Entry, LedgerState
from clearway.model.outcome import Done, Outcome, Refused
from clearway.model.tool import Impact, ToolSpec
from clearway.ports import Clock, Directory, Policy, Sealer, Store, Telemetry
from clearway.rules.digests import idempotency_key
from clearway.rules.shapes import of_arguments, of_results
from clearway.runtime import labels
from clearway.runtime.carry import Carry
from clearway.runtime.endorsements import applied
from clearway.runtime.execute import Executor
from clearway.runtime.prepare import as_storable, find_tool, prepare, same_as_recorded
from clearway.runtime.proposal import Proposal
from clearway.runtime.reconcile import Reconciler
from clearway.runtime.resolve import resolve
from clearway.runtime.settle import read_outcome
from clearway.runtime.step import Step
from clearway.runtime.tracing import SILENT
from clearway.runtime.transitions import refuse
from clearway.runtime.version import NoWatch, Watch

#: How old a read's look at the kill switches may be. An effect's is part of its claim, always.
CALM_FOR_S = 0.25


@dataclass(frozen=True, slots=True)
class Gate:
    """Holds what a decision and an execution need. One a process; it keeps no state of any run."""

    store: Store
    policy: Policy
    sealer: Sealer
    directory: Directory
    tools: Mapping[str, ToolSpec]
    clock: InitVar[Clock]
    probe: Callable[[str], None] = lambda _: None
    calm_for_s: float = CALM_FOR_S
    telemetry: Telemetry = SILENT
    watch: Watch = field(default_factory=NoWatch)
    executor: Executor = field(init=False)
    _calm: dict[tuple[Scope, str, str], float] = field(init=False, default_factory=dict[tuple[Scope, str, str], float])

    def __post_init__(self, clock: Clock) -> None:
        object.__setattr__(self, "executor", Executor(clock))

    def is_calm(self, action: Action) -> bool:
        """Whether no kill switch was engaged for such a read at a look that is fresh enough."""
        seen = self._calm.get((action.scope, action.agent.id, action.tool))
        return seen is not None and time.monotonic() - seen < self.calm_for_s

    def note_calm(self, action: Action) -> None:
        self._calm[action.scope, action.agent.id, action.tool] = time.monotonic()

    def close(self) -> None:
        """Takes no further synchronous calls."""
        self.executor.close()

    async def propose(self, at: Carry, call: ToolCall, *, kind: str = "call") -> Outcome:
        """Takes a tool call to its end. Errors: `Suspended` (a person, a time or an answer is awaited),
        `LostLease`, `Overtaken`, `IdempotencyMismatch`, `Unavailable`."""
        entry = at.entries.get(call.step_id)
        spec = find_tool(self.tools, at, call, compensating=kind == "compensation")
        if isinstance(spec, Refused):
            call = as_storable(call, at)
        spec, call = await self._resolved(at, spec, call, entry)
        if entry is not None:
            call = self._as_recorded(at, spec, call, entry)
            if entry.state.is_settled:
                return self._recorded(at, spec, entry)
            spec, call = await self._resolved(at, spec, call, entry)
        action = spec if isinstance(spec, Refused) else await prepare(spec, at, call, self.sealer)
        if isinstance(action, Refused):
            return await self._refuse_unprepared(at, call, action, kind, spec)
        action = self._as_labelled(at, call, action, entry)
        step = Step(Proposal(self, at, self.tools[call.tool], action, kind), entry)
        while step.entry is None or not step.entry.state.is_settled:
            await step.advance()
            if step.entry is not None:
                at.entries[call.step_id] = step.entry
        outcome = read_outcome(step.keep(), at.vault, replayed=False)
        if isinstance(outcome, Done):
            labels.received(at, step.keep(), self.tools[call.tool], outcome.result)
        return outcome

    async def _resolved(
        self, at: Carry, spec: ToolSpec | Refused, call: ToolCall, entry: Entry | None
    ) -> tuple[ToolSpec | Refused, ToolCall]:
        """With values in place of tokens where the tool takes them; also those that an editor has copied."""
        resolved = spec if isinstance(spec, Refused) else await resolve(self.store, spec, at, call, entry)
        return (resolved, call) if isinstance(resolved, Refused) else (spec, resolved)

    def _recorded(self, at: Carry, spec: ToolSpec | Refused, entry: Entry) -> Outcome:
        """The recorded outcome. What its result holds is known to this pass as it was to the one that received it."""
        outcome = read_outcome(entry, at.vault, replayed=True)
        if isinstance(outcome, Done) and isinstance(spec, ToolSpec):
            at.masker.mask(outcome.result, spec.sensitive, of_results(spec))
            labels.received(at, entry, spec, outcome.result)
        return outcome

    def _as_labelled(self, at: Carry, call: ToolCall, action: Action, entry: Entry | None) -> Action:
        """As strict as it was labelled before, and with what people have vouched for. A read is labelled where a policy
        asks; without labels all its arguments are untrusted."""
        if not action.impact.is_effect and not self.policy.labels_read(action.tool):
            return action
        found = labels.label(at, self.tools[action.tool], call.arguments, action.arguments, action.shown)
        if entry is not None and not (entry.detail or {}).get("edited_by"):
            found = labels.stricter(found, entry.labels)
        return replace(action, labels=applied(found, action.arguments, at, self.sealer))

    def _as_recorded(self, at: Carry, spec: ToolSpec | Refused, call: ToolCall, entry: Entry) -> ToolCall:
        """Checks that a replayed call is the recorded one; an edited step goes on with the editor's arguments."""
        if entry.tool == call.tool and (entry.detail or {}).get("edited_by") and entry.arguments is not None:
            if isinstance(spec, ToolSpec):
                at.masker.mask(call.arguments, spec.sensitive, of_arguments(spec))  # whose tokens the editor was shown
            given = at.vault.unseal(entry.arguments)
            labels.edited(at, given, str((entry.detail or {})["edited_by"]))
            return replace(call, arguments=given)
        if entry.tool != call.tool or (
            isinstance(spec, ToolSpec) and not same_as_recorded(spec, at, call, entry.fingerprint, self.sealer)
        ):
            raise IdempotencyMismatch(
                f"Step {call.step_id} was recorded with another call than the one proposed now; nothing was sent.",
                remedy="A skill must make the same calls with the same arguments each time it is carried on: take "
                "times, random values and ids from the run (run.now, run.uuid), not from the machine.",
            )
        return call

    async def _refuse_unprepared(
        self, at: Carry, call: ToolCall, refused: Refused, kind: str, spec: ToolSpec | Refused
    ) -> Refused:
        """Records a refusal of something that never became an action; its arguments are not trusted to any table.

        Errors: `Suspended` where an effect is in doubt: that its target cannot be resolved now does not undo it."""
        entry = at.entries.get(call.step_id)
        if entry is not None and entry.state in (LedgerState.STARTED, LedgerState.UNKNOWN):
            reconciler = Reconciler(self.store, self.sealer)
            if entry.state is LedgerState.STARTED:
                entry = await reconciler.take_over(at, entry, effect=entry.impact != Impact.READ.value)
                at.entries[call.step_id] = entry
            if entry.state is LedgerState.UNKNOWN:
                await reconciler.stay_in_doubt(at, entry, ask_again=isinstance(spec, ToolSpec))
        fresh = entry or Entry(
            key=idempotency_key(at.scope, call.tool, at.run.run_id, call.step_id),
            run_id=at.run.run_id,
            step_id=call.step_id,
            kind=kind,
            tool=call.tool,
            impact=Impact.EXTERNAL.value,
            fingerprint="",
            state=LedgerState.REFUSED,
            fence=at.fence,
        )
        at.entries[call.step_id] = await self.store.awrite(at.scope, lambda tx: refuse(tx, at, fresh, refused))
        return refused
