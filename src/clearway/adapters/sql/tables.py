"""Clearway's tables as SQLAlchemy Core metadata. The same code serves SQLite and Postgres.

Every table is keyed by (tenant, environment, …). Columns bear the names of the dataclass fields that they hold;
structured values are JSON as text, times are seconds since the epoch as double, unless the hash chain covers them.
On Postgres the tables live in schema `SCHEMA` (`statements` adds it). What creates them is the migrations; a test
compares the two. Indexes serve the lists of `clearway.ports`: newest first, by keyset.
"""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, MetaData, Table, Text, UniqueConstraint
from sqlalchemy import text as sql

__all__ = ["HELD_RUN", "LIVE", "OPEN", "PENDING", "SCHEMA", "metadata"]

#: Where our tables live on Postgres. The engine's own are elsewhere.
SCHEMA = "clearway"

metadata = MetaData()

#: States in which a business key is taken: the effect may have happened, or is about to.
LIVE = ("claimed", "started", "succeeded", "unknown")

#: Ledger rows that something is still to happen to. As SQL text, since a partial index only serves a query
#: that repeats its condition literally.
OPEN = "state IN ('claimed', 'failed_retryable', 'held', 'started', 'unknown')"

#: Approvals that somebody is still to decide. As SQL text, for the same reason.
PENDING = "state = 'pending'"

#: Runs whose further effects wait for somebody. As SQL text, for the same reason.
HELD_RUN = "held_for IS NOT NULL"


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
    _text("held_for", null=True),
    UniqueConstraint("tenant", "environment", "idempotency_key", name="runs_idempotency_key"),
    Index("runs_newest", "tenant", "environment", "created_at", "run_id"),
    Index("runs_by_status", "tenant", "environment", "status", "created_at", "run_id"),
    Index("runs_by_correlation", "tenant", "environment", "correlation_id", "created_at", "run_id"),
    Index("runs_by_skill", "tenant", "environment", "skill", "created_at", "run_id"),
    Index(
        "runs_held",
        "tenant",
        "environment",
        "created_at",
        "run_id",
        sqlite_where=sql(HELD_RUN),
        postgresql_where=sql(HELD_RUN),
    ),
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
    _text("labels", null=True),
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
    Index("approvals_by_run", "tenant", "environment", "run_id", "requested_at", "approval_id"),
    Index("approvals_by_tool", "tenant", "environment", "tool", "requested_at", "approval_id"),
    Index(
        "approvals_expiring",
        "tenant",
        "environment",
        "expires_at",
        "approval_id",
        sqlite_where=sql(PENDING),
        postgresql_where=sql(PENDING),
    ),
    Index(
        "approvals_by_impact",
        "tenant",
        "environment",
        "impact",
        "expires_at",
        "approval_id",
        sqlite_where=sql(PENDING),
        postgresql_where=sql(PENDING),
    ),
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

#: Who is signed in with a browser; the id itself is with the browser only.
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

#: People of an identity provider. `roles` and `groups`: as its groups gave them at the last sign-in.
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

#: Bundles hold for every scope: their rows and those of their signatures have tenant and environment `*`.
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
    "release_signatures",
    _key("digest"),
    _key("duty"),
    _key("subject"),
    _time("at"),
    _text("envelope"),
    _key("against"),
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

#: What sequence conditions count: a row for each target of an effect, written with its claim. Whether it counts, its
#: ledger row says.
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

#: A person's word for an untrusted value. `run_id` is empty where it holds for all runs of `user`.
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

#: A data key a run and a data subject, wrapped; shredded ones stay, without it. `owner`: a person's token, or empty.
data_keys = _scoped(
    "data_keys",
    _key("key_id"),
    _text("kind"),
    _text("owner"),
    _text("kek_id"),
    _text("wrapped", null=True),
    _time("created_at"),
    _time("erased_at", null=True),
    Index("data_keys_by_owner", "tenant", "environment", "owner"),
    small=True,
)

#: Which runs have to do with whom.
subject_runs = _scoped("subject_runs", _key("subject"), _key("run_id"), small=True)

#: The value of each token, sealed under each data key that it was met under.
vault = _scoped(
    "vault",
    _key("token"),
    _key("key_id"),
    _text("type"),
    _text("subject"),
    _text("sealed", null=True),
    _time("seen_at"),
    _text("alias_of", null=True),
    Index("vault_by_key", "tenant", "environment", "key_id"),
    small=True,
)

#: What was told to whom: one row an event and channel.
notices = _scoped(
    "notices",
    _sequence("seq"),
    _key("channel"),
    _text("kind"),
    _text("state"),
    _whole("attempts"),
    _time("at"),
    _text("code"),
    small=True,
)

#: Which keys of the keyring the store is sealed with; rows of tenant and environment `*`. `place`: the order of noting.
store_keys = _scoped(
    "store_keys",
    _key("key_id"),
    _text("purpose"),
    Column("active", Boolean, nullable=False),
    _text("check_value"),
    _whole("place"),
    small=True,
)
