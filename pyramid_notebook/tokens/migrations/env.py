"""What Alembic runs: it works on the connection, and in the transaction, that ``upgrade`` holds the lock with."""

from __future__ import annotations

from alembic import context

from pyramid_notebook.tokens.migrations import VERSION_TABLE
from pyramid_notebook.tokens.model import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
