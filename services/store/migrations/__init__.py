"""Schema migrations (Alembic). A store is brought up to date before it is used, and never taken back.

Each migration is frozen: the first one runs recorded statements, triggers and all, rather than today's tables. A test
holds the migrations to ending in exactly the tables that the code declares.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import inspect, text

from services.errors import Conflict
from services.store.unit_of_work import Store, UnitOfWork

HEAD = "0004"
"""The newest migration; a store that is there already needs no Alembic, which costs a third of a second to import."""


def upgrade(store: Store) -> None:
    """Create or migrate every table of `store`, keeping what is in it.

    Raises:
        Unreachable: the database does not answer.
        Conflict: a newer Gatehouse has migrated it.
    """
    with store.read() as unit:
        if _current(unit) == HEAD:
            return
    with store.write() as unit:
        if unit.dialect == "postgresql":
            # Two processes that start at once would both migrate; on SQLite writers queue up already.
            unit.connection.execute(text("SELECT pg_advisory_xact_lock(7281530)"))
        current = _current(unit)
        if current != HEAD:
            check_known(current)
            _run(unit)
        unit.commit()


def _current(unit: UnitOfWork) -> str | None:
    if not inspect(unit.connection).has_table("alembic_version"):
        return None
    return unit.connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def check_known(current: str | None) -> None:
    """Check that a store at a migration can be used here.

    Raises:
        Conflict: a newer Gatehouse has migrated it.
    """
    if current is not None and current > HEAD:
        raise Conflict(
            f"The store is at migration {current}, and this Gatehouse knows only up to {HEAD}.",
            next_step="Run the newer Gatehouse that migrated it, or restore a backup from before.",
        )


def _run(unit: UnitOfWork) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = unit.connection
    command.upgrade(config, "head")
