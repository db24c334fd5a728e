"""The words that the search index of the audit log holds, to look up the ones that begin as a search asks."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create a view of the index on SQLite; PostgreSQL finds beginnings of words by itself."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(
            "CREATE VIRTUAL TABLE audit_search_vocabulary USING fts5vocab(audit_search, instance)"
        )
