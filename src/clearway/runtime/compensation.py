"""What the end of a run leaves to do: steps that are left behind, and undoing what it did."""

import re
from functools import partial

from clearway.model.action import ToolCall
from clearway.model.ledger import LedgerState
from clearway.model.outcome import Done, Outcome, Refused
from clearway.model.tool import Impact
from clearway.rules.failure import type_name
from clearway.runtime import labels
from clearway.runtime.carry import CANCELLED, Carry
from clearway.runtime.gate import Gate
from clearway.runtime.reconcile import Reconciler
from clearway.runtime.transitions import release_business_key, withdraw


async def settle_leftovers(gate: Gate, at: Carry) -> None:
    """What the skill left behind when it ended: a call that a dead worker began is in doubt, for people to resolve,
    and nothing waits for approval any more."""
    refused = CANCELLED if at.run.cancel_requested else Refused("run_ended", "The run ended before this was decided.")
    for step_id, entry in list(at.entries.items()):
        if entry.state is LedgerState.STARTED:
            reconciler = Reconciler(gate.store, gate.sealer)
            at.entries[step_id] = await reconciler.take_over(at, entry, effect=entry.impact != Impact.READ.value)
        elif entry.state is LedgerState.HELD and entry.kind == "call":
            at.entries[step_id] = await gate.store.awrite(
                at.scope, partial(withdraw, at=at, entry=entry, refused=refused)
            )


async def compensate(gate: Gate, at: Carry) -> list[str]:
    """Undoes what succeeded, newest first, each undoing through the gate. Returns the steps undone."""
    undone: list[str] = []
    for entry in sorted(at.entries.values(), key=lambda e: (e.created_at, _number(e.step_id)), reverse=True):
        spec = gate.tools.get(entry.tool)
        if entry.kind != "call" or entry.state is not LedgerState.SUCCEEDED or spec is None or spec.compensate is None:
            continue
        if (entry.detail or {}).get("code") == "business_duplicate" or entry.arguments is None:
            continue
        result = None if entry.result is None else at.vault.unseal(entry.result)
        raw = at.vault.unseal(entry.arguments)
        labels.received(at, entry, spec, result)
        try:
            arguments = dict(spec.compensate.arguments(raw, result))
        except Exception as error:  # the project's own function; the others are undone all the same
            undone.append(f"{entry.step_id}: not undone, its compensation raised {type_name(error)}")
            continue
        call = ToolCall(spec.compensate.tool, arguments, f"{entry.step_id}.undo", f"undoes step {entry.step_id}")
        outcome: Outcome = await gate.propose(at, call, kind="compensation")
        undone.append(f"{entry.step_id}: {type(outcome).__name__.lower()}")
        if isinstance(outcome, Done) and entry.business_key is not None:
            await gate.store.awrite(at.scope, partial(release_business_key, at=at, entry=entry))
    return undone


def _number(step_id: str) -> list[int]:
    """`s3.2` → [3, 2], to order steps by."""
    return [int(part) for part in re.findall(r"[0-9]+", step_id)]
