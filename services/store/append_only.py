"""Tables whose rows never change: the database itself refuses to update or delete them."""

from __future__ import annotations

from sqlalchemy import DDL, Table, event


def refuse_changes(table: Table) -> None:
    """Attach triggers to `table` that abort every update and delete."""
    for verb in ("UPDATE", "DELETE"):
        for dialect, statement in _statements(table.name, verb):
            # DDL formats its text with %, as Python did before.
            ddl = DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]
            event.listen(table, "after_create", ddl.execute_if(dialect=dialect))


def _statements(table: str, verb: str) -> list[tuple[str, str]]:
    name = f"{table}_no_{verb.lower()}"
    refusal = f"rows of {table} never change"
    raise_it = f"BEGIN RAISE EXCEPTION '{refusal}'; END"
    return [
        ("sqlite", f"CREATE TRIGGER {name} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{refusal}'); END"),
        ("postgresql", f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${raise_it}$$"),
        ("postgresql", f"CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"),
    ]
