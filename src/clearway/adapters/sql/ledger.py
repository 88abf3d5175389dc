"""The ledger in SQL. Implements `clearway.ports.Ledger`.

INVARIANT: of the live rows of a tenant, environment and tool, one at most has a given business key. A partial unique
index holds it; the statements here look first, which is exact since the writes of a scope are serialised, so that a
conflict does not abort a Postgres transaction.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, Update, bindparam, literal_column, select, text, update

from clearway.adapters.sql import tables
from clearway.adapters.sql.rows import ENTRY, plain
from clearway.adapters.sql.session import Session, here, page, page_values
from clearway.model.errors import Conflict
from clearway.model.ledger import Entry, LedgerState

_ledger = tables.ledger
_live = _ledger.c.state.in_([literal_column(repr(state)) for state in tables.LIVE])
_SELECT = select(*(_ledger.c[name] for name in ENTRY.names)).where(here(_ledger))
_BY_KEY = _SELECT.where(_ledger.c.key == bindparam("in_key"))
_BY_STEP = _SELECT.where(_ledger.c.run_id == bindparam("in_run_id"), _ledger.c.step_id == bindparam("in_step_id"))
_OF_RUN = _SELECT.where(_ledger.c.run_id == bindparam("in_run_id")).order_by(_ledger.c.ordinal)
_LIVE_BUSINESS_KEY = _SELECT.where(
    _ledger.c.tool == bindparam("in_tool"), _live, _ledger.c.business_key == bindparam("in_business_key")
)


@cache
def _move(states: int, fenced: bool, guarded: bool, rekeyed: bool) -> Update:
    """`guarded`: only where no other live row has the business key, the new one if `rekeyed`."""
    statement = update(_ledger).where(
        here(_ledger),
        _ledger.c.key == bindparam("in_key"),
        _ledger.c.state.in_([bindparam(f"in_state_{index}") for index in range(states)]),
    )
    if fenced:
        statement = statement.where(_ledger.c.fence == bindparam("in_fence"))
    if guarded:
        other = _ledger.alias("other")
        business_key: ColumnElement[Any] = bindparam("in_business_key") if rekeyed else _ledger.c.business_key
        taken = (
            select(other.c.key)
            .where(
                here(other),
                other.c.tool == _ledger.c.tool,
                other.c.key != _ledger.c.key,
                other.c.business_key == business_key,
                other.c.state.in_([literal_column(repr(state)) for state in tables.LIVE]),
            )
            .correlate(_ledger)
        )
        statement = statement.where(~taken.exists())
    return statement


@cache
def _page(filters: frozenset[str], more: bool, open_only: bool) -> Select[Any]:
    statement = _SELECT.where(text(tables.OPEN)) if open_only else _SELECT
    return page(statement, _ledger, "created_at", "key", filters=filters, more=more)


class SqlLedger:
    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, entry: Entry) -> None:
        if self._session.insert_once(_ledger, ENTRY.row(entry)):
            return
        if self.get(entry.key) is not None or self._at_step(entry.run_id, entry.step_id) is not None:
            raise Conflict(
                "The ledger has a row for this step already.", code="key_taken", remedy="Read the row that has it."
            )
        raise _business_key_taken()

    def get(self, key: str) -> Entry | None:
        row = self._session.row(_BY_KEY, in_key=key)
        return None if row is None else ENTRY.value(row)

    def of_run(self, run_id: str) -> list[Entry]:
        return [ENTRY.value(row) for row in self._session.rows(_OF_RUN, in_run_id=run_id)]

    def move(
        self,
        key: str,
        *,
        fence: int | None,
        from_states: Iterable[LedgerState],
        fence_to: int | None = None,
        **values: Any,
    ) -> bool:
        states = [state.value for state in from_states]
        if not states:
            return False
        some = ENTRY.some(values if fence_to is None else {**values, "fence": fence_to})
        conditions: dict[str, Any] = {f"in_state_{index}": state for index, state in enumerate(states)}
        if fence is not None:
            conditions["in_fence"] = fence
        rekeyed = "business_key" in some
        if rekeyed:
            conditions["in_business_key"] = some["business_key"]
        guarded = rekeyed or some.get("state") in tables.LIVE
        statement = _move(len(states), fence is not None, guarded, rekeyed)
        if self._session.change(statement, in_key=key, **conditions, **some) == 1:
            return True
        if guarded:
            self._say_if_taken(key, fence, states)
        return False

    def by_business_key(self, tool: str, business_key: str) -> Entry | None:
        row = self._session.row(_LIVE_BUSINESS_KEY, in_tool=tool, in_business_key=business_key)
        return None if row is None else ENTRY.value(row)

    def list(
        self,
        *,
        state: LedgerState | None = None,
        run_id: str | None = None,
        tool: str | None = None,
        limit: int = 50,
        before: tuple[float, str] | None = None,
    ) -> list[Entry]:
        asked = {"state": plain(state), "run_id": run_id, "tool": tool}
        filters = {name: value for name, value in asked.items() if value is not None}
        open_only = state is not None and f"'{state.value}'" in tables.OPEN
        statement = _page(frozenset(filters), before is not None, open_only)
        rows = self._session.rows(statement, **page_values(filters, limit, before))
        return [ENTRY.value(row) for row in rows]

    def _at_step(self, run_id: str, step_id: str) -> Entry | None:
        row = self._session.row(_BY_STEP, in_run_id=run_id, in_step_id=step_id)
        return None if row is None else ENTRY.value(row)

    def _say_if_taken(self, key: str, fence: int | None, states: Sequence[str]) -> None:
        entry = self.get(key)
        if entry is not None and entry.state.value in states and fence in (None, entry.fence):
            raise _business_key_taken()


def _business_key_taken() -> Conflict:
    return Conflict(
        "Another action with the same business key is at work or done.",
        code="business_key_taken",
        remedy="Read the row that has it; it is the same effect.",
    )
