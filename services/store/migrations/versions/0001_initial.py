"""The first schema: the statements recorded for each database, one after another."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None

SEPARATOR = "\n--;\n"


def upgrade() -> None:
    """Create every table, index and trigger."""
    connection = op.get_bind()
    recorded = Path(__file__).with_name(f"0001_initial.{connection.dialect.name}.sql").read_text(encoding="utf-8")
    for statement in recorded.split(SEPARATOR):
        connection.exec_driver_sql(statement.strip())
