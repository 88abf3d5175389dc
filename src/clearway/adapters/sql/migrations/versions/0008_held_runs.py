"""Runs whose further effects wait for somebody, since their release was rolled back."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("held_for", sa.Text, nullable=True))
