"""Row-level security on Postgres, forced on every table (decision 0009); lists of runs by skill, and of held ones.

SQLite gets the indexes only: it has no row-level security.
"""

from alembic import op
from sqlalchemy import text

from clearway.adapters.sql.migrations.isolation import isolate, permit

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

#: Every table up to 0008 whose rows belong to a scope, without exception.
_SCOPED = (
    "runs",
    "ledger",
    "approvals",
    "approval_votes",
    "grants",
    "events",
    "event_payloads",
    "audit_heads",
    "audit_checkpoints",
    "counters",
    "api_keys",
    "sessions",
    "signed_in_users",
    "release_pointers",
    "release_moves",
    "happenings",
    "endorsements",
    "data_keys",
    "subject_runs",
    "vault",
    "notices",
)

#: Tables with rows that hold for every tenant → which of their rows of tenant `*` do.
_SHARED = {
    "kill_switches": "(kind = 'environment' OR kind = 'global' AND environment = '*')",
    "buckets": "environment = '*' AND starts_with(bucket, 'system:')",
    "releases": "environment = '*'",
    "release_signatures": "environment = '*'",
}


def upgrade() -> None:
    connection = op.get_bind()
    for table in _SCOPED:
        isolate(connection, table)
    for table, shared in _SHARED.items():
        isolate(connection, table, shared=shared)
    # The three looks that come before a scope is known. Each shows what was named, or the chains' heads; none writes.
    permit(connection, "api_keys", "by_id", "SELECT", "key_id = current_setting('clearway.key_id', true)")
    permit(connection, "sessions", "by_hash", "SELECT", "session_hash = current_setting('clearway.session_hash', true)")
    permit(connection, "audit_heads", "every_scope", "SELECT", "current_setting('clearway.every_scope', true) = 'on'")
    op.create_index("runs_by_skill", "runs", ["tenant", "environment", "skill", "created_at", "run_id"])
    held = text("held_for IS NOT NULL")
    op.create_index(
        "runs_held",
        "runs",
        ["tenant", "environment", "created_at", "run_id"],
        sqlite_where=held,
        postgresql_where=held,
    )
