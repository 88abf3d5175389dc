"""What waits for people, in the order in which it should be looked at; what was asked in a run, and of a tool before.

The tables are not imported from `clearway.adapters.sql.tables`, since that moves on.
"""

from alembic import op
from sqlalchemy import text

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_PENDING = text("state = 'pending'")


def upgrade() -> None:
    for name, columns in (
        ("approvals_expiring", ("expires_at", "approval_id")),
        ("approvals_by_impact", ("impact", "expires_at", "approval_id")),
    ):
        op.create_index(
            name,
            "approvals",
            ["tenant", "environment", *columns],
            sqlite_where=_PENDING,
            postgresql_where=_PENDING,
        )
    for name, column in (("approvals_by_run", "run_id"), ("approvals_by_tool", "tool")):
        op.create_index(name, "approvals", ["tenant", "environment", column, "requested_at", "approval_id"])
