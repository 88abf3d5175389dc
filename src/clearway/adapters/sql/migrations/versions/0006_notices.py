"""What was told to whom.

The table is a copy of that of `clearway.adapters.sql.tables` as it was; it is not imported, since it moves on.
"""

from alembic import op
from sqlalchemy import BigInteger, Column, Double, Integer, MetaData, Table, Text

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

metadata = MetaData()

notices = Table(
    "notices",
    metadata,
    Column("tenant", Text, primary_key=True, nullable=False),
    Column("environment", Text, primary_key=True, nullable=False),
    Column("seq", BigInteger, primary_key=True, nullable=False, autoincrement=False),
    Column("channel", Text, primary_key=True, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("at", Double, nullable=False),
    Column("code", Text, nullable=False),
    sqlite_with_rowid=False,
)


def upgrade() -> None:
    metadata.create_all(op.get_bind(), checkfirst=False)
