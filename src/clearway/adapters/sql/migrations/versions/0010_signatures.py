"""What a signature was given against has a column of its own; until now the duty's text held both, as `duty@digest`.

On Postgres the table is altered, so that its policies and grants stay. SQLite can't change a primary key: there it is
made anew. The digest in the old text was cut; the whole one stands in the signed envelope. What no envelope says is
kept as it was, and counts for nothing, as before.
"""

import base64
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_KEY = ("tenant", "environment", "digest", "duty", "subject", "against")

release_signatures = sa.Table(
    "release_signatures",
    sa.MetaData(),
    sa.Column("tenant", sa.Text, primary_key=True, nullable=False),
    sa.Column("environment", sa.Text, primary_key=True, nullable=False),
    sa.Column("digest", sa.Text, primary_key=True, nullable=False),
    sa.Column("duty", sa.Text, primary_key=True, nullable=False),
    sa.Column("subject", sa.Text, primary_key=True, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("envelope", sa.Text, nullable=False),
    sa.Column("against", sa.Text, primary_key=True, nullable=False),
    sqlite_with_rowid=True,
)


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        _alter(connection)
    else:
        _make_anew(connection)


def _alter(connection: sa.Connection) -> None:
    # Policies hold for the owner too, who migrates.
    connection.execute(sa.text("ALTER TABLE release_signatures NO FORCE ROW LEVEL SECURITY"))
    op.add_column("release_signatures", sa.Column("against", sa.Text, nullable=True))
    op.drop_constraint("release_signatures_pkey", "release_signatures")
    table = release_signatures
    for row in connection.execute(sa.text("SELECT * FROM release_signatures")).mappings().all():
        this = [table.c[name] == row[name] for name in _KEY if name != "against"]
        connection.execute(sa.update(table).where(*this).values(_split(row["duty"], row["envelope"])))
    op.alter_column("release_signatures", "against", nullable=False)
    op.create_primary_key("release_signatures_pkey", "release_signatures", list(_KEY))
    connection.execute(sa.text("ALTER TABLE release_signatures FORCE ROW LEVEL SECURITY"))


def _make_anew(connection: sa.Connection) -> None:
    rows = connection.execute(sa.text("SELECT * FROM release_signatures")).mappings().all()
    op.drop_table("release_signatures")
    release_signatures.create(connection)
    if rows:
        whole = [{**row, **_split(row["duty"], row["envelope"])} for row in rows]
        connection.execute(sa.insert(release_signatures), whole)


def _split(duty: str, envelope: str) -> dict[str, str]:
    name, _, start = duty.partition("@")
    try:
        statement: Any = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
        against = str(statement["against"])
    except (ValueError, KeyError, TypeError):
        against = start
    return {"duty": name, "against": against if against.removeprefix("sha256:").startswith(start) else start}
