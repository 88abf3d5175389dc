"""Token buckets and counters in SQL. Implements `clearway.ports.Limits`.

INVARIANT: exact under concurrency, since the writes of a scope are serialised. Buckets named `system:…` are shared by
every scope: their rows belong to tenant and environment `*`, and are locked one by one.
"""

import math

from sqlalchemy import ColumnElement, bindparam, case, func, insert, select, update

from clearway.adapters.sql import tables
from clearway.adapters.sql.access import EVERY
from clearway.adapters.sql.session import Session, here, skipping_insert
from clearway.adapters.sql.statements import change, query

SYSTEM = "system:"

_buckets, _counters = tables.buckets, tables.counters

_this_bucket = (here(_buckets), _buckets.c.bucket == bindparam("in_bucket"))
_BUCKET = select(_buckets.c.level, _buckets.c.at).where(*_this_bucket)
_BUCKET_LOCKED = _BUCKET.with_for_update()
_ADD_BUCKET = insert(_buckets).inline()
_SET_BUCKET = update(_buckets).where(*_this_bucket)
_capacity: ColumnElement[float] = bindparam("in_capacity")
_given = _buckets.c.level + bindparam("in_amount")
_GIVE = update(_buckets).where(*_this_bucket).values(level=case((_given > _capacity, _capacity), else_=_given))

_this_counter = (here(_counters), _counters.c.counter == bindparam("in_counter"))
_COUNTER = select(_counters.c.value).where(*_this_counter)
_COUNTERS = (
    select(_counters.c.counter, _counters.c.value)
    .where(here(_counters), func.substr(_counters.c.counter, 1, bindparam("in_length")) == bindparam("in_prefix"))
    .order_by(_counters.c.counter)
)
_ADD_COUNTER = insert(_counters).inline()
_SET_COUNTER = update(_counters).where(*_this_counter)


class SqlLimits:
    def __init__(self, session: Session) -> None:
        self._session = session

    def take(self, bucket: str, amount: float, *, capacity: float, refill_per_s: float, now: float) -> float | None:
        """Also: infinity where it never could succeed. A clock that was set back refills nothing."""
        if bucket.startswith(SYSTEM):
            return self._take_shared(bucket, amount, capacity, refill_per_s, now)
        row = self._session.row(_BUCKET, in_bucket=bucket)
        level = capacity if row is None else min(capacity, row[0] + max(0.0, now - row[1]) * refill_per_s)
        if level < amount:
            return _wait(amount, level, capacity, refill_per_s)
        if row is None:
            self._session.insert(_ADD_BUCKET, [{"bucket": bucket, "level": level - amount, "at": now}])
        else:
            self._session.change(_SET_BUCKET, in_bucket=bucket, level=level - amount, at=now)
        return None

    def _take_shared(
        self, bucket: str, amount: float, capacity: float, refill_per_s: float, now: float
    ) -> float | None:
        self._session.must_write()
        connection, dialect = self._session.connection, self._session.dialect
        row_of_all = {"tenant": EVERY, "environment": EVERY}
        change(
            connection,
            skipping_insert(_buckets, dialect),
            {**row_of_all, "bucket": bucket, "level": capacity, "at": now},
        )
        named = {"in_tenant": EVERY, "in_environment": EVERY, "in_bucket": bucket}
        held, at = query(connection, _BUCKET if dialect == "sqlite" else _BUCKET_LOCKED, named)[0]
        level = min(capacity, held + max(0.0, now - at) * refill_per_s)
        if level < amount:
            return _wait(amount, level, capacity, refill_per_s)
        change(connection, _SET_BUCKET, {**named, "level": level - amount, "at": now})
        return None

    def give(self, bucket: str, amount: float, *, capacity: float) -> None:
        self._session.change(_GIVE, in_bucket=bucket, in_amount=amount, in_capacity=capacity)

    def add(self, counter: str, amount: int, *, at_most: int | None = None) -> int | None:
        row = self._session.row(_COUNTER, in_counter=counter)
        value = amount + (0 if row is None else row[0])
        if at_most is not None and value > at_most:
            return None
        if row is None:
            self._session.insert(_ADD_COUNTER, [{"counter": counter, "value": value}])
        else:
            self._session.change(_SET_COUNTER, in_counter=counter, value=value)
        return value

    def counters(self, prefix: str) -> dict[str, int]:
        return {name: value for name, value in self._session.rows(_COUNTERS, in_length=len(prefix), in_prefix=prefix)}


def _wait(amount: float, level: float, capacity: float, refill_per_s: float) -> float:
    return (amount - level) / refill_per_s if amount <= capacity and refill_per_s > 0 else math.inf
