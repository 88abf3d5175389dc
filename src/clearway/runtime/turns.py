"""A model's turn as a durable step: taken once, and read back on every replay."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from clearway.model.errors import IdempotencyMismatch
from clearway.model.ledger import Entry, LedgerState
from clearway.model.tool import ToolSpec
from clearway.ports import ModelClient, Sealer, Store, Telemetry
from clearway.runtime.carry import Carry
from clearway.runtime.pieces import Pieces
from clearway.runtime.spending import TURN
from clearway.runtime.tracing import SILENT
from clearway.runtime.turn_record import Question, Turn, from_kept, shown_answer, stopped
from clearway.runtime.turn_step import ASKABLE, TurnStep


@dataclass(frozen=True, slots=True)
class Turns:
    """Takes turns. One a process; it keeps no state of any run. `prompts`: by name; `tools`: the project's."""

    store: Store
    sealer: Sealer
    models: ModelClient
    tools: Mapping[str, ToolSpec]
    pieces: Pieces = field(default_factory=Pieces)
    probe: Callable[[str], None] = lambda _: None
    telemetry: Telemetry = SILENT

    async def take(self, at: Carry, step_id: str, question: Question) -> Turn:
        """The recorded answer, or a new one. Errors: `ActionStopped` (no budget, no model answered, cancelled),
        `IdempotencyMismatch`, `LostLease`, `Overtaken`, `Unavailable`."""
        entry = at.entries.get(step_id)
        if entry is not None:
            self._check(entry, question)
            if entry.state is LedgerState.SUCCEEDED:
                return self._read(at, entry)
            if entry.state not in ASKABLE:
                raise stopped(entry)
        return await TurnStep(self, at, step_id, question).take()

    def _check(self, entry: Entry, question: Question) -> None:
        if entry.kind != TURN or entry.fingerprint not in ("", question.asks):
            raise IdempotencyMismatch(
                f"Step {entry.step_id} was recorded as something else than what is asked now; nothing was sent.",
                remedy="A skill must ask the same, in the same order, each time that it is carried on.",
            )

    def _read(self, at: Carry, entry: Entry) -> Turn:
        turn = from_kept(at.vault.unseal(entry.result or ""))
        # So that this pass knows in each step what the first one knew.
        shown_answer(at, step_id=entry.step_id, turn=turn)
        return turn
