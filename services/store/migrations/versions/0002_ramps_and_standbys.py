"""Ramps with every step of their way, and the state of warm standbys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_REFUSAL = "rows of ramp_entry never change"


def upgrade() -> None:
    """Create the three tables."""
    op.create_table(
        "ramp",
        sa.Column("id", KEY, autoincrement=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("champion", sa.Integer, nullable=False),
        sa.Column("candidate", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("is_open", sa.Boolean, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("traffic_ratio", sa.Float, nullable=False),
        sa.Column("step_started_us", sa.BigInteger, nullable=False),
        sa.Column("due_us", sa.BigInteger, nullable=False),
        sa.Column("checked_us", sa.BigInteger, nullable=False),
        sa.Column("attention", sa.Text, nullable=False),
        sa.Column("measured", sa.JSON, nullable=False),
        sa.Column("plan_revision", sa.Text, nullable=False),
        sa.Column("change_id", sa.BigInteger),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("started_us", sa.BigInteger, nullable=False),
        sa.Column("ended_us", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_ramp"),
    )
    is_open = sa.text("is_open")
    op.create_index("ix_ramp_model", "ramp", ["model", "id"])
    op.create_index("uq_ramp_open", "ramp", ["model"], unique=True, sqlite_where=is_open, postgresql_where=is_open)
    op.create_table(
        "ramp_entry",
        sa.Column("id", KEY, autoincrement=True),
        sa.Column("ramp_id", KEY, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("traffic_ratio", sa.Float, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("measured", sa.JSON, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ramp_entry"),
        sa.ForeignKeyConstraint(["ramp_id"], ["ramp.id"], name="fk_ramp_entry_ramp_id_ramp"),
    )
    op.create_index("ix_ramp_entry_ramp", "ramp_entry", ["ramp_id", "id"])
    op.create_index("ix_ramp_entry_model", "ramp_entry", ["model", "id"])
    _refuse_changes()
    op.create_table(
        "standby",
        sa.Column("model", sa.Text),
        sa.Column("version", sa.Integer, autoincrement=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("digest", sa.Text),
        sa.Column("bytes", sa.BigInteger),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("proven_us", sa.BigInteger),
        sa.Column("checked_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("model", "version", name="pk_standby"),
    )


def _refuse_changes() -> None:
    connection = op.get_bind()
    for verb in ("update", "delete"):
        name = f"ramp_entry_no_{verb}"
        head = f"CREATE TRIGGER {name} BEFORE {verb.upper()} ON ramp_entry"
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"{head} BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END")
        else:
            body = f"BEGIN RAISE EXCEPTION '{_REFUSAL}'; END"
            connection.exec_driver_sql(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
            connection.exec_driver_sql(f"{head} FOR EACH ROW EXECUTE FUNCTION {name}()")
