"""The vault: data keys of runs and data subjects, and the values behind tokens.

The tables are a copy of `clearway.adapters.sql.tables` as it was; it is not imported, since it moves on.
"""

from typing import Any

from alembic import op
from sqlalchemy import Column, Double, Index, MetaData, Table, Text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

metadata = MetaData()


def _key(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True, nullable=False)


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null)


def _time(name: str, *, null: bool = False) -> Column[float]:
    return Column(name, Double, nullable=null)


def _scoped(name: str, *columns: Any) -> Table:
    return Table(name, metadata, _key("tenant"), _key("environment"), *columns, sqlite_with_rowid=False)


_scoped(
    "data_keys",
    _key("key_id"),
    _text("kind"),
    _text("owner"),
    _text("kek_id"),
    _text("wrapped", null=True),
    _time("created_at"),
    _time("erased_at", null=True),
    Index("data_keys_by_owner", "tenant", "environment", "owner"),
)

_scoped("subject_runs", _key("subject"), _key("run_id"))

_scoped(
    "vault",
    _key("token"),
    _key("key_id"),
    _text("type"),
    _text("subject"),
    _text("sealed", null=True),
    _time("seen_at"),
    _text("alias_of", null=True),
    Index("vault_by_key", "tenant", "environment", "key_id"),
)


def upgrade() -> None:
    metadata.create_all(op.get_bind(), checkfirst=False)
