"""The governance store: tables, unit of work and migrations, on SQLite and PostgreSQL.

SQL lives in this folder only: one module an area holds its tables and the queries over them.
"""

from services.store.unit_of_work import Store, UnitOfWork, open_store

__all__ = ["Store", "UnitOfWork", "open_store"]
