"""Records what creating every table runs, as the first migration has it: `python tests/store/record_schema.py`.

Needs PostgreSQL. Once a release has migrated stores, the recorded files never change again: changes are migrations.
"""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event

from services.store import Store, open_store
from services.store.tables import metadata
from tests.servers import postgres_server

VERSIONS = Path(__file__).parents[2] / "services" / "store" / "migrations" / "versions"
SEPARATOR: str = importlib.import_module("services.store.migrations.versions.0001_initial").SEPARATOR
_ASKING = ("SELECT", "PRAGMA", "BEGIN", "COMMIT", "ROLLBACK", "SHOW")


def record(store: Store) -> list[str]:
    """Return the statements that creating every table runs."""
    statements: list[str] = []

    @event.listens_for(store.engine, "before_cursor_execute")
    def keep(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.lstrip().upper().startswith(_ASKING):
            statements.append("\n".join(line.rstrip() for line in statement.strip().splitlines()))

    with store.write() as unit:
        metadata.create_all(unit.connection)
        unit.commit()
    return statements


def main() -> None:
    """Record both databases."""
    with tempfile.TemporaryDirectory() as folder, postgres_server(Path(folder)) as url:
        create_engine(url).dispose()
        for each in (f"sqlite:///{folder}/store.db", url):
            store = open_store(each)
            text = SEPARATOR.join(record(store))
            (VERSIONS / f"0001_initial.{store.engine.dialect.name}.sql").write_text(f"{text}\n", encoding="utf-8")
            store.close()


if __name__ == "__main__":
    main()
