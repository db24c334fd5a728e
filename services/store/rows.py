"""Reading and writing rows: what every table's queries do alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, Table, insert

from services.store.unit_of_work import UnitOfWork


def add_row(unit: UnitOfWork, table: Table, values: Mapping[str, Any]) -> int:
    """Insert a row and return the id that the store gave it."""
    key = unit.connection.execute(insert(table).values(**values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def find_row(unit: UnitOfWork, query: Select[Any]) -> Mapping[str, Any] | None:
    """Return the first row of a query, or None."""
    row = unit.connection.execute(query).mappings().first()
    return None if row is None else dict(row)


def list_rows(unit: UnitOfWork, query: Select[Any]) -> Sequence[Mapping[str, Any]]:
    """Return the rows of a query."""
    return [dict(row) for row in unit.connection.execute(query).mappings()]
