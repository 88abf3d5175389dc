"""Releases: bundles, their signatures, and the pointer to what is in force in each scope.

The tables are a copy of `clearway.adapters.sql.tables` as it was; it is not imported, since it moves on.
"""

from typing import Any

from alembic import op
from sqlalchemy import Column, Double, Index, Integer, MetaData, Table, Text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

metadata = MetaData()


def _key(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True, nullable=False)


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null)


def _whole(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


def _time(name: str, *, null: bool = False) -> Column[float]:
    return Column(name, Double, nullable=null)


def _scoped(name: str, *columns: Any, small: bool = False) -> Table:
    return Table(name, metadata, _key("tenant"), _key("environment"), *columns, sqlite_with_rowid=not small)


releases = _scoped(
    "releases",
    _key("digest"),
    _text("project"),
    _text("bundle"),
    _time("created_at"),
    _text("created_by"),
    _text("note"),
    _time("revoked_at", null=True),
    _text("revoked_by", null=True),
    _text("revoked_reason", null=True),
    _text("reinstate_votes"),
    Index("releases_newest", "tenant", "environment", "created_at", "digest"),
)

release_signatures = _scoped(
    "release_signatures", _key("digest"), _key("duty"), _key("subject"), _time("at"), _text("envelope")
)

release_pointers = _scoped(
    "release_pointers",
    _text("digest"),
    _text("previous", null=True),
    _whole("generation"),
    _time("moved_at"),
    _text("moved_by"),
    _text("reason"),
    _text("canary", null=True),
    Column("canary_share", Double, nullable=False),
    _text("shadow", null=True),
    _text("guard", null=True),
    small=True,
)

release_moves = _scoped(
    "release_moves",
    Column("generation", Integer, primary_key=True, nullable=False, autoincrement=False),
    _text("kind"),
    _text("digest"),
    _text("canary", null=True),
    _time("at"),
    _text("by"),
    _text("reason"),
)


def upgrade() -> None:
    metadata.create_all(op.get_bind(), checkfirst=False)
