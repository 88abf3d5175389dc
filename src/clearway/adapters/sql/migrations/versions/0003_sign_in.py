"""Sessions of browsers, and the people of an identity provider.

The tables are a copy of `clearway.adapters.sql.tables` as it was; it is not imported, since it moves on.
"""

from typing import Any

from alembic import op
from sqlalchemy import Column, Double, Index, MetaData, Table, Text, UniqueConstraint

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

metadata = MetaData()


def _key(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True, nullable=False)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _time(name: str, *, null: bool = False) -> Column[float]:
    return Column(name, Double, nullable=null)


def _scoped(name: str, *columns: Any) -> Table:
    return Table(name, metadata, _key("tenant"), _key("environment"), *columns)


sessions = _scoped(
    "sessions",
    _key("session_hash"),
    _text("subject"),
    _text("authenticated_by"),
    _time("created_at"),
    _time("seen_at"),
    _time("proven_at"),
    _time("ends_at"),
    _time("ended_at", null=True),
    UniqueConstraint("session_hash", name="sessions_session_hash"),
    Index("sessions_by_subject", "tenant", "environment", "subject"),
)

signed_in_users = _scoped(
    "signed_in_users",
    _key("user_id"),
    _text("issuer"),
    _text("roles"),
    _text("groups"),
    _time("created_at"),
    _time("seen_at"),
    _time("disabled_at", null=True),
)


def upgrade() -> None:
    metadata.create_all(op.get_bind(), checkfirst=False)
