"""What Alembic runs: on the connection, and in the transaction, that `migrate` hands over."""

from alembic import context

from clearway.adapters.sql.migrations import VERSION_TABLE
from clearway.adapters.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
