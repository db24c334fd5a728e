"""What the database itself refuses: to change or remove what is in the log, and to take any but the next event."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DatabaseError

from services.audit import AuditLog, Personal
from services.audit.verification import verify_log
from services.store import Store, open_store
from services.store.audit_guards import grant_writer
from tests.audit.builders import fill, open_log, record

FORBIDDEN = (
    "UPDATE audit_event SET actor = 'mallory' WHERE seq = 1",
    "DELETE FROM audit_event WHERE seq = 299",
    "DELETE FROM audit_event",
    "UPDATE audit_node SET level = 16",
    "DELETE FROM audit_node",
    "UPDATE audit_checkpoint SET note = ''",
    "DELETE FROM audit_checkpoint",
    "UPDATE audit_disclosure SET value = 'x'",
    "DELETE FROM audit_head",
    "UPDATE audit_head SET size = size - 1",
    "UPDATE audit_head SET size = size + 2",
    "UPDATE audit_head SET root = frontier",
)
COLUMNS = "event_id, ts_us, actor, action, subject, model, change_id, leaf, leaf_hash"
REPLACEMENTS = (
    f"INSERT OR REPLACE INTO audit_event SELECT 5, {COLUMNS} FROM audit_event WHERE seq = 6",
    f"INSERT OR REPLACE INTO audit_event SELECT 300, {COLUMNS} FROM audit_event WHERE seq = 6",
    f"INSERT INTO audit_event SELECT 301, 'x' || {COLUMNS} FROM audit_event WHERE seq = 6",
    "INSERT OR REPLACE INTO audit_node SELECT * FROM audit_node",
    "INSERT OR REPLACE INTO audit_checkpoint SELECT size, '' FROM audit_checkpoint",
    "INSERT OR REPLACE INTO audit_disclosure SELECT seq, name, salt, 'x' FROM audit_disclosure",
    "INSERT OR REPLACE INTO audit_head SELECT 1, 5, root, frontier FROM audit_head",
)


@pytest.fixture
def audit(any_store: Store, tmp_path: Path) -> AuditLog:
    log = open_log(any_store, tmp_path / "home")
    fill(log, 299)
    record(log, after={"email": Personal("ada@example.org")})
    log.checkpoints.write()
    return log


def test_the_database_refuses_to_change_the_log(audit: AuditLog) -> None:
    for statement in FORBIDDEN:
        with pytest.raises(DatabaseError, match="audit log"), audit.store.engine.connect() as connection:
            connection.execute(text(statement))
    assert verify_log(audit).is_verified


@pytest.mark.parametrize("statement", REPLACEMENTS)
def test_sqlite_refuses_to_replace_what_is_in_the_log(store: Store, tmp_path: Path, statement: str) -> None:
    log = open_log(store, tmp_path / "home")
    fill(log, 299)
    record(log, after={"email": Personal("ada@example.org")})
    log.checkpoints.write()
    with pytest.raises(DatabaseError, match="append-only"), store.engine.connect() as connection:
        connection.execute(text(statement))
    assert verify_log(log).is_verified


def test_postgresql_refuses_to_empty_the_log(postgres_store: Store) -> None:
    for table in ("audit_event", "audit_node", "audit_checkpoint", "audit_disclosure", "audit_head"):
        with pytest.raises(DatabaseError, match="audit log"), postgres_store.engine.connect() as connection:
            connection.execute(text(f"TRUNCATE {table}"))


def test_postgresql_refuses_any_but_the_next_event(postgres_store: Store, tmp_path: Path) -> None:
    record(open_log(postgres_store, tmp_path / "home"))
    with pytest.raises(DatabaseError, match="only the next event"), postgres_store.engine.connect() as connection:
        connection.execute(
            text(
                "INSERT INTO audit_event (seq, event_id, ts_us, actor, action, subject, leaf, leaf_hash) "
                "SELECT 0, 'x', ts_us, actor, action, subject, leaf, leaf_hash FROM audit_event"
            )
        )


def test_a_role_that_owns_nothing_can_record_and_can_not_disable_the_guards(
    postgres_store: Store, postgres_url: str, tmp_path: Path
) -> None:
    with postgres_store.write() as unit:
        unit.connection.execute(text('CREATE ROLE "gatehouse-writer" LOGIN'))
        grant_writer(unit, "gatehouse-writer")
        unit.commit()
    writer = open_store(postgres_url.replace("postgres@", "gatehouse-writer@"))
    try:
        log = open_log(writer, tmp_path / "home")
        fill(log, 300)
        log.checkpoints.write()
        assert verify_log(log).is_verified
        for statement in (
            "ALTER TABLE audit_event DISABLE TRIGGER ALL",
            "DROP TRIGGER audit_event_update ON audit_event",
            "TRUNCATE audit_event",
            "UPDATE audit_event SET actor = 'mallory'",
            "DELETE FROM audit_checkpoint",
            "DROP TABLE audit_search",
        ):
            with pytest.raises(DatabaseError, match=r"permission denied|must be owner"), writer.engine.connect() as one:
                one.execute(text(statement))
    finally:
        writer.close()
        engine = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text('DROP OWNED BY "gatehouse-writer"'))
            connection.execute(text('DROP ROLE "gatehouse-writer"'))
        engine.dispose()
