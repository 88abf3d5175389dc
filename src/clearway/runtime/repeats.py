"""What a run does not get by proposing it again."""

from clearway.model.ledger import LedgerState
from clearway.model.outcome import Refused
from clearway.model.tool import Impact
from clearway.rules.turn import ALREADY_PENDING, is_call
from clearway.runtime.proposal import Proposal


def repeats_in_run(proposal: Proposal) -> Refused | None:
    """What this run has in doubt, or has been refused by a person, is not proposed again; by a model neither what
    waits for people or was carried out, however it is spelt."""
    action = proposal.action
    targets = set(map(str, action.shown_targets))
    for other in proposal.at.entries.values():
        if other.step_id == action.step_id or other.tool != action.tool:
            continue
        in_doubt = other.state in (LedgerState.UNKNOWN, LedgerState.STARTED) and other.impact != Impact.READ.value
        if in_doubt and (not targets or not other.targets or targets & set(other.targets)):
            return Refused("in_doubt", f"Step {other.step_id} of this run has the same effect in doubt.")
        if other.fingerprint == action.fingerprint and is_call(action.step_id) and proposal.kind == "call":
            if other.state is LedgerState.HELD:
                why = f"The same action waits for people already, in step {other.step_id}; they are asked once."
                return Refused(ALREADY_PENDING, why)
            if other.state is LedgerState.SUCCEEDED and action.impact.is_effect:
                return Refused("repeated_call", f"Step {other.step_id} of this run has done the same already.")
        if other.fingerprint == action.fingerprint and (other.detail or {}).get("code") in (
            "rejected",
            "rejected_before",
        ):
            return Refused("rejected_before", f"People rejected the same action in step {other.step_id} of this run.")
    return None
