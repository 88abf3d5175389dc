"""The contract of `clearway.ports.Limits`."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest

from clearway.adapters.sql.store import SqlStore
from clearway.model.identity import Scope
from tests.databases import ACME


def take(
    store: SqlStore, amount: float = 1.0, *, now: float = 0.0, capacity: float = 3.0, refill_per_s: float = 0.5
) -> float | None:
    return store.write(
        ACME, lambda tx: tx.limits.take("b", amount, capacity=capacity, refill_per_s=refill_per_s, now=now)
    )


def test_a_bucket_starts_full_empties_and_says_when_to_come_back(store: SqlStore) -> None:
    assert [take(store) for _ in range(3)] == [None, None, None]
    assert take(store) == pytest.approx(2.0)
    assert take(store, now=1.0) == pytest.approx(1.0)
    assert take(store, now=2.0) is None
    assert take(store, now=2.0) == pytest.approx(2.0)


def test_what_is_refused_takes_nothing(store: SqlStore) -> None:
    take(store, 2.0)
    assert take(store, 2.0) == pytest.approx(2.0)
    assert take(store, 1.0) is None


def test_a_bucket_never_holds_more_than_its_capacity(store: SqlStore) -> None:
    take(store, 3.0)
    assert take(store, 3.0, now=1e9) is None
    assert take(store, 1.0, now=1e9) == pytest.approx(2.0)


def test_what_can_never_succeed_is_infinitely_far_away(store: SqlStore) -> None:
    assert take(store, 4.0) == math.inf
    take(store, 3.0)
    assert take(store, 1.0, refill_per_s=0.0) == math.inf


def test_a_clock_that_was_set_back_refills_nothing(store: SqlStore) -> None:
    take(store, 3.0, now=1000.0)
    assert take(store, 1.0, now=0.0) == pytest.approx(2.0)


def test_giving_back_fills_up_to_the_capacity(store: SqlStore) -> None:
    def give(amount: float) -> None:
        store.write(ACME, lambda tx: tx.limits.give("b", amount, capacity=3.0))

    give(5.0)  # never taken from: full already
    assert take(store, 3.0) is None
    give(1.0)
    assert take(store, 1.0) is None
    give(99.0)
    assert take(store, 3.0) is None
    assert take(store, 1.0) is not None


def test_sixteen_threads_take_no_more_than_there_is(store: SqlStore) -> None:
    with ThreadPoolExecutor(16) as threads:
        assert sum(found is None for found in threads.map(lambda _: take(store), range(16))) == 3


def test_a_counter_adds_up_to_its_limit_and_stays_unchanged_beyond(store: SqlStore) -> None:
    def add(amount: int, at_most: int | None = None) -> int | None:
        return store.write(ACME, lambda tx: tx.limits.add("c", amount, at_most=at_most))

    assert add(3) == 3
    assert add(2, at_most=5) == 5
    assert add(1, at_most=5) is None
    assert add(0) == 5
    assert add(-2) == 3
    assert add(10**15) == 10**15 + 3


def test_a_counter_that_is_over_its_limit_at_once_is_not_made(store: SqlStore) -> None:
    assert store.write(ACME, lambda tx: tx.limits.add("c", 9, at_most=5)) is None
    assert store.write(ACME, lambda tx: tx.limits.add("c", 0)) == 0


def test_sixteen_threads_count_no_further_than_the_limit(store: SqlStore) -> None:
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda _: store.write(ACME, lambda tx: tx.limits.add("c", 1, at_most=5)), range(16)))
    assert sorted(value for value in found if value is not None) == [1, 2, 3, 4, 5]


def test_a_system_bucket_is_shared_by_every_scope_and_exact_under_concurrency(store: SqlStore) -> None:
    scopes = [Scope(f"tenant-{n}", "prod") for n in range(4)]

    def take(scope: Scope) -> bool:
        return (
            store.write(scope, lambda tx: tx.limits.take("system:runs", 1, capacity=10, refill_per_s=0, now=tx.now))
            is None
        )

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(take, scopes * 8))
    assert sum(taken) == 10
    assert store.read(scopes[0], lambda tx: tx.scope) == scopes[0]


def test_counters_are_found_by_the_beginning_of_their_names_in_their_own_scope(store: SqlStore) -> None:
    names = ("used|5|desk", "used|5|%_", "used|55|desk", "USED|5|x", "other")
    store.write(ACME, lambda tx: [tx.limits.add(name, 1) for name in names])
    assert store.read(ACME, lambda tx: tx.limits.counters("used|5|")) == {"used|5|desk": 1, "used|5|%_": 1}
    assert store.read(ACME, lambda tx: tx.limits.counters("used|5|%")) == {"used|5|%_": 1}
    assert len(store.read(ACME, lambda tx: tx.limits.counters(""))) == len(names)
    assert store.read(Scope("rival", "dev"), lambda tx: tx.limits.counters("used|")) == {}
