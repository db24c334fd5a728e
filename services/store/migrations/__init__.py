"""Schema migrations (Alembic). A store is brought up to date before it is used."""

from __future__ import annotations

from services.store.tables import metadata
from services.store.unit_of_work import Store


def upgrade(store: Store) -> None:
    """Create or migrate every table of `store`, keeping what is in it."""
    with store.write() as unit:
        metadata.create_all(unit.connection)
        unit.commit()
