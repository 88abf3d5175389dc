"""Clearway's tables as SQLAlchemy Core metadata. The same code serves SQLite and Postgres.

Every table is keyed by (tenant, environment, …). Columns bear the names of the dataclass fields that they hold;
structured values are JSON as text, times are seconds since the epoch as double, unless the hash chain covers them.
On Postgres the tables live in schema `SCHEMA` (`statements` adds it). What creates them is the migrations; a test
compares the two. Indexes serve the lists of `clearway.ports`: newest first, by keyset.
"""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, MetaData, Table, Text, UniqueConstraint
from sqlalchemy import text as sql

__all__ = ["LIVE", "OPEN", "SCHEMA", "metadata"]

#: Where our tables live on Postgres. The engine's own are elsewhere.
SCHEMA = "clearway"

metadata = MetaData()

#: States in which a business key is taken: the effect may have happened, or is about to.
LIVE = ("claimed", "started", "succeeded", "unknown")

#: Ledger rows that something is still to happen to. As SQL text, since a partial index only serves a query
#: that repeats its condition literally.
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
    # Small rows go into the primary key's own tree on SQLite: one page written less.
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

#: `ordinal` counts a run's rows from 0: the order of creation, also where two share a `created_at`.
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
_LIVE_BUSINESS_KEY = sql(f"business_key IS NOT NULL AND state IN ({', '.join(repr(state) for state in LIVE)})")
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

#: Headers, for ever. `at` is text: the hash covers these very characters.
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

#: What the headers commit to; both columns become NULL at erasure, the row stays.
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

#: Rows of kind `global` and `environment` hold for all tenants and have tenant `*` (`access.py`).
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
