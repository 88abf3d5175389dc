"""With which keys of the keyring a store is sealed. A store of before learns it when it is opened next."""

import sqlalchemy as sa
from alembic import op

from clearway.adapters.sql.migrations.isolation import isolate

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

store_keys = sa.Table(
    "store_keys",
    sa.MetaData(),
    sa.Column("tenant", sa.Text, primary_key=True, nullable=False),
    sa.Column("environment", sa.Text, primary_key=True, nullable=False),
    sa.Column("key_id", sa.Text, primary_key=True, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("check_value", sa.Text, nullable=False),
    sa.Column("place", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)


def upgrade() -> None:
    connection = op.get_bind()
    store_keys.create(connection)
    isolate(connection, "store_keys")
