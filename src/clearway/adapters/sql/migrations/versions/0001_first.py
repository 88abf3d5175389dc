"""The first schema: runs, ledger, approvals, audit chain, limits, switches and keys, and the guards of the audit log.

The tables are a copy of `clearway.adapters.sql.tables` as it was; it is not imported, since it moves on.
"""

from typing import Any

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, MetaData, Table, Text, UniqueConstraint
from sqlalchemy import text as sql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

metadata = MetaData()

OPEN = "state IN ('claimed', 'failed_retryable', 'held', 'started', 'unknown')"


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


def _sequence(name: str) -> Column[int]:
    return Column(name, BigInteger, primary_key=True, nullable=False, autoincrement=False)


runs = _scoped(
    "runs",
    _key("run_id"),
    _text("idempotency_key"),
    _text("request_fingerprint"),
    _text("request_id"),
    _text("correlation_id"),
    _text("principal"),
    _text("skill"),
    _text("route"),
    _text("release"),
    _text("status"),
    _text("text"),
    _text("input"),
    _text("shown_input"),
    _whole("fence"),
    _time("deadline_s"),
    _time("spent_s"),
    _time("created_at"),
    _text("active_pass", null=True),
    Column("wake", Boolean, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    _time("started_at", null=True),
    _time("finished_at", null=True),
    _text("result", null=True),
    _text("shown_result", null=True),
    _text("failure", null=True),
    UniqueConstraint("tenant", "environment", "idempotency_key", name="runs_idempotency_key"),
    Index("runs_newest", "tenant", "environment", "created_at", "run_id"),
    Index("runs_by_status", "tenant", "environment", "status", "created_at", "run_id"),
    Index("runs_by_correlation", "tenant", "environment", "correlation_id", "created_at", "run_id"),
)

ledger = _scoped(
    "ledger",
    _key("key"),
    _text("run_id"),
    _text("step_id"),
    _text("kind"),
    _text("tool"),
    _text("impact"),
    _text("fingerprint"),
    _text("state"),
    _whole("fence"),
    _whole("attempt"),
    _text("action_digest"),
    _text("business_key", null=True),
    _text("approval_id", null=True),
    _text("grant_id", null=True),
    _time("lease_until", null=True),
    _time("first_sent_at", null=True),
    _text("remote_ref", null=True),
    _text("arguments", null=True),
    _text("shown_arguments", null=True),
    _text("targets"),
    _text("result", null=True),
    _text("shown_result", null=True),
    _text("detail", null=True),
    _time("created_at"),
    _time("updated_at"),
    _time("duration_s", null=True),
    _whole("ordinal"),
    UniqueConstraint("tenant", "environment", "run_id", "step_id", name="ledger_step"),
    Index("ledger_newest", "tenant", "environment", "created_at", "key"),
)
_LIVE_BUSINESS_KEY = sql("business_key IS NOT NULL AND state IN ('claimed', 'started', 'succeeded', 'unknown')")
Index(
    "ledger_business_key",
    ledger.c.tenant,
    ledger.c.environment,
    ledger.c.tool,
    ledger.c.business_key,
    unique=True,
    sqlite_where=_LIVE_BUSINESS_KEY,
    postgresql_where=_LIVE_BUSINESS_KEY,
)
Index(
    "ledger_open",
    ledger.c.tenant,
    ledger.c.environment,
    ledger.c.state,
    ledger.c.created_at,
    ledger.c.key,
    sqlite_where=sql(OPEN),
    postgresql_where=sql(OPEN),
)

approvals = _scoped(
    "approvals",
    _key("approval_id"),
    _text("run_id"),
    _text("step_id"),
    _text("kind"),
    _text("tool"),
    _text("tool_digest"),
    _text("impact"),
    _text("action_digest"),
    _text("presented"),
    _text("presented_digest"),
    _text("factors"),
    _text("policies"),
    _text("state"),
    _text("requester"),
    _text("excluded"),
    _time("requested_at"),
    _time("expires_at"),
    _time("execution_ttl_s"),
    _text("arguments", null=True),
    _text("escalate_to", null=True),
    _time("escalate_at", null=True),
    _time("escalated_at", null=True),
    _time("decided_at", null=True),
    _time("execute_by", null=True),
    _text("replaces", null=True),
    _text("note"),
    _whole("ordinal"),
    Index("approvals_newest", "tenant", "environment", "requested_at", "approval_id"),
    Index("approvals_by_state", "tenant", "environment", "state", "requested_at", "approval_id"),
    Index("approvals_by_step", "tenant", "environment", "run_id", "step_id"),
)

approval_votes = _scoped(
    "approval_votes",
    _key("approval_id"),
    _key("subject"),
    _text("verdict"),
    _text("factor", null=True),
    _time("at"),
    _text("action_digest"),
    _text("presented_digest"),
    _text("comment"),
    _text("authenticated_by"),
    _text("record_signature"),
)

grants = _scoped(
    "grants",
    _key("grant_id"),
    _text("tool"),
    _text("tool_digest"),
    _text("release"),
    _text("targets"),
    _text("bounds"),
    _whole("max_uses"),
    _whole("uses"),
    _time("expires_at"),
    _text("state"),
    _text("created_by"),
    _text("approval_id"),
    Index("grants_by_tool", "tenant", "environment", "tool", "expires_at"),
)

events = _scoped(
    "events",
    _sequence("seq"),
    _text("kind"),
    _text("at"),
    _text("run_id", null=True),
    _text("step_id", null=True),
    _text("commitment"),
    _text("hash"),
    small=True,
)
_OF_A_RUN = sql("run_id IS NOT NULL")
Index(
    "events_by_run",
    events.c.tenant,
    events.c.environment,
    events.c.run_id,
    events.c.seq,
    sqlite_where=_OF_A_RUN,
    postgresql_where=_OF_A_RUN,
)

event_payloads = _scoped(
    "event_payloads", _sequence("seq"), _text("payload", null=True), _text("salt", null=True), small=True
)

audit_heads = _scoped("audit_heads", Column("seq", BigInteger, nullable=False), _text("hash"), small=True)

audit_checkpoints = _scoped(
    "audit_checkpoints",
    _sequence("size"),
    Column("at", Double, primary_key=True, nullable=False),
    _text("note"),
    _text("frontier"),
)

buckets = _scoped("buckets", _key("bucket"), _time("level"), _time("at"), small=True)

counters = _scoped("counters", _key("counter"), Column("value", BigInteger, nullable=False), small=True)

kill_switches = _scoped(
    "kill_switches",
    _key("kind"),
    _key("id"),
    Column("engaged", Boolean, nullable=False),
    _text("reason"),
    _text("by"),
    _time("at"),
    _text("release_votes"),
    small=True,
)

api_keys = _scoped(
    "api_keys",
    _key("key_id"),
    _text("subject"),
    _text("secret_sha256"),
    _time("created_at"),
    _time("expires_at"),
    _time("revoked_at", null=True),
    UniqueConstraint("key_id", name="api_keys_key_id"),
)


_SQLITE_GUARDS = (
    """CREATE TRIGGER events_no_update BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
    """CREATE TRIGGER events_no_delete BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
    """CREATE TRIGGER event_payloads_no_update BEFORE UPDATE ON event_payloads
        WHEN NOT (NEW.payload IS NULL AND NEW.salt IS NULL AND NEW.tenant IS OLD.tenant
                  AND NEW.environment IS OLD.environment AND NEW.seq IS OLD.seq)
        BEGIN SELECT RAISE(ABORT, 'a payload can only be erased'); END""",
    """CREATE TRIGGER event_payloads_no_delete BEFORE DELETE ON event_payloads
        BEGIN SELECT RAISE(ABORT, 'a payload can only be erased'); END""",
    """CREATE TRIGGER audit_heads_no_update BEFORE UPDATE ON audit_heads
        WHEN NEW.seq <= OLD.seq OR NEW.tenant IS NOT OLD.tenant OR NEW.environment IS NOT OLD.environment
        BEGIN SELECT RAISE(ABORT, 'the head of an audit chain only moves on'); END""",
    """CREATE TRIGGER audit_heads_no_delete BEFORE DELETE ON audit_heads
        BEGIN SELECT RAISE(ABORT, 'the head of an audit chain only moves on'); END""",
    """CREATE TRIGGER approval_votes_no_update BEFORE UPDATE ON approval_votes
        BEGIN SELECT RAISE(ABORT, 'a vote is for good'); END""",
    """CREATE TRIGGER approval_votes_no_delete BEFORE DELETE ON approval_votes
        BEGIN SELECT RAISE(ABORT, 'a vote is for good'); END""",
)

_POSTGRES_GUARDS = (
    """CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$""",
    """CREATE TRIGGER events_no_change BEFORE UPDATE OR DELETE ON events
        FOR EACH ROW EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER event_payloads_no_update BEFORE UPDATE ON event_payloads FOR EACH ROW
        WHEN (NOT (NEW.payload IS NULL AND NEW.salt IS NULL AND NEW.tenant = OLD.tenant
                   AND NEW.environment = OLD.environment AND NEW.seq = OLD.seq))
        EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER event_payloads_no_delete BEFORE DELETE ON event_payloads
        FOR EACH ROW EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER audit_heads_no_update BEFORE UPDATE ON audit_heads FOR EACH ROW
        WHEN (NEW.seq <= OLD.seq OR NEW.tenant <> OLD.tenant OR NEW.environment <> OLD.environment)
        EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER audit_heads_no_delete BEFORE DELETE ON audit_heads
        FOR EACH ROW EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER approval_votes_no_change BEFORE UPDATE OR DELETE ON approval_votes
        FOR EACH ROW EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON events EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER event_payloads_no_truncate BEFORE TRUNCATE ON event_payloads EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER audit_heads_no_truncate BEFORE TRUNCATE ON audit_heads EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER approval_votes_no_truncate BEFORE TRUNCATE ON approval_votes EXECUTE FUNCTION refuse_change()""",
)


def upgrade() -> None:
    connection = op.get_bind()
    metadata.create_all(connection, checkfirst=False)
    for guard in _SQLITE_GUARDS if connection.dialect.name == "sqlite" else _POSTGRES_GUARDS:
        connection.execute(sql(guard))
