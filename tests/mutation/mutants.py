"""A pytest plugin that removes one guard of the road, as `CLEARWAY_TEST_MUTANT` says. The product knows nothing of it.

A mutant is a text of one module's source that is replaced before anything imports it.
"""

import importlib.util
import os
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """`test`: the one that has to turn red; a path and name as pytest takes them, and what `-k` narrows them by."""

    module: str
    guard: str
    instead: str
    test: str


FLOW, THREATS = "tests/flow/", "tests/threats/test_road.py::"

MUTANTS: dict[str, Mutant] = {
    "approvals are not consumed by compare-and-set": Mutant(
        "clearway.runtime.claim",
        "from_states={ApprovalState.APPROVED},\n            state=ApprovalState.CONSUMED",
        "from_states=set(ApprovalState),\n            state=ApprovalState.CONSUMED",
        THREATS + "test_t14_an_approval_that_was_used_in_between_is_not_used_again",
    ),
    "the fence is not checked": Mutant(
        "clearway.runtime.carry",
        "if pulse is None or pulse[0] != self.fence:",
        "if pulse is None:",
        THREATS + "test_t23_a_zombie_begins_nothing_more",
    ),
    "it is sent before STARTED is committed": Mutant(
        "clearway.runtime.step",
        "            return await self.gate.store.awrite(self.at.scope, work)\n        except OverLimit",
        "            at_once = dict(attempt=1, timeout_s=5.0, now=self.proposal.now)\n"
        "            await self.gate.executor.call(self.spec, self.action, **at_once)\n"
        "            return await self.gate.store.awrite(self.at.scope, work)\n        except OverLimit",
        THREATS + "test_t22_the_intent_is_committed_before_anything_is_sent",
    ),
    "nothing is checked again at execution": Mutant(
        "clearway.runtime.step",
        "        return hold.drift(",
        '        return "" and hold.drift(',
        THREATS + "test_t12_a_target_that_resolves_otherwise_at_execution_needs_a_new_approval",
    ),
    "a vote need not echo what was shown": Mutant(
        "clearway.runtime.decisions",
        "            presented != approval.presented_digest\n            or presented_digest(",
        "            presented_digest(",
        THREATS + "test_t13_a_digest_of_another_approval_is_no_vote_for_this_one",
    ),
    "votes need no signature": Mutant(
        "clearway.runtime.hold",
        "        return sealer.verify(",
        "        return True or sealer.verify(",
        THREATS + "test_t11_a_forged_or_copied_vote_counts_for_nothing",
    ),
    "the requester is excluded only by the stored list": Mutant(
        "clearway.runtime.hold",
        "(not any(vote.subject in excluded for vote in votes),",
        "(True,",
        THREATS + "test_t15_an_emptied_list_of_the_excluded_does_not_let_the_requester_approve",
    ),
    "a refused resend settles what was in doubt": Mutant(
        "clearway.runtime.settle",
        '(entry.detail or {}).get("in_doubt"):',
        "False:",
        FLOW + "test_effects.py::test_that_a_resend_was_refused_says_nothing_about_the_first_send",
    ),
    "a lost lease is over at once": Mutant(
        "clearway.runtime.reconcile",
        "max(entry.updated_at, lost_until)",
        "entry.updated_at",
        FLOW + "test_effects.py::test_not_found_does_not_count_while_a_stopped_worker_may_still_send",
    ),
    "the kill switch is not read at the claim": Mutant(
        "clearway.runtime.claim",
        "    switch = engaged_switch(tx, action)\n    if switch is not None:\n        return Refused(",
        "    switch = engaged_switch(tx, action)\n    if False:\n        return Refused(",
        FLOW + "test_limits.py::test_a_kill_switch_between_approval_and_send_stops_the_send",
    ),
    "a skill may go on while a step waits": Mutant(
        "clearway.runtime.run_api",
        "if at.parked or at.broken is not None or at.closing:",
        "if at.closing:",
        FLOW + "test_skills.py::test_a_skill_that_catches_everything_does_not_take_a_wait_for_an_ending",
    ),
    "an approval never runs out": Mutant(
        "clearway.runtime.hold",
        "case ApprovalState.APPROVED if tx.now > (approval.execute_by or 0.0):",
        "case ApprovalState.APPROVED if False:",
        FLOW + "test_approvals.py::test_an_approval_that_is_not_carried_out_in_time_is_asked_anew",
    ),
    "endorsements are not looked at again at the claim": Mutant(
        "clearway.runtime.step",
        "        if relies_on_endorsements(action):",
        "        if False:",
        FLOW + "test_provenance.py::test_a_revoked_endorsement_holds_no_longer",
    ),
    "counters are not looked up in the claiming transaction": Mutant(
        "clearway.runtime.step",
        "        if needed:\n            action = replace(action, history=look_back(tx",
        "        if False:\n            action = replace(action, history=look_back(tx",
        FLOW + "test_sequences.py::test_sixteen_concurrent_runs_overrun_no_limit",
    ),
    "an edited value is as good as the caller's word": Mutant(
        "clearway.runtime.labels",
        'f"{EDITED}:{by}", Trust.UNTRUSTED)',
        'f"{EDITED}:{by}", Trust.TRUSTED)',
        FLOW + "test_provenance.py::test_an_edit_does_not_endorse_itself",
    ),
}


def mutate(mutant: Mutant) -> None:
    """Puts the module without its guard where everybody will import it from."""
    assert mutant.module not in sys.modules, "the mutant comes too late"
    spec = importlib.util.find_spec(mutant.module)
    assert spec is not None
    assert spec.origin is not None
    with open(spec.origin, encoding="utf-8") as opened:
        source = opened.read()
    assert source.count(mutant.guard) == 1, "the guard is written otherwise now"
    module = importlib.util.module_from_spec(spec)
    sys.modules[mutant.module] = module
    exec(compile(source.replace(mutant.guard, mutant.instead), spec.origin, "exec"), module.__dict__)
    parent, _, name = mutant.module.rpartition(".")
    setattr(sys.modules[parent], name, module)


if os.environ.get("CLEARWAY_TEST_MUTANT"):
    mutate(MUTANTS[os.environ["CLEARWAY_TEST_MUTANT"]])
