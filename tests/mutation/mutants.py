"""A pytest plugin that removes one guard of the road after the other, each for the test that holds it.

Every named test runs as it is, and once for each mutant of its own. A mutant is a text of one module's source that is
replaced; what runs is then the code of the functions that it stands in, put into the functions that everybody imported.
The product knows nothing of it. `CLEARWAY_TEST_VERDICTS`: the file that outcomes are written to.
"""

import gc
import importlib
import json
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest


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
        "if pulse is None or pulse[0] != fence:",
        "if pulse is None:",
        THREATS + "test_t23_a_zombie_begins_nothing_more",
    ),
    "it is sent before STARTED is committed": Mutant(
        "clearway.runtime.sending",
        "        return await gate.store.awrite(at.scope, work)\n    except OverLimit",
        "        at_once = dict(attempt=1, timeout_s=5.0, now=judge.proposal.now)\n"
        "        await gate.executor.call(wanted.spec, wanted.action, **at_once)\n"
        "        return await gate.store.awrite(at.scope, work)\n    except OverLimit",
        THREATS + "test_t22_the_intent_is_committed_before_anything_is_sent",
    ),
    "nothing is checked again at execution": Mutant(
        "clearway.runtime.step",
        "        return drift(",
        '        return "" and drift(',
        THREATS + "test_t12_a_target_that_resolves_otherwise_at_execution_needs_a_new_approval",
    ),
    "a vote need not echo what was shown": Mutant(
        "clearway.runtime.decisions",
        "            presented != approval.presented_digest\n            or presented_digest(",
        "            presented_digest(",
        THREATS + "test_t13_a_digest_of_another_approval_is_no_vote_for_this_one",
    ),
    "votes need no signature": Mutant(
        "clearway.runtime.binding",
        "        return sealer.verify(",
        "        return True or sealer.verify(",
        THREATS + "test_t11_a_forged_or_copied_vote_counts_for_nothing",
    ),
    "the requester is excluded only by the stored list": Mutant(
        "clearway.runtime.binding",
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
        "clearway.runtime.judge",
        "        if relies_on_endorsements(action):",
        "        if False:",
        FLOW + "test_provenance.py::test_a_revoked_endorsement_holds_no_longer",
    ),
    "counters are not looked up in the claiming transaction": Mutant(
        "clearway.runtime.judge",
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


@contextmanager
def without_guard(mutant: Mutant) -> Generator[None]:
    """Every function of the module is what it would be had the module been written without the guard."""
    module = importlib.import_module(mutant.module)
    assert module.__file__ is not None
    source = Path(module.__file__).read_text(encoding="utf-8")
    assert source.count(mutant.guard) == 1, "the guard is written otherwise now"
    changed = source.replace(mutant.guard, mutant.instead)
    pairs = zip(_functions(source, module.__file__), _functions(changed, module.__file__), strict=True)
    instead = {_name(code): other for code, other in pairs}
    functions = [
        each
        for each in gc.get_objects()
        if isinstance(each, FunctionType) and each.__module__ == mutant.module and _name(each.__code__) in instead
    ]
    kept = [(function, function.__code__) for function in functions]
    for function, code in kept:
        function.__code__ = instead[_name(code)]
    try:
        yield
    finally:
        for function, code in kept:
            function.__code__ = code


def _functions(source: str, path: str) -> Iterator[CodeType]:
    """The code of the functions and methods of a module, in the order of the source."""
    bodies = [compile(source, path, "exec", dont_inherit=True)]
    while bodies:
        body = bodies.pop(0)
        for code in body.co_consts:
            if isinstance(code, CodeType):
                if code.co_flags & CO_OPTIMIZED:
                    yield code
                else:
                    bodies.append(code)  # a class


def _name(code: CodeType) -> tuple[str, int]:
    return code.co_qualname, code.co_firstlineno


# --- The plugin ---


@pytest.fixture(autouse=True)
def mutant(request: pytest.FixtureRequest) -> Iterator[None]:
    """Of a test that runs as it is, the parameter is empty."""
    if not request.param:
        yield
        return
    with without_guard(MUTANTS[request.param]):
        yield


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    its_own = [name for name, one in MUTANTS.items() if one.test.endswith(f"::{metafunc.function.__name__}")]
    metafunc.fixturenames.insert(0, "mutant")
    metafunc.parametrize("mutant", ["", *its_own], indirect=True, ids=["as it is", *its_own])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any, call: "pytest.CallInfo[None]") -> Generator[None, Any, Any]:
    """Writes down: test, mutant, phase, outcome."""
    report: pytest.TestReport = yield
    with Path(os.environ["CLEARWAY_TEST_VERDICTS"]).open("a", encoding="utf-8") as verdicts:
        test = item.nodeid.partition("[")[0]
        verdicts.write(json.dumps([test, item.callspec.params["mutant"], call.when, report.outcome]) + "\n")
    return report
