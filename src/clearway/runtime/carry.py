"""What one pass carries along: the run, its fence, its people, its rows, and what it waits for."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from clearway.model.endorsement import Endorsement
from clearway.model.errors import Conflict
from clearway.model.identity import Principal, Scope
from clearway.model.ledger import Entry
from clearway.model.outcome import Refused
from clearway.model.run import Run, RunStatus
from clearway.model.tool import SkillSpec
from clearway.ports import Clock, Tx
from clearway.rules.provenance import FieldTrust, Provenance
from clearway.rules.redact import Masker
from clearway.runtime.vault import RunVault
from clearway.runtime.version import Version

CANCELLED = Refused("cancelled", "The run was cancelled.")
#: A value, its source, how far it can be trusted, and whose it is where it is another tenant's.
Note = tuple[Any, str, FieldTrust, str]


class LostLease(Conflict):
    """Another pass has taken the run over. This one must stop and write nothing more."""

    code = "lost_lease"


class Overtaken(Conflict):
    """A row was changed under this pass by somebody else: a person, or an own commit whose answer was lost. The run is
    still this pass', which starts over from what the tables say now."""

    code = "overtaken"


class Suspended(BaseException):
    """Ends the pass: a step waits for a person, a time or an answer. A later pass goes on.

    A BaseException, as `asyncio.CancelledError` is, so that a skill's `except Exception` does not swallow it.
    """


@dataclass(slots=True)
class Carry:
    """`entries` holds the run's ledger rows by step id, as loaded at the start of the pass and as written since.

    `version`: what the run's release pins. `provenance`: where values were seen, once it has read what is `unread`;
    `noted`: the steps whose results it was given; `untold`: of them, those that no model was told of yet.
    `endorsements`: those in force.
    `parked`: step id → what the run waits for. `begun`: monotonic seconds at the start of the pass. `broken`: what ends
    the pass, whatever the skill makes of it (no store, a lost lease, a skill that is not deterministic).
    """

    scope: Scope
    run: Run
    fence: int
    skill: SkillSpec
    user: Principal
    agent: Principal
    masker: Masker
    vault: RunVault
    clock: Clock
    begun: float
    version: Version
    separates_duties: bool = True
    closing: bool = False
    broken: Exception | None = None
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    parked: dict[str, RunStatus] = field(default_factory=dict[str, RunStatus])
    provenance: Provenance = field(default_factory=Provenance)
    noted: set[str] = field(default_factory=set[str])
    unread: list[Note] = field(default_factory=list[Note])
    untold: dict[str, Note] = field(default_factory=dict[str, Note])
    endorsements: tuple[Endorsement, ...] = ()
    working: set[asyncio.Task[object]] = field(default_factory=set[asyncio.Task[object]])

    def spent_s(self) -> float:
        """Working time of the run so far; waiting between passes is not counted."""
        return self.run.spent_s + (self.clock.monotonic() - self.begun)

    def remaining_s(self) -> float:
        return self.run.deadline_s - self.spent_s()

    def check_fence(self, tx: Tx) -> bool:
        """Whether somebody asked to cancel. INVARIANT: every write of a pass checks its fence first.

        Errors: `LostLease`."""
        cancelled = check_lease(tx, self.run.run_id, self.fence)
        # Here, since every write of a pass comes by: what it stores as tokens is filed with it.
        self.vault.file(tx)
        return cancelled

    def park(self, step_id: str, status: RunStatus) -> Suspended:
        self.parked[step_id] = status
        return Suspended(step_id)


def check_lease(tx: Tx, run_id: str, fence: int) -> bool:
    """Whether somebody asked to cancel the run. Errors: `LostLease` where it has another fence by now."""
    pulse = tx.runs.pulse(run_id)
    if pulse is None or pulse[0] != fence:
        raise LostLease("Another worker carries this run out now.")
    return pulse[1]


def is_cancelled() -> bool:
    """Whether it is the task at hand that is being cancelled, rather than something that it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
