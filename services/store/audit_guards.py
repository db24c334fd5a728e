"""What CREATE TABLE cannot say about the audit log: the empty head, the search index, and who may change what.

An event, a node or a checkpoint is never changed or removed, and only the next event is taken. SQLite needs a trigger
on INSERT as well: `INSERT OR REPLACE` removes the row in its way without firing a trigger on DELETE
(sqlite.org/lang_conflict.html). On PostgreSQL whoever owns the tables can drop triggers, so `grant_writer` lets the
application run as a role that does not own them.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table

from services.store.metadata import metadata
from services.store.unit_of_work import UnitOfWork

# The root of the empty tree is SHA-256 of nothing (RFC 6962, section 2.1).
_SQLITE_HEAD = """INSERT INTO audit_head (id, size, root, frontier) VALUES
    (1, 0, x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', x'')"""
_POSTGRES_HEAD = r"""INSERT INTO audit_head (id, size, root, frontier) VALUES
    (1, 0, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', '')"""
# The words arrive split, so the tokenizer only has to part them at spaces.
_SQLITE_SEARCH = """CREATE VIRTUAL TABLE audit_search
    USING fts5(words, content='', columnsize=0, detail=none, tokenize='ascii')"""
# A view of the index, which keeps nothing of its own: the words there are, in order.
_SQLITE_VOCABULARY = "CREATE VIRTUAL TABLE audit_search_vocabulary USING fts5vocab(audit_search, instance)"


def _sqlite_trigger(table: str, moment: str, condition: str = "1") -> str:
    return f"""CREATE TRIGGER {table}_{moment.lower()} BEFORE {moment} ON {table} WHEN {condition}
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"""


def _sqlite_append_only(table: str, taken: str) -> tuple[str, ...]:
    return (
        _sqlite_trigger(table, "INSERT", taken),
        _sqlite_trigger(table, "UPDATE"),
        _sqlite_trigger(table, "DELETE"),
    )


def _postgres_trigger(table: str, moments: str, function: str, scope: str) -> str:
    name = f"{table}_{moments.partition(' ')[0].lower()}"
    return f"CREATE TRIGGER {name} BEFORE {moments} ON {table} FOR EACH {scope} EXECUTE FUNCTION {function}()"


def _postgres_refusal(table: str, moments: str = "UPDATE OR DELETE OR TRUNCATE") -> str:
    return _postgres_trigger(table, moments, "audit_refuse", "STATEMENT")


_POSTGRES_FUNCTIONS = (
    """CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$""",
    """CREATE OR REPLACE FUNCTION audit_take_next() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.seq IS DISTINCT FROM (SELECT size FROM audit_head WHERE id = 1) THEN
        RAISE EXCEPTION 'the audit log takes only the next event';
      END IF;
      RETURN NEW;
    END $$""",
    """CREATE OR REPLACE FUNCTION audit_move_head() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.size IS DISTINCT FROM OLD.size + 1 THEN
        RAISE EXCEPTION 'the head of the audit log moves one event at a time';
      END IF;
      RETURN NEW;
    END $$""",
)

GUARDS: dict[str, dict[str, tuple[str, ...]]] = {
    "sqlite": {
        "audit_head": (
            _SQLITE_HEAD,
            _sqlite_trigger("audit_head", "INSERT"),
            _sqlite_trigger("audit_head", "UPDATE", "NEW.id IS NOT OLD.id OR NEW.size IS NOT OLD.size + 1"),
            _sqlite_trigger("audit_head", "DELETE"),
        ),
        "audit_event": (
            *_sqlite_append_only(
                "audit_event",
                "NEW.seq IS NOT (SELECT size FROM audit_head WHERE id = 1)"
                " OR EXISTS (SELECT 1 FROM audit_event WHERE event_id = NEW.event_id)",
            ),
            _SQLITE_SEARCH,
            _SQLITE_VOCABULARY,
        ),
        "audit_node": _sqlite_append_only(
            "audit_node", "EXISTS (SELECT 1 FROM audit_node WHERE level = NEW.level AND idx = NEW.idx)"
        ),
        "audit_checkpoint": _sqlite_append_only(
            "audit_checkpoint", "EXISTS (SELECT 1 FROM audit_checkpoint WHERE size = NEW.size)"
        ),
        "audit_disclosure": (
            _sqlite_trigger(
                "audit_disclosure",
                "INSERT",
                "EXISTS (SELECT 1 FROM audit_disclosure WHERE seq = NEW.seq AND name = NEW.name)",
            ),
            _sqlite_trigger("audit_disclosure", "UPDATE"),
        ),
    },
    "postgresql": {
        "audit_head": (
            *_POSTGRES_FUNCTIONS,
            _POSTGRES_HEAD,
            _postgres_trigger("audit_head", "UPDATE", "audit_move_head", "ROW"),
            _postgres_refusal("audit_head", "DELETE OR TRUNCATE"),
        ),
        "audit_event": (
            *_POSTGRES_FUNCTIONS,
            _postgres_trigger("audit_event", "INSERT", "audit_take_next", "ROW"),
            _postgres_refusal("audit_event"),
            "CREATE TABLE audit_search (seq BIGINT PRIMARY KEY, words tsvector NOT NULL)",
            "CREATE INDEX ix_audit_search_words ON audit_search USING gin (words)",
        ),
        "audit_node": (*_POSTGRES_FUNCTIONS, _postgres_refusal("audit_node")),
        "audit_checkpoint": (*_POSTGRES_FUNCTIONS, _postgres_refusal("audit_checkpoint")),
        "audit_disclosure": (*_POSTGRES_FUNCTIONS, _postgres_refusal("audit_disclosure", "UPDATE OR TRUNCATE")),
    },
}
"""Statements to run once a table is made, by dialect and table; a migration that makes the table runs them too."""

_WRITER_RIGHTS = {
    "audit_event": "SELECT, INSERT",
    "audit_search": "SELECT, INSERT",
    "audit_node": "SELECT, INSERT",
    "audit_checkpoint": "SELECT, INSERT",
    "audit_span": "SELECT, INSERT",
    "audit_head": "SELECT, UPDATE",
    "audit_disclosure": "SELECT, INSERT, DELETE",
}


def install_guards(table: Table, connection: Connection, **_keywords: Any) -> None:
    """Run the statements that belong to a table just created."""
    for statement in GUARDS[connection.dialect.name].get(table.name, ()):
        connection.exec_driver_sql(statement)


def grant_writer(unit: UnitOfWork, role: str) -> None:
    """Let a PostgreSQL role that owns nothing run the application: the log it may only read and add to.

    Run once by the owner of the tables, after every migration; the application then connects as `role`.
    """
    quoted = unit.connection.dialect.identifier_preparer.quote_identifier(role)
    names = sorted({table.name for table in metadata.sorted_tables} | _WRITER_RIGHTS.keys())
    for name in names:
        unit.connection.exec_driver_sql(f"REVOKE ALL ON {name} FROM {quoted}")
        rights = _WRITER_RIGHTS.get(name, "SELECT, INSERT, UPDATE, DELETE")
        unit.connection.exec_driver_sql(f"GRANT {rights} ON {name} TO {quoted}")
    unit.connection.exec_driver_sql(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {quoted}")
