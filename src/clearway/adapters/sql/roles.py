"""On Postgres: the rights of the role that Clearway runs as, where another one owns and migrates the tables.

The audit log is insert-only to it. Triggers refuse changes even by the owner; this also keeps the role from dropping
those triggers. To be run by the owner, after `migrate`.
"""

from clearway.adapters.sql.migrations import VERSION_TABLE
from clearway.adapters.sql.tables import SCHEMA, metadata

__all__ = ["grants_to"]

#: Rights on each table that has fewer than all four.
_FEWER = {
    "events": "SELECT, INSERT",
    "event_payloads": "SELECT, INSERT, UPDATE (payload, salt)",
    "audit_heads": "SELECT, INSERT, UPDATE (seq, hash)",
    "audit_checkpoints": "SELECT, INSERT",
    "approval_votes": "SELECT, INSERT",
    "store_keys": "SELECT, INSERT",
}


def grants_to(role: str) -> list[str]:
    """The statements that give `role` what `SqlStore` needs, and no more."""
    quoted = '"' + role.replace('"', '""') + '"'
    return [
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {quoted}",
        f"GRANT SELECT ON {SCHEMA}.{VERSION_TABLE} TO {quoted}",
        *(
            f"GRANT {_FEWER.get(name, 'SELECT, INSERT, UPDATE, DELETE')} ON {SCHEMA}.{name} TO {quoted}"
            for name in metadata.tables
        ),
    ]
