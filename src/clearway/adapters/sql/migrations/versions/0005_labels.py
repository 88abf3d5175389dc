"""Where arguments came from, what people endorsed of it, and what sequence conditions count.

The tables are a copy of `clearway.adapters.sql.tables` as it was; it is not imported, since it moves on.
"""

from typing import Any

from alembic import op
from sqlalchemy import Boolean, Column, Double, Index, MetaData, Table, Text

revision = "0005"
down_revision = "0004"
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
    return Table(name, metadata, _key("tenant"), _key("environment"), *columns)


happenings = _scoped(
    "happenings",
    _key("key"),
    _key("target"),
    _text("tool"),
    _text("user"),
    _time("at"),
    Column("first", Boolean, nullable=False),
    _text("amounts", null=True),
    Index("happenings_by_user", "tenant", "environment", "tool", "user", "at"),
    Index("happenings_by_target", "tenant", "environment", "tool", "target", "at"),
)

endorsements = _scoped(
    "endorsements",
    _key("endorsement_id"),
    _text("approval_id"),
    _text("run_id"),
    _text("user"),
    _text("argument"),
    _text("value_token"),
    _text("by"),
    _text("subject"),
    _text("factor"),
    _text("authenticated_by"),
    _text("comment"),
    _time("at"),
    _time("expires_at"),
    _text("record_signature"),
    _time("revoked_at", null=True),
    Index("endorsements_by_run", "tenant", "environment", "run_id", "user", "expires_at"),
    Index("endorsements_newest", "tenant", "environment", "at", "endorsement_id"),
)


def upgrade() -> None:
    op.add_column("ledger", Column("labels", Text, nullable=True))
    metadata.create_all(op.get_bind(), checkfirst=False)
