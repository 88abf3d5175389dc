"""Threats 18 and 19: what belongs to one tenant and environment is not there for any other."""

import inspect
from dataclasses import replace
from typing import Any

import pytest

from clearway import ports
from clearway.adapters.sql.store import SqlStore
from clearway.model.approval import ApprovalState
from clearway.model.identity import Scope
from clearway.model.ledger import LedgerState
from clearway.model.notice import Delivery, Sending
from clearway.model.release import Pointer
from clearway.model.run import RunStatus
from clearway.rules import chain
from clearway.rules.chain import GENESIS
from tests.contract import examples
from tests.contract.examples import first_bad, record
from tests.databases import ACME

FOREIGN = [
    Scope("umbrella", "prod"),
    Scope("acme", "staging"),
    Scope("acm", "eprod"),
    Scope("ACME", "prod"),
    Scope("acme%", "prod"),
    Scope("prod", "acme"),
]


def fill(tx: Any) -> None:
    """One of everything, by ids that the foreign scope will ask for."""
    tx.runs.insert(examples.run())
    tx.ledger.insert(examples.entry(business_key="invoice:1"))
    tx.approvals.insert(examples.approval())
    tx.approvals.add_vote(examples.vote())
    tx.grants.insert(examples.grant())
    tx.audit.append([examples.event()])
    tx.audit.add_checkpoint(1, "note", ["ab"], 1.0)
    tx.limits.take("b", 1.0, capacity=1.0, refill_per_s=0.0, now=0.0)
    tx.limits.add("c", 5)
    tx.switches.put(examples.switch())
    tx.keys.insert(examples.api_key())
    tx.releases.move(Pointer("sha256:r", None, 1, 1.0, "user:x", "why"), kind="promote", from_generation=0)
    tx.notices.put(Sending(1, "pager", "action.in_doubt", Delivery.SENT, 1, 1.0, ""))


#: Every method that looks for, lists or changes what exists, and what a scope in which nothing does has to answer.
ASKED: dict[str, tuple[Any, Any]] = {
    "runs.get": (lambda tx: tx.runs.get("run1"), None),
    "runs.by_key": (lambda tx: tx.runs.by_key("ask1"), None),
    "runs.pulse": (lambda tx: tx.runs.pulse("run1"), None),
    "runs.held_for": (lambda tx: tx.runs.held_for("run1"), None),
    "runs.of_release": (lambda tx: tx.runs.of_release("r1"), []),
    "runs.update": (lambda tx: tx.runs.update("run1", status=RunStatus.DONE), False),
    "runs.list": (lambda tx: tx.runs.list(correlation_id="case7"), []),
    "ledger.get": (lambda tx: tx.ledger.get("sha256:1"), None),
    "ledger.of_run": (lambda tx: tx.ledger.of_run("run1"), []),
    "ledger.move": (lambda tx: tx.ledger.move("sha256:1", fence=None, from_states=list(LedgerState), attempt=9), False),
    "ledger.by_business_key": (lambda tx: tx.ledger.by_business_key("billing.refund", "invoice:1"), None),
    "ledger.list": (lambda tx: tx.ledger.list(), []),
    "approvals.get": (lambda tx: tx.approvals.get("ap1"), None),
    "approvals.for_step": (lambda tx: tx.approvals.for_step("run1", "s1"), []),
    "approvals.move": (lambda tx: tx.approvals.move("ap1", from_states=list(ApprovalState), note="x"), False),
    "approvals.votes": (lambda tx: tx.approvals.votes("ap1"), []),
    "approvals.list": (lambda tx: tx.approvals.list(), []),
    "grants.get": (lambda tx: tx.grants.get("g1"), None),
    "grants.active": (lambda tx: tx.grants.active("billing.refund", "sha256:t", 1.0), []),
    "grants.use": (lambda tx: tx.grants.use("g1", 1.0), False),
    "grants.revoke": (lambda tx: tx.grants.revoke("g1"), False),
    "grants.list": (lambda tx: tx.grants.list(), []),
    "audit.head": (lambda tx: tx.audit.head(), (0, GENESIS)),
    "audit.read": (lambda tx: tx.audit.read(run_id="run1"), []),
    "audit.last_checkpoint": (lambda tx: tx.audit.last_checkpoint(), None),
    "audit.checkpoints": (lambda tx: tx.audit.checkpoints(), []),
    "limits.take": (lambda tx: tx.limits.take("b", 1.0, capacity=1.0, refill_per_s=0.0, now=0.0), None),
    "limits.give": (lambda tx: tx.limits.give("b", 1.0, capacity=1.0), None),
    "limits.counters": (lambda tx: dict(tx.limits.counters("c")), {}),
    "limits.add": (lambda tx: tx.limits.add("c", 1), 1),
    "switches.engaged": (lambda tx: tx.switches.engaged([("tool", "billing.refund")]), None),
    "switches.get": (lambda tx: tx.switches.get("tool", "billing.refund"), None),
    "switches.list": (lambda tx: tx.switches.list(), []),
    "keys.list": (lambda tx: tx.keys.list(), []),
    "keys.revoke": (lambda tx: tx.keys.revoke("k1", 1.0), False),
    "releases.pointer": (lambda tx: tx.releases.pointer(), None),
    "releases.moves": (lambda tx: tx.releases.moves(), []),
    "releases.note_guard": (lambda tx: tx.releases.note_guard(1, {}), False),
    "notices.of_event": (lambda tx: tx.notices.of_event(1), []),
    "notices.newest": (lambda tx: tx.notices.newest(), []),
}

#: Bundles and their signatures are the project's: the same for every scope (tests/releases).
SHARED = {
    "releases.insert",
    "releases.get",
    "releases.find",
    "releases.list",
    "releases.revoke",
    "releases.reinstate",
    "releases.sign",
    "releases.signatures",
}

#: These only add, which the test of equal keys below does in two scopes.
ADDED = {
    "runs.insert",
    "ledger.insert",
    "approvals.insert",
    "approvals.add_vote",
    "grants.insert",
    "audit.append",
    "audit.add_checkpoint",
    "switches.put",
    "keys.insert",
    "releases.move",
    "notices.put",
}

PARTS = {
    "runs": ports.Runs,
    "ledger": ports.Ledger,
    "approvals": ports.Approvals,
    "grants": ports.Grants,
    "audit": ports.Audit,
    "limits": ports.Limits,
    "switches": ports.Switches,
    "keys": ports.Keys,
    "releases": ports.Releases,
    "notices": ports.Notices,
}


def dump(tx: Any) -> list[Any]:
    return [
        tx.runs.list(),
        tx.ledger.list(),
        tx.approvals.list(),
        tx.approvals.votes("ap1"),
        tx.grants.list(),
        tx.audit.read(),
        tx.audit.head(),
        tx.audit.checkpoints(),
        tx.switches.list(),
        tx.keys.list(),
        tx.releases.pointer(),
        tx.releases.moves(),
        tx.notices.newest(),
    ]


def test_every_method_of_the_ports_is_asked_below() -> None:
    methods = {
        f"{part}.{name}"
        for part, port in PARTS.items()
        for name, _ in inspect.getmembers(port, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods == set(ASKED) | ADDED | SHARED


@pytest.mark.parametrize("method", ASKED)
def test_t18_an_id_of_another_scope_is_simply_not_there_and_stays_unchanged(store: SqlStore, method: str) -> None:
    store.write(ACME, fill)
    before = store.read(ACME, dump)
    ask, nothing = ASKED[method]
    for foreign in FOREIGN:
        assert store.write(foreign, ask) == nothing
    assert store.read(ACME, dump) == before
    assert store.write(ACME, lambda tx: tx.limits.add("c", 1)) == 6


@pytest.mark.parametrize("foreign", FOREIGN, ids=str)
def test_t19_equal_keys_in_two_scopes_are_independent_records(store: SqlStore, foreign: Scope) -> None:
    def fill_foreign(tx: Any) -> None:
        tx.runs.insert(examples.run(shown_input={"whose": "foreign"}))
        tx.ledger.insert(examples.entry(business_key="invoice:1", result="foreign"))
        tx.approvals.insert(examples.approval(note="foreign"))
        assert tx.approvals.add_vote(examples.vote(comment="foreign"))
        tx.grants.insert(examples.grant(created_by="foreign"))
        tx.audit.append([examples.event(payload={"whose": "foreign"})])
        tx.audit.add_checkpoint(1, "foreign", ["cd"], 1.0)
        tx.switches.put(examples.switch(reason="foreign"))
        tx.keys.insert(examples.api_key(2, tenant=foreign.tenant, environment=foreign.environment))

    store.write(ACME, fill)
    before = store.read(ACME, dump)
    store.write(foreign, fill_foreign)
    assert store.read(ACME, dump) == before
    assert "foreign" not in repr(before)
    assert store.read(foreign, lambda tx: tx.ledger.get("sha256:1").result) == "foreign"
    assert store.read(foreign, lambda tx: tx.ledger.by_business_key("billing.refund", "invoice:1").result) == "foreign"
    assert store.read(foreign, lambda tx: tx.runs.by_key("ask1").shown_input) == {"whose": "foreign"}
    assert first_bad(store, ACME) is None
    assert first_bad(store, foreign) is None


def test_t19_a_chain_that_is_relabelled_as_another_tenants_does_not_verify(store: SqlStore) -> None:
    events = record(store, ACME, 2)
    assert chain.verify(events, ACME) is None
    assert chain.verify(events, Scope("umbrella", "prod")) == 1
    assert chain.verify([replace(event, run_id="run2") for event in events], ACME) == 1
