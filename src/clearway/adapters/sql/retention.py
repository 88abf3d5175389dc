"""What is old enough to go, in SQL. Implements `clearway.ports.Retention`.

INVARIANT: an event's header stays for ever, so the chain verifies; what goes is its payload.
"""

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import Select, bindparam, delete, func, literal_column, select, tuple_, update

from clearway.adapters.sql import tables
from clearway.adapters.sql.rows import ENTRY, RUN
from clearway.adapters.sql.session import Session, here
from clearway.adapters.sql.vault import SqlVault
from clearway.model.errors import Internal
from clearway.model.run import RunStatus

_runs, _ledger, _approvals, _vault = tables.runs, tables.ledger, tables.approvals, tables.vault
_events, _payloads = tables.events, tables.event_payloads
#: What stands in place of a run's shown input once its transcript is gone.
REMOVED = {"clearway": "removed by retention"}
_REMOVED_TEXT = str(RUN.some({"shown_input": REMOVED})["shown_input"])
_ended = (
    here(_runs),
    _runs.c.status.in_([literal_column(repr(status.value)) for status in RunStatus if status.is_final]),
    _runs.c.finished_at < bindparam("in_before"),
)
_KEPT = {
    "transcripts": (*_ended, _runs.c.shown_input != _REMOVED_TEXT),
    "payloads": (*_ended, _runs.c.text != ""),
}
_old_values = (here(_vault), _vault.c.seen_at < bindparam("in_before"))
_COUNT: dict[str, Select[Any]] = {
    **{kind: select(func.count()).select_from(_runs).where(*where) for kind, where in _KEPT.items()},
    "vault": select(func.count()).select_from(_vault).where(*_old_values),
}
_OLDEST: dict[str, Select[Any]] = {
    kind: select(_runs.c.run_id).where(*where).order_by(_runs.c.finished_at).limit(bindparam("in_limit"))
    for kind, where in _KEPT.items()
}
_OLD_VALUES = select(_vault.c.token, _vault.c.key_id).where(*_old_values).limit(bindparam("in_limit"))
_DELETE_VALUE = delete(_vault).where(
    here(_vault), tuple_(_vault.c.token, _vault.c.key_id) == tuple_(bindparam("in_token"), bindparam("in_key_id"))
)
_FAILURE = select(_runs.c.failure).where(here(_runs), _runs.c.run_id == bindparam("in_run_id"))
_SET_RUN = update(_runs).where(here(_runs), _runs.c.run_id == bindparam("in_run_id"))
_DETAILS = select(_ledger.c.key, _ledger.c.detail).where(here(_ledger), _ledger.c.run_id == bindparam("in_run_id"))
_SET_ENTRY = update(_ledger).where(here(_ledger), _ledger.c.key == bindparam("in_key"))
_SET_APPROVALS = update(_approvals).where(here(_approvals), _approvals.c.run_id == bindparam("in_run_id"))
_EVENTS = select(_events.c.seq).where(here(_events), _events.c.run_id == bindparam("in_run_id"))
_ERASE_PAYLOAD = update(_payloads).where(here(_payloads), _payloads.c.seq == bindparam("in_seq"))


class SqlRetention:
    def __init__(self, session: Session) -> None:
        self._session = session

    def count(self, kind: str, before: float) -> int:
        rows = self._session.rows(_known(_COUNT, kind), in_before=before)
        return int(rows[0][0])

    def remove(self, kind: str, before: float, at: float, *, limit: int = 200) -> int:
        self._session.must_write()
        remove: dict[str, Callable[[float, float, int], int]] = {
            "transcripts": self._transcripts,
            "payloads": self._payloads,
            "vault": self._values,
        }
        return _known(remove, kind)(before, at, limit)

    def _payloads(self, before: float, at: float, limit: int) -> int:
        runs = self._oldest("payloads", before, limit)
        SqlVault(self._session).shred(runs, at)
        return len(runs)

    def _transcripts(self, before: float, at: float, limit: int) -> int:
        runs = self._oldest("transcripts", before, limit)
        for run_id in runs:
            self._empty_run(run_id)
        return len(runs)

    def _values(self, before: float, at: float, limit: int) -> int:
        rows = self._session.rows(_OLD_VALUES, in_before=before, in_limit=limit)
        for token, key_id in rows:
            self._session.change(_DELETE_VALUE, in_token=token, in_key_id=key_id)
        return len(rows)

    def _oldest(self, kind: str, before: float, limit: int) -> list[str]:
        return [row[0] for row in self._session.rows(_OLDEST[kind], in_before=before, in_limit=limit)]

    def _empty_run(self, run_id: str) -> None:
        session = self._session
        failure = _bare(RUN, "failure", session.rows(_FAILURE, in_run_id=run_id)[0][0])
        session.change(
            _SET_RUN, in_run_id=run_id, **RUN.some({"shown_input": REMOVED, "shown_result": None}), **failure
        )
        for key, detail in session.rows(_DETAILS, in_run_id=run_id):
            shown = ENTRY.some({"shown_arguments": None, "shown_result": None, "targets": ()})
            session.change(_SET_ENTRY, in_key=key, **shown, **_bare(ENTRY, "detail", detail))
        session.change(_SET_APPROVALS, in_run_id=run_id, presented='{"summary":"removed by retention"}')
        for (seq,) in session.rows(_EVENTS, in_run_id=run_id):
            session.change(_ERASE_PAYLOAD, in_seq=seq, payload=None, salt=None)


def _bare(codec: Any, name: str, stored: str | None) -> dict[str, Any]:
    """A failure's codes, without its words."""
    whole: dict[str, Any] | None = None if stored is None else json.loads(stored)
    if whole is None:
        return {name: None}
    return dict(codec.some({name: {key: "" if key == "message" else value for key, value in whole.items()}}))


def _known(ways: Any, kind: str) -> Any:
    if kind not in ways:
        raise Internal("There is no such kind of data.", code="store")
    return ways[kind]
