import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from services.errors import Conflict
from services.store import Store
from services.store.migrations import HEAD, upgrade
from services.store.tables import metadata


def test_migrations_end_in_exactly_the_declared_tables(any_store: Store) -> None:
    with any_store.read() as unit:
        context = MigrationContext.configure(unit.connection, opts={"compare_type": True})
        differences = [
            difference
            for difference in compare_metadata(context, metadata)
            # The search index is made beside the tables: a virtual one on SQLite, which brings tables of its own.
            if "audit_search" not in repr(difference)
        ]
    assert differences == []


def test_migrating_twice_changes_nothing(any_store: Store) -> None:
    with any_store.write() as unit:
        unit.connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
        unit.commit()
    upgrade(any_store)
    with any_store.read() as unit:
        assert unit.connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [HEAD]


def test_a_store_of_a_newer_gatehouse_is_left_alone(any_store: Store) -> None:
    with any_store.write() as unit:
        unit.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        unit.commit()
    with pytest.raises(Conflict, match="migration 9999"):
        upgrade(any_store)
