"""The contracts of `clearway.ports.Switches` and `clearway.ports.Keys`."""

import pytest

from clearway.adapters.sql.store import SqlStore
from clearway.model.errors import Conflict, Invalid
from clearway.model.identity import Scope
from tests.contract import examples
from tests.databases import ACME

STAGING = Scope("acme", "staging")
OTHER = Scope("umbrella", "prod")


def put(store: SqlStore, scope: Scope, *args, **changes) -> None:
    store.write(scope, lambda tx: tx.switches.put(examples.switch(*args, **changes)))


def engaged(store: SqlStore, scope: Scope, *scopes: tuple[str, str]):
    return store.read(scope, lambda tx: tx.switches.engaged(scopes))


def test_a_switch_is_read_as_it_was_put_and_replaced_by_the_next(store: SqlStore) -> None:
    put(store, ACME)
    assert store.read(ACME, lambda tx: tx.switches.get("tool", "billing.refund")) == examples.switch()
    put(store, ACME, engaged=False, release_votes=(), by="user:eve")
    expected = examples.switch(engaged=False, release_votes=(), by="user:eve")
    assert store.read(ACME, lambda tx: tx.switches.get("tool", "billing.refund")) == expected
    assert store.write(ACME, lambda tx: tx.switches.get("tool", "billing.refund")) == expected
    assert store.read(ACME, lambda tx: tx.switches.list()) == [expected]
    assert store.read(ACME, lambda tx: tx.switches.get("tool", "x")) is None


def test_the_first_engaged_of_those_asked_for_is_found(store: SqlStore) -> None:
    put(store, ACME, "agent", "refunds")
    put(store, ACME, "tool", "billing.refund")
    put(store, ACME, "tenant", "acme", engaged=False)
    asked = ("tenant", "acme"), ("tool", "billing.refund"), ("agent", "refunds")
    assert engaged(store, ACME, *asked) == examples.switch("tool", "billing.refund")
    assert engaged(store, ACME, ("tenant", "acme"), ("tool", "other")) is None
    assert engaged(store, ACME) is None


def test_global_and_environment_switches_hold_for_every_tenant(store: SqlStore) -> None:
    put(store, ACME, "global", "")
    put(store, ACME, "environment", "prod")
    assert engaged(store, OTHER, ("global", "")) == examples.switch("global", "")
    assert engaged(store, OTHER, ("environment", "prod")) == examples.switch("environment", "prod")
    assert engaged(store, STAGING, ("environment", "staging")) is None
    assert [found.kind for found in store.read(OTHER, lambda tx: tx.switches.list())] == ["environment", "global"]
    assert [found.kind for found in store.read(STAGING, lambda tx: tx.switches.list())] == ["global"]


def test_an_environment_is_switched_from_any_other_and_released_by_another_tenant(store: SqlStore) -> None:
    put(store, STAGING, "environment", "prod")
    assert engaged(store, OTHER, ("environment", "prod")) is not None
    put(store, OTHER, "environment", "prod", engaged=False)
    assert engaged(store, ACME, ("environment", "prod")) is None


def test_t18_switches_of_a_tenant_agent_or_tool_hold_in_their_own_scope_only(store: SqlStore) -> None:
    for kind in ("tenant", "agent", "tool"):
        put(store, ACME, kind, "same")
        for foreign in (OTHER, STAGING):
            assert engaged(store, foreign, (kind, "same")) is None
            assert store.read(foreign, lambda tx, kind=kind: tx.switches.get(kind, "same")) is None
            assert store.read(foreign, lambda tx: tx.switches.list()) == []


def test_an_api_key_is_found_by_its_id_before_a_scope_is_known(store: SqlStore) -> None:
    key = examples.api_key(revoked_at=4.5)
    store.write(ACME, lambda tx: tx.keys.insert(key))
    assert store.find_key("k1") == key
    assert store.find_key("k2") is None
    assert store.find_key("k1' OR '1'='1") is None


def test_api_keys_are_listed_newest_first_and_revoked_once(store: SqlStore) -> None:
    store.write(ACME, lambda tx: [tx.keys.insert(examples.api_key(number)) for number in (1, 2)])
    assert store.write(ACME, lambda tx: tx.keys.revoke("k1", 5.5))
    assert not store.write(ACME, lambda tx: tx.keys.revoke("k1", 6.5))
    assert store.read(ACME, lambda tx: tx.keys.list()) == [examples.api_key(2), examples.api_key(1, revoked_at=5.5)]


def test_an_api_key_of_another_scope_or_with_a_taken_id_is_refused(store: SqlStore) -> None:
    store.write(ACME, lambda tx: tx.keys.insert(examples.api_key()))
    with pytest.raises(Invalid):
        store.write(OTHER, lambda tx: tx.keys.insert(examples.api_key(2)))
    with pytest.raises(Conflict):
        store.write(OTHER, lambda tx: tx.keys.insert(examples.api_key(1, tenant="umbrella")))
    assert store.read(OTHER, lambda tx: tx.keys.list()) == []
