"""The gate as a state machine: whatever happens, in whatever order, the invariants of the road hold.

Each invariant is checked from two sides: the remote's own record of what really happened, at the moment when it
happens, and the store. `CLEARWAY_MACHINE_EXAMPLES=500` searches longer.
"""

import atexit
import functools
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from clearway import ClearwayError
from clearway.adapters.sql.engine import open_engine
from clearway.adapters.sql.migrations import migrate
from clearway.model.approval import Approval, ApprovalState
from clearway.model.decision import Verdict
from clearway.model.identity import Scope
from clearway.model.ledger import Entry, LedgerState
from clearway.rules.voting import is_met
from tests.flow.desk import errand_skill, keyed, looked_up, refund_tool
from tests.road import BEHAVIOURS, DEV, SCOPE, Answer, Effect, Json, Remote, Road, Time, allow, deny, hold

#: Made small only where somebody looks for it: that takes minutes.
SEARCHES = "CLEARWAY_MACHINE_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("CLEARWAY_MACHINE_EXAMPLES", "15"))
CANARY = "4111-CANARY-1111"
RIVAL = Scope("rival", DEV)

#: How the other side can be reconciled with: by key, by lookup, not at all.
TOOLS = ("keyed", "looked_up", "blind")
LIMIT = 500

POLICIES: dict[str, Answer] = {
    "allow": allow(),
    "deny": deny(),
    "hold": hold(),
    "hold for two": hold(("finance", 2)),
    "hold for two groups": hold(("finance", 1), ("security", 1)),
    "hold above": lambda action: hold() if action.arguments["amount_minor"] > LIMIT else allow(),
}

#: What somebody with the database's password may do to an approval.
FORGERIES = (
    "state = 'approved', execute_by = 9999999999",
    "factors = '[]'",
    "excluded = '[]'",
    "expires_at = 9999999999",
    "action_digest = 'sha256:0'",
    "presented_digest = 'sha256:0'",
    "execute_by = 9999999999",
    "state = 'approved', factors = '[]', execute_by = 9999999999",
)

#: How it is said that somebody may not decide, or not any more.
NOT_YOURS = (
    "separation_of_duties",
    "not_an_approver",
    "already_voted",
    "already_decided",
    "expired",
    "digest_mismatch",
)

SETTLED_FOR_GOOD = (
    ApprovalState.CONSUMED,
    ApprovalState.REJECTED,
    ApprovalState.EXPIRED,
    ApprovalState.CANCELLED,
    ApprovalState.INVALIDATED,
)
NOT_DONE = (
    LedgerState.HELD,
    LedgerState.CLAIMED,
    LedgerState.FAILED_RETRYABLE,
    LedgerState.FAILED_FINAL,
    LedgerState.REFUSED,
)

T = TypeVar("T")

amounts = st.integers(1, 999)
picks = st.integers(0, 9)
tools = st.sampled_from(TOOLS)
probes = st.sampled_from(("held", "started", "sent", "settled"))
voters = st.sampled_from(("amir", "bo", "cleo", "sid", "dana"))


@functools.cache
def template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="clearway-machine-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "clearway.db"
    engine = open_engine(f"sqlite:///{path}")
    migrate(engine)
    engine.dispose()
    return path


class GateMachine(RuleBasedStateMachine):
    """Runs of two tenants over one remote, and everybody who can meddle with them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="clearway-machine-"))
        shutil.copy(template(), self.folder / "clearway.db")
        self.time = Time()
        self.remote = Remote(self.time)
        self.remote.ignores_keys_of = {"looked_up", "blind"}
        self.remote.witness = self.look_on
        options: dict[str, Json] = {
            "keyed": {"idempotency": keyed(100_000.0)},
            "looked_up": {"idempotency": looked_up(self.remote)},
            "blind": {},
        }
        self.road = Road(
            self.folder,
            f"sqlite:///{self.folder / 'clearway.db'}",
            self.time,
            self.remote,
            tools=[refund_tool(self.remote, name=name, sensitive=["note"], **options[name]) for name in TOOLS],
            skills=[errand_skill(*TOOLS, deadline_s=1e9)],
        )
        for name, policy in zip(TOOLS, ("allow", "hold above", "hold"), strict=True):
            self.road.rules.set(name, POLICIES[policy])
        self.starters: dict[str, Scope] = {}
        self.refused: dict[str, Any] = {}
        self.closed: dict[str, ApprovalState] = {}
        self.succeeded: dict[str, str | None] = {}
        self.standing_still = False
        self.violations: list[str] = []

    def teardown(self) -> None:
        try:
            self.everything_comes_to_an_end()
        finally:
            self.road.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    # What happens

    @rule(
        plan=st.lists(st.tuples(tools, amounts), min_size=1, max_size=3),
        by=st.sampled_from(("dana", "dana", "dana", "rita")),
        work=st.booleans(),
    )
    def start(self, plan: list[tuple[str, int]], by: str, work: bool) -> None:
        self.begin(plan, by)
        if work:
            self.work()

    def begin(self, plan: list[tuple[str, int]], by: str) -> None:
        calls = [
            [name, {"account": str(number), "amount_minor": amount, "note": CANARY}]
            for number, (name, amount) in enumerate(plan)
        ]
        run_id = self.road.start(by, "errand", plan=calls)
        self.starters[run_id] = RIVAL if by == "rita" else SCOPE

    @rule(
        plan=st.lists(st.tuples(tools, amounts), min_size=1, max_size=3),
        behaviours=st.lists(st.sampled_from(sorted(BEHAVIOURS)), min_size=1, max_size=3),
    )
    def start_in_bad_weather(self, plan: list[tuple[str, int]], behaviours: list[str]) -> None:
        self.remote.do(*behaviours)
        self.begin(plan, "dana")
        self.work()

    @rule()
    def work(self) -> None:
        if not self.road.work():
            self.road.restart()

    @rule(probe=probes, nth=st.integers(1, 2))
    def die_at_a_probe(self, probe: str, nth: int) -> None:
        self.road.die_at(probe, nth)
        self.work()

    @rule(number=st.integers(1, 8), committed=st.booleans())
    def die_on_a_write(self, number: int, committed: bool) -> None:
        self.road.die_on_write(number, committed=committed)
        self.work()

    @rule()
    def recover(self) -> None:
        self.road.restart()
        self.work()

    @rule(probe=st.sampled_from(("started", "sent")), pause_s=st.sampled_from((0.0, 1.0, 3.0, 100.0)))
    def a_worker_stands_still(self, probe: str, pause_s: float) -> None:
        """A zombie: stopped in the middle, taken for dead, and back when others have gone on."""

        def meanwhile() -> None:
            self.standing_still = True
            self.road.queue.recover()
            other = self.road.another_worker()
            self.road.work_beside(other)
            self.time.advance(pause_s)
            self.road.work_beside(other)

        self.road.worker.at(probe, meanwhile)
        self.work()
        self.standing_still = False
        self.road.restart()

    @rule(behaviours=st.lists(st.sampled_from(sorted(BEHAVIOURS)), max_size=3), lookup_works=st.booleans())
    def the_remote_behaves(self, behaviours: list[str], lookup_works: bool) -> None:
        self.remote.do(*behaviours)
        self.remote.lookup_works = lookup_works

    @rule(name=tools, policy=st.sampled_from(sorted(POLICIES)))
    def policy_changes(self, name: str, policy: str) -> None:
        self.road.rules.set(name, POLICIES[policy])

    @rule(seconds=st.sampled_from((1.0, 60.0, 299.0, 301.0, 1801.0)))
    def time_goes_by(self, seconds: float) -> None:
        self.time.advance(seconds)

    @rule(who=st.sampled_from(("amir", "bo")), stays=st.booleans())
    def people_change(self, who: str, stays: bool) -> None:
        self.road.regroup(who, *(("finance",) if stays else ()))

    @rule(name=tools, engage=st.booleans())
    def kill_switch(self, name: str, engage: bool) -> None:
        if engage:
            self.road.as_user("olga").engage("tool", name, "drill")
        else:
            self.release(name)

    def release(self, name: str) -> None:
        for who in ("olga", "omar"):
            try:
                self.road.as_user(who).release("tool", name, "over")
            except ClearwayError as error:
                expect(error, ("not_found", "already_voted"))

    # What people do. What they may not do is an error of ours, never a defect.

    @precondition(lambda self: self.road.pending())
    @rule(pick=picks, who=voters, verdict=st.sampled_from(("approve", "approve", "approve", "reject")))
    def vote(self, pick: int, who: str, verdict: str) -> None:
        approval = self.pending(pick)
        try:
            self.road.vote(who, verdict, str(approval["approval_id"]))
        except ClearwayError as error:
            expect(error, NOT_YOURS)

    @precondition(lambda self: self.road.pending())
    @rule(behaviours=st.lists(st.sampled_from(sorted(BEHAVIOURS)), max_size=2), work=st.booleans())
    def approve_all(self, behaviours: list[str], work: bool) -> None:
        self.everybody_approves(behaviours)
        if work:
            self.work()

    def everybody_approves(self, behaviours: list[str]) -> None:
        self.remote.do(*behaviours)
        for approval in [a for a in self.all_approvals() if a.state is ApprovalState.PENDING]:
            for who in ("amir", "bo", "sid"):
                try:
                    self.road.vote(who, approval_id=approval.approval_id)
                except ClearwayError as error:
                    expect(error, NOT_YOURS)

    @precondition(lambda self: self.road.pending())
    @rule(
        pick=picks,
        meddling=st.sampled_from(("people", "policy", "presented", "forgery")),
        amount=amounts,
        policy=st.sampled_from(sorted(POLICIES)),
        forgery=st.sampled_from(FORGERIES),
    )
    def something_changes_after_the_approval(
        self, pick: int, meddling: str, amount: int, policy: str, forgery: str
    ) -> None:
        """What was agreed to and what would run drift apart before it runs."""
        self.everybody_approves([])
        approval = one_of(self.live_approvals() or self.all_approvals(), pick)
        if meddling == "people":
            self.road.regroup("amir")
        elif meddling == "policy":
            self.road.rules.set(approval.tool, POLICIES[policy])
        elif meddling == "presented":
            self.show_otherwise(approval, amount)
        else:
            self.road.sql(f"UPDATE approvals SET {forgery} WHERE approval_id = :id", id=approval.approval_id)
        self.work()

    @precondition(lambda self: self.road.pending())
    @rule(pick=picks, who=voters, amount=amounts)
    def edit(self, pick: int, who: str, amount: int) -> None:
        approval = self.pending(pick)
        try:
            self.road.as_user(who).edit(
                str(approval["approval_id"]),
                {"account": "1", "amount_minor": amount, "note": CANARY},
                comment="as agreed",
            )
        except ClearwayError as error:
            expect(error, NOT_YOURS)

    @precondition(lambda self: self.live_approvals())
    @rule(pick=picks, forgery=st.sampled_from(FORGERIES))
    def forge(self, pick: int, forgery: str) -> None:
        approval = one_of(self.live_approvals(), pick)
        self.road.sql(f"UPDATE approvals SET {forgery} WHERE approval_id = :id", id=approval.approval_id)

    @precondition(lambda self: self.live_approvals())
    @rule(pick=picks, amount=amounts)
    def forge_what_is_shown(self, pick: int, amount: int) -> None:
        approval = one_of(self.live_approvals(), pick)
        self.show_otherwise(approval, amount)

    def show_otherwise(self, approval: Approval, amount: int) -> None:
        shown = {**approval.presented, "arguments": {**approval.presented["arguments"], "amount_minor": amount}}
        self.road.sql(
            "UPDATE approvals SET presented = :shown WHERE approval_id = :id",
            shown=json.dumps(shown),
            id=approval.approval_id,
        )

    @rule(pick=picks, other=picks)
    def swap_approvals(self, pick: int, other: int) -> None:
        held = [entry for entry in self.all_entries(SCOPE) if entry.state is LedgerState.HELD]
        approvals = self.all_approvals()
        if held and approvals:
            entry, approval = one_of(held, pick), one_of(approvals, other)
            self.road.sql(
                "UPDATE ledger SET approval_id = :approval WHERE key = :key",
                approval=approval.approval_id,
                key=entry.key,
            )

    @rule(pick=picks)
    def resolve(self, pick: int) -> None:
        """Somebody looks at the other side and says truthfully what they see."""
        unknown = [entry for entry in self.all_entries(SCOPE) if entry.state is LedgerState.UNKNOWN]
        if unknown:
            entry = one_of(unknown, pick)
            happened = any(effect.key == entry.key for effect in self.remote.effects)
            self.road.as_user("olga").resolve(entry.key, happened=happened, reason="seen in the console")

    @rule(pick=picks, act=st.sampled_from(("cancel", "retry")))
    def intervene(self, pick: int, act: str) -> None:
        runs = [run_id for run_id, scope in self.starters.items() if scope == SCOPE]
        if runs:
            run_id = one_of(runs, pick)
            try:
                getattr(self.road.as_user("olga"), act)(run_id, "because")
            except ClearwayError as error:
                expect(error, ("already_ended", "not_failed", "compensated"))
            else:
                if act == "retry":
                    kept = ("rejected", "rejected_before")
                    for entry in self.road.entries(run_id):
                        if entry.state is not LedgerState.REFUSED or (entry.detail or {}).get("code") not in kept:
                            self.refused.pop(entry.key, None)

    # INVARIANTS, at the moment of an effect

    def look_on(self, effect: Effect) -> None:
        """What is raised here would be taken for an error of the tool."""
        try:
            self.witness(effect)
        except Exception as error:
            self.violations.append(f"{type(error).__name__}: {error}")

    def witness(self, effect: Effect) -> None:
        scope = Scope(effect.tenant, DEV)
        entry = self.road.app.store.read(scope, lambda tx: tx.ledger.get(effect.key))
        assert entry is not None, "no effect without its record"
        overtaken = self.standing_still and entry.state is not LedgerState.STARTED
        assert entry.state is LedgerState.STARTED or overtaken, "the record is there before the effect"
        assert self.starters[entry.run_id] == scope, "nothing crosses tenants"
        assert entry.shown_arguments is not None
        assert {name: entry.shown_arguments[name] for name in effect.arguments} == effect.arguments, (
            "what runs is recorded"
        )
        if overtaken:
            return  # what was decided for it was in force when it was claimed
        decision = self.road.rules.answer(
            next(action for action in reversed(self.road.rules.asked) if action.key == effect.key)
        )
        assert decision.verdict is not Verdict.DENY, "no effect without an allow in force at that moment"
        switches = self.road.app.store.read(scope, lambda tx: tx.switches.engaged([("tool", effect.tool)]))
        assert switches is None, "no effect under an engaged kill switch"
        if decision.verdict is Verdict.HOLD:
            self.witness_approval(effect, entry, decision)

    def witness_approval(self, effect: Effect, entry: Entry, decision: Any) -> None:
        assert entry.approval_id is not None, "no held effect without an approval"
        approval, votes = self.road.app.store.read(
            SCOPE, lambda tx: (tx.approvals.get(entry.approval_id), tx.approvals.votes(entry.approval_id))
        )
        assert approval.state is ApprovalState.CONSUMED
        shown = {name: approval.presented["arguments"][name] for name in effect.arguments}
        assert shown == effect.arguments, "what runs is what was shown"
        assert approval.action_digest == entry.action_digest, "what runs is what was approved"
        assert is_met(decision.approval.factors, votes), "everybody who was needed agreed"
        for vote in votes:
            person = self.road.app.directory.find(vote.subject, SCOPE)
            assert person is not None
            assert vote.factor in person.groups
            assert vote.subject != "user:dana", "nobody approves their own act"

    # INVARIANTS, at rest

    @invariant()
    def no_effect_was_out_of_order(self) -> None:
        assert not self.violations

    @invariant()
    def at_most_one_effect_a_key(self) -> None:
        keys = [effect.key for effect in self.remote.effects]
        assert len(keys) == len(set(keys)), "at most one automatic effect a key"

    @invariant()
    def the_ledger_tells_the_truth(self) -> None:
        done = {effect.key for effect in self.remote.effects}
        for scope in (SCOPE, RIVAL):
            for entry in self.all_entries(scope):
                assert self.starters[entry.run_id] == scope, "nothing crosses tenants"
                if entry.state in NOT_DONE:
                    assert entry.key not in done, f"{entry.state} says that it did not happen"
                if entry.state is LedgerState.SUCCEEDED:
                    assert entry.key in done, "what succeeded did happen"
                    assert self.succeeded.setdefault(entry.key, entry.result) == entry.result, "a result is for good"
                else:
                    assert entry.key not in self.succeeded, "what succeeded stays so"

    @invariant()
    def recorded_refusals_stand(self) -> None:
        for scope in (SCOPE, RIVAL):
            for entry in self.all_entries(scope):
                if entry.state is LedgerState.REFUSED:
                    self.refused.setdefault(entry.key, entry.detail)
                else:
                    assert entry.key not in self.refused, "recovery never makes a laxer decision"

    @invariant()
    def what_is_over_never_revives(self) -> None:
        for approval in self.all_approvals():
            known = self.closed.get(approval.approval_id)
            assert known in (None, approval.state)
            if approval.state in SETTLED_FOR_GOOD:
                self.closed[approval.approval_id] = approval.state

    def everything_comes_to_an_end(self) -> None:
        """Once the world is well again, no run is stranded, and no byte of the store gives anybody away."""
        self.remote.do()
        self.remote.lookup_works = True
        for name in TOOLS:
            self.road.rules.set(name, allow())
            self.release(name)
        self.road.restart()
        for _ in range(3):
            self.road.later(10_000.0)
        for run_id, scope in self.starters.items():
            run = self.road.run_row(run_id, scope)
            assert run is not None
            waits = [a for a in self.all_approvals() if a.run_id == run_id and a.state is ApprovalState.PENDING]
            # Somebody may have forged an approval that never expires.
            still_waits = run.status.value == "waiting" and any(a.expires_at > self.time.now for a in waits)
            assert run.status.is_final or run.status.value == "unknown" or still_waits, f"{run.status.value} for ever"
            if run.status.value == "unknown":
                entries = self.road.app.store.read(scope, lambda tx, run_id=run_id: tx.ledger.of_run(run_id))
                assert any(e.state is LedgerState.UNKNOWN for e in entries)
        for scope in (SCOPE, RIVAL):
            assert not [e for e in self.all_entries(scope) if e.state is LedgerState.STARTED], "nothing stays begun"
            assert self.road.app.audit.verify(scope).as_json()["status"] == "intact"
        self.no_effect_was_out_of_order()
        self.at_most_one_effect_a_key()
        self.the_ledger_tells_the_truth()
        assert CANARY.encode() not in self.road.stored_bytes(), "no raw personal data in any stored byte"

    # Everything in an order that does not depend on random ids, so that what is picked is the same each time.

    def all_entries(self, scope: Scope) -> list[Entry]:
        runs = [run_id for run_id, of in self.starters.items() if of == scope]
        return self.road.app.store.read(scope, lambda tx: [e for run_id in runs for e in tx.ledger.of_run(run_id)])

    def all_approvals(self) -> list[Approval]:
        entries = self.all_entries(SCOPE)
        return self.road.app.store.read(
            SCOPE,
            lambda tx: [
                approval for entry in entries for approval in tx.approvals.for_step(entry.run_id, entry.step_id)
            ],
        )

    def live_approvals(self) -> list[Approval]:
        return [a for a in self.all_approvals() if a.state in (ApprovalState.PENDING, ApprovalState.APPROVED)]

    def pending(self, pick: int) -> Json:
        approval = one_of([a for a in self.all_approvals() if a.state is ApprovalState.PENDING], pick)
        return {"approval_id": approval.approval_id}


def expect(error: ClearwayError, codes: tuple[str, ...]) -> None:
    """What somebody may not do is told so by one of these."""
    assert error.code in codes, error.code


def one_of(items: Sequence[T], pick: int) -> T:
    return items[pick % len(items)]


GateMachine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    phases=[phase for phase in Phase if SEARCHES or phase not in (Phase.shrink, Phase.explain)],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)

TestGateMachine = GateMachine.TestCase
