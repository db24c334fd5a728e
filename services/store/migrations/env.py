"""Alembic's entry: it runs on the connection of the unit of work that asked, and in its transaction."""

from __future__ import annotations

from alembic import context

from services.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
)
context.run_migrations()
