"""Token buckets and counters in SQL. Implements `clearway.ports.Limits`.

INVARIANT: exact under concurrency, since the writes of a scope are serialised.
"""

import math

from sqlalchemy import ColumnElement, bindparam, case, insert, select, update

from clearway.adapters.sql import tables
from clearway.adapters.sql.session import Session, here

_buckets, _counters = tables.buckets, tables.counters

_this_bucket = (here(_buckets), _buckets.c.bucket == bindparam("in_bucket"))
_BUCKET = select(_buckets.c.level, _buckets.c.at).where(*_this_bucket)
_ADD_BUCKET = insert(_buckets).inline()
_SET_BUCKET = update(_buckets).where(*_this_bucket)
_capacity: ColumnElement[float] = bindparam("in_capacity")
_given = _buckets.c.level + bindparam("in_amount")
_GIVE = update(_buckets).where(*_this_bucket).values(
    level=case((_given > _capacity, _capacity), else_=_given))

_this_counter = (here(_counters), _counters.c.counter == bindparam("in_counter"))
_COUNTER = select(_counters.c.value).where(*_this_counter)
_ADD_COUNTER = insert(_counters).inline()
_SET_COUNTER = update(_counters).where(*_this_counter)


class SqlLimits:
    def __init__(self, session: Session) -> None:
        self._session = session

    def take(self, bucket: str, amount: float, *, capacity: float, refill_per_s: float, now: float) -> float | None:
        """Also: infinity where it never could succeed. A clock that was set back refills nothing."""
        row = self._session.row(_BUCKET, in_bucket=bucket)
        level = capacity if row is None else min(capacity, row[0] + max(0.0, now - row[1]) * refill_per_s)
        if level < amount:
            can = amount <= capacity and refill_per_s > 0
            return (amount - level) / refill_per_s if can else math.inf
        if row is None:
            self._session.insert(_ADD_BUCKET, [{"bucket": bucket, "level": level - amount, "at": now}])
        else:
            self._session.change(_SET_BUCKET, in_bucket=bucket, level=level - amount, at=now)
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
