"""The vault in SQL. Implements `clearway.ports.Vault`.

INVARIANT: a data key that is shredded is wrapped nowhere any more, and what was sealed under it is gone besides.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Select, Table, bindparam, literal_column, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ClauseElement

from clearway.adapters.sql import tables
from clearway.adapters.sql.rows import STORED_KEY, VAULT_ROW
from clearway.adapters.sql.session import Session, here
from clearway.model.run import RunStatus
from clearway.model.vault import StoredKey, VaultRow
from clearway.rules.find.found import TOKEN

_keys, _links, _vault, _runs, _ledger, _approvals = (
    tables.data_keys,
    tables.subject_runs,
    tables.vault,
    tables.runs,
    tables.ledger,
    tables.approvals,
)
_PAGE = 500
_FINAL = frozenset(status.value for status in RunStatus if status.is_final)

_SELECT_KEY = select(*(_keys.c[name] for name in STORED_KEY.names)).where(here(_keys))
_KEY = _SELECT_KEY.where(_keys.c.key_id == bindparam("in_key_id"))
_KEYS_OF = _SELECT_KEY.where(
    _keys.c.owner == bindparam("in_owner"), _keys.c.kind == literal_column("'subject'")
).order_by(_keys.c.wrapped.is_(None), _keys.c.created_at.desc())
_LIVE_KEYS = (
    _SELECT_KEY.where(_keys.c.wrapped.is_not(None), _keys.c.key_id > bindparam("in_after"))
    .order_by(_keys.c.key_id)
    .limit(bindparam("in_limit"))
)
_SET_KEY = update(_keys).where(here(_keys), _keys.c.key_id == bindparam("in_key_id"), _keys.c.wrapped.is_not(None))

_LINKED = select(_links.c.run_id).where(here(_links), _links.c.subject == bindparam("in_subject"))
_OWNED = select(_keys.c.key_id).where(
    here(_keys), _keys.c.owner == bindparam("in_subject"), _keys.c.kind == literal_column("'run'")
)

_SELECT_ROW = select(*(_vault.c[name] for name in VAULT_ROW.names)).where(here(_vault))
_FIND = _SELECT_ROW.where(_vault.c.token == bindparam("in_token")).order_by(
    _vault.c.sealed.is_(None), _vault.c.seen_at.desc()
)
_UNDER = _SELECT_ROW.where(_vault.c.key_id == bindparam("in_key_id")).limit(bindparam("in_limit"))
_FORGET_UNDER = update(_vault).where(here(_vault), _vault.c.key_id == bindparam("in_key_id"))
_FORGET = _FORGET_UNDER.where(_vault.c.token == bindparam("in_token"), _vault.c.sealed.is_not(None))
_SAME_VALUE = ["tenant", "environment", "token", "key_id"]
_FILE = {
    name: (statement := dialect.insert(_vault)).on_conflict_do_update(
        index_elements=_SAME_VALUE, set_={"seen_at": statement.excluded.seen_at}
    )
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
}
#: Rows of one statement, on Postgres.
_AT_ONCE = 16


@cache
def _filing(count: int) -> ClauseElement:
    """`_FILE` for several rows at once. On Postgres a statement for each takes twice the processor time."""
    insert = postgresql.insert(_vault)
    own: dict[str, Any] = {"tenant": bindparam("in_tenant"), "environment": bindparam("in_environment")}
    rows: list[dict[str, Any]] = [
        {name: bindparam(f"{name}_{at}") for name in VAULT_ROW.names} | own for at in range(count)
    ]
    return insert.values(rows).on_conflict_do_update(
        index_elements=_SAME_VALUE, set_={"seen_at": insert.excluded.seen_at}
    )


def _of_run(table: Table) -> Any:
    return update(table).where(here(table), table.c.run_id == bindparam("in_run_id"))


_EMPTY_RUN, _EMPTY_LEDGER, _EMPTY_APPROVALS = _of_run(_runs), _of_run(_ledger), _of_run(_approvals)
_EMPTY_HAPPENINGS = update(tables.happenings).where(
    here(tables.happenings),
    tables.happenings.c.key.in_(select(_ledger.c.key).where(here(_ledger), _ledger.c.run_id == bindparam("in_run_id"))),
)
_STATUS = select(_runs.c.status).where(here(_runs), _runs.c.run_id == bindparam("in_run_id"))


def _texts(table: Table, id: str, *names: str) -> Select[Any]:
    """A table's shown texts, page by page."""
    return (
        select(table.c[id], table.c.run_id, *(table.c[name] for name in names))
        .where(here(table), table.c[id] > bindparam("in_after"))
        .order_by(table.c[id])
        .limit(bindparam("in_limit"))
    )


_SHOWN = (
    _texts(_runs, "run_id", "shown_input", "shown_result", "failure"),
    _texts(_ledger, "key", "shown_arguments", "shown_result", "detail", "targets"),
    _texts(_approvals, "approval_id", "presented"),
)


class SqlVault:
    def __init__(self, session: Session) -> None:
        self._session = session

    def add_key(self, key: StoredKey) -> None:
        self._session.insert_once(_keys, STORED_KEY.row(key))

    def key(self, key_id: str) -> StoredKey | None:
        row = self._session.row(_KEY, in_key_id=key_id)
        return None if row is None else STORED_KEY.value(row)

    def keys_of(self, subject: str) -> list[StoredKey]:
        return [STORED_KEY.value(row) for row in self._session.rows(_KEYS_OF, in_owner=subject)]

    def link(self, subject: str, run_id: str) -> None:
        self._session.insert_once(_links, {"subject": subject, "run_id": run_id})

    def runs_of(self, subject: str) -> list[str]:
        linked = {row[0] for query in (_LINKED, _OWNED) for row in self._session.rows(query, in_subject=subject)}
        return sorted(linked)

    def file(self, rows: Sequence[VaultRow]) -> None:
        dialect = self._session.dialect
        values = [VAULT_ROW.row(row) for row in rows]
        if dialect == "postgresql" and len({(row.token, row.key_id) for row in rows}) == len(rows) > 1:
            for begin in range(0, len(values), _AT_ONCE):
                part = values[begin : begin + _AT_ONCE]
                named = {f"{name}_{at}": value for at, row in enumerate(part) for name, value in row.items()}
                self._session.change(_filing(len(part)), **named)
        elif values:
            self._session.insert(_FILE[dialect], values)

    def find(self, token: str) -> list[VaultRow]:
        return [VAULT_ROW.value(row) for row in self._session.rows(_FIND, in_token=token)]

    def under(self, key_ids: Sequence[str], *, limit: int = 100_000) -> list[VaultRow]:
        found: list[VaultRow] = []
        for key_id in key_ids:
            rows = self._session.rows(_UNDER, in_key_id=key_id, in_limit=limit - len(found))
            found += [VAULT_ROW.value(row) for row in rows]
        return found

    def run_keys(self, *, after: str = "", limit: int = 500) -> list[StoredKey]:
        return [STORED_KEY.value(row) for row in self._session.rows(_LIVE_KEYS, in_after=after, in_limit=limit)]

    def rewrap(self, key: StoredKey) -> bool:
        changed = self._session.change(_SET_KEY, in_key_id=key.key_id, wrapped=key.wrapped, kek_id=key.kek_id)
        return changed == 1

    def shred(self, key_ids: Sequence[str], at: float) -> int:
        shredded = 0
        for key_id in key_ids:
            shredded += self._session.change(_SET_KEY, in_key_id=key_id, wrapped=None, erased_at=at)
            self._session.change(_FORGET_UNDER, in_key_id=key_id, sealed=None)
            self._session.change(_EMPTY_RUN, in_run_id=key_id, text="", input="", result=None)
            self._session.change(_EMPTY_LEDGER, in_run_id=key_id, arguments=None, result=None)
            self._session.change(_EMPTY_APPROVALS, in_run_id=key_id, arguments=None)
            self._session.change(_EMPTY_HAPPENINGS, in_run_id=key_id, amounts=None)
        return shredded

    def forget(self, rows: Sequence[VaultRow]) -> int:
        return sum(self._session.change(_FORGET, in_key_id=row.key_id, in_token=row.token, sealed=None) for row in rows)

    def runs_with(self, tokens: Collection[str]) -> list[tuple[str, frozenset[str]]]:
        wanted, found = frozenset(tokens), dict[str, set[str]]()
        stand_ins = {token for token in wanted if not token.startswith("<")}
        for run_id, texts in self._shown() if wanted else ():
            held = {token for token in stand_ins if token in texts}
            if held := held.union(wanted.intersection(TOKEN.findall(texts))):
                found.setdefault(run_id, set()).update(held)
        return [(run_id, frozenset(held)) for run_id, held in found.items()]

    def unfinished(self, run_ids: Sequence[str]) -> list[str]:
        found: list[str] = []
        for run_id in run_ids:
            row = self._session.row(_STATUS, in_run_id=run_id)
            if row is not None and row[0] not in _FINAL:
                found.append(run_id)
        return found

    def _shown(self) -> Iterator[tuple[str, str]]:
        for statement in _SHOWN:
            after = ""
            while rows := self._session.rows(statement, in_after=after, in_limit=_PAGE):
                for row in rows:
                    yield row[1], "\n".join(text for text in row[2:] if text)
                after = rows[-1][0]
