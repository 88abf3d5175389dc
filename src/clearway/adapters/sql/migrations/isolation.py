"""Row-level security on a table, for revisions: each one that makes a tenant's table calls `isolate` for it.

Revisions that are released call this, so it is never edited; what changes gets a function of its own. A revision that
reads or writes rows has to lift FORCE first (`ALTER TABLE … NO FORCE ROW LEVEL SECURITY`, and back): policies hold for
the tables' owner too, who migrates.
"""

from sqlalchemy import Connection, text

__all__ = ["isolate", "permit"]

OF_SCOPE = (
    "tenant = current_setting('clearway.tenant', true) AND environment = current_setting('clearway.environment', true)"
)
#: Of a row that holds for every tenant: some scope has to be entered all the same.
SHARED = "tenant = '*' AND current_setting('clearway.tenant', true) <> ''"


def isolate(connection: Connection, table: str, *, shared: str = "") -> None:
    """Forces row-level security on `table`: what is seen and written is of the scope that was entered.

    `shared`: the condition under which a row of tenant `*` may be seen, added and changed (never deleted) by all.
    Nothing on SQLite, which has no row-level security."""
    if connection.dialect.name != "postgresql":
        return
    connection.execute(text(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"))
    connection.execute(text(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"))
    permit(connection, table, "of_scope", "ALL", OF_SCOPE)
    if shared:
        rule = f"{SHARED} AND {shared}"
        permit(connection, table, "shared_seen", "SELECT", rule)
        permit(connection, table, "shared_changed", "UPDATE", rule)
        connection.execute(text(f"CREATE POLICY shared_added ON {table} FOR INSERT WITH CHECK ({rule})"))


def permit(connection: Connection, table: str, name: str, command: str, rule: str) -> None:
    """A policy more, by which further rows may be seen. Nothing on SQLite."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"CREATE POLICY {name} ON {table} FOR {command} USING ({rule})"))
