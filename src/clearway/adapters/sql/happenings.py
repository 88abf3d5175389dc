"""What sequence conditions count, in SQL. Implements `clearway.ports.Happenings`.

INVARIANT: exact under concurrency, since the writes of a scope are serialised and a claim writes its row in its own
transaction. Whether a row counts is read from the ledger each time: what certainly did not happen counts no longer.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, literal_column, select

from clearway.adapters.sql import tables
from clearway.adapters.sql.rows import STORED_KEY
from clearway.adapters.sql.session import Session, here
from clearway.model.history import Happening
from clearway.model.vault import StoredKey

_happenings = tables.happenings
_ledger = tables.ledger
_keys = tables.data_keys
_COUNTING = _ledger.c.state.in_([literal_column(repr(state)) for state in tables.LIVE])


@cache
def _since(by: str, amounts: bool) -> Select[Any]:
    same_row = and_(
        _ledger.c.tenant == _happenings.c.tenant,
        _ledger.c.environment == _happenings.c.environment,
        _ledger.c.key == _happenings.c.key,
    )
    of_whom = {
        "user": [_happenings.c.user == bindparam("in_name"), _happenings.c.first.is_(True)],
        "target": [_happenings.c.target == bindparam("in_name")],
        "tenant": [_happenings.c.first.is_(True)],
        "run": [_happenings.c.first.is_(True), _ledger.c.run_id == bindparam("in_name")],
    }[by]
    rows, shown = _happenings.join(_ledger, same_row), list[ColumnElement[Any]]([func.count()])
    if amounts:
        of_the_run = and_(
            _keys.c.tenant == _ledger.c.tenant,
            _keys.c.environment == _ledger.c.environment,
            _keys.c.key_id == _ledger.c.run_id,
        )
        rows = rows.outerjoin(_keys, of_the_run)
        shown = [_happenings.c.amounts, *(_keys.c[name] for name in STORED_KEY.names)]
    return (
        select(*shown)
        .select_from(rows)
        .where(
            here(_happenings),
            _happenings.c.tool == bindparam("in_tool"),
            _happenings.c.at > bindparam("in_since"),
            _happenings.c.key != bindparam("in_but_not"),
            *of_whom,
            _COUNTING,
        )
    )


class SqlHappenings:
    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, happenings: Sequence[Happening]) -> None:
        for each in happenings:
            row = {name: getattr(each, name) for name in ("key", "target", "tool", "user", "at", "first", "amounts")}
            self._session.insert_once(_happenings, row)

    def count(self, tool: str, by: str, name: str, since: float, *, but_not: str) -> int:
        row = self._session.row(_since(by, False), **_asked(tool, by, name, since, but_not))
        return 0 if row is None else int(row[0])

    def amounts(
        self, tool: str, by: str, name: str, since: float, *, but_not: str
    ) -> list[tuple[StoredKey | None, str]]:
        rows = self._session.rows(_since(by, True), **_asked(tool, by, name, since, but_not))
        return [(None if row[1] is None else STORED_KEY.value(row[1:]), row[0]) for row in rows if row[0] is not None]


def _asked(tool: str, by: str, name: str, since: float, but_not: str) -> dict[str, Any]:
    asked: dict[str, Any] = {"in_tool": tool, "in_since": since, "in_but_not": but_not}
    return asked if by == "tenant" else {**asked, "in_name": name}
