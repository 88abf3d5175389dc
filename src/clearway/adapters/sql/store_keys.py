"""Which keys of the keyring the store is sealed with: ids and check values, of the store as a whole.

Their rows have tenant and environment `*`, a scope that nobody has, so that on Postgres no tenant's transaction sees
or changes them.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from clearway.adapters.sql import tables
from clearway.adapters.sql.access import EVERY
from clearway.adapters.sql.engine import READ_ONLY
from clearway.adapters.sql.errors import translate
from clearway.adapters.sql.row_security import of_scope
from clearway.adapters.sql.session import here
from clearway.adapters.sql.statements import change, query
from clearway.model.identity import Scope
from clearway.model.vault import KeyCheck
from clearway.rules.key_checks import unknown_of

__all__ = ["recognise"]

_keys = tables.store_keys
_KNOWN = (
    select(_keys.c.key_id, _keys.c.purpose, _keys.c.active, _keys.c.check_value)
    .where(here(_keys))
    .order_by(_keys.c.place)
)
_NOTE = insert(_keys)
#: `pg_advisory_xact_lock`: one keyring at a time. The bytes of "clearkey".
_LOCK = int.from_bytes(b"clearkey")


def recognise(engine: Engine, held: Sequence[KeyCheck]) -> None:
    """Checks the keyring's keys against those that the store knows, and notes the ones that are new to it.

    INVARIANT: of processes that come first with different keyrings one is noted, and the others are refused.
    Errors: `KeyringMismatch`, `Unavailable`, `Internal`.
    """
    try:
        with engine.execution_options(**READ_ONLY).begin() as connection:
            if not unknown_of(_known(connection), held):
                return
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":  # SQLite: the transaction is a BEGIN IMMEDIATE
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            known = _known(connection)
            for place, key in enumerate(unknown_of(known, held), start=len(known)):
                change(
                    connection,
                    _NOTE,
                    {
                        "tenant": EVERY,
                        "environment": EVERY,
                        "key_id": key.key_id,
                        "purpose": key.purpose,
                        "active": key.active,
                        "check_value": key.check_value,
                        "place": place,
                    },
                )
    except SQLAlchemyError as error:
        raise translate(error) from None


def _known(connection: Connection) -> list[KeyCheck]:
    values = {"in_tenant": EVERY, "in_environment": EVERY}
    rows = query(connection, _KNOWN, values, sight=of_scope(Scope(EVERY, EVERY)))
    return [KeyCheck(key_id, purpose, bool(active), check_value) for key_id, purpose, active, check_value in rows]
