"""The unit of work: nothing commits by accident, and one writer at a time sees the head of the log.

Entering opens a transaction, leaving rolls back, `commit()` is a visible line in the action.
"""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, DataError, OperationalError

from services.errors import Damaged, InvalidInput, Unreachable
from services.store.engine import SAFE_WAL, open_engine, sqlite_driver

NUMBER_OUT_OF_RANGE = "22003"
"""PostgreSQL's code (appendix A of its manual) for a number that no column of the type holds."""


class UnitOfWork:
    """One transaction. The modules of this folder read and write through its connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.dialect = connection.dialect.name
        """`sqlite` or `postgresql`."""
        self.is_committed = False
        self._cursor: Any = None

    def get_cursor(self) -> Any:
        """Return a cursor of the driver in this transaction, for statements that take less time than SQLAlchemy."""
        if self._cursor is None:
            if not self.connection.in_transaction():
                self.connection.begin()
            self._cursor = self.connection.connection.cursor()
        return self._cursor

    def commit(self) -> None:
        """Make everything written through this unit durable."""
        if self.dialect == "sqlite":
            self.connection.exec_driver_sql("COMMIT")
        self.connection.commit()
        self.is_committed = True
        self._cursor = None


class Store:
    """A governance store that can be read and written, one unit of work at a time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        database = engine.url.database if engine.dialect.name == "sqlite" else None
        self._lock_path = Path(f"{database}.lock") if database else None
        self._writing = threading.local()

    @property
    def is_embedded(self) -> bool:
        """Whether the store is a file of this machine rather than a database that others reach."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[UnitOfWork]:
        """Open a snapshot to read from.

        Raises:
            Unreachable: the database does not answer.
        """
        with self._translated(), self.engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            else:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            try:
                yield UnitOfWork(connection)
            finally:
                if connection.dialect.name == "sqlite":
                    _roll_back(connection)

    @contextmanager
    def write(self) -> Iterator[UnitOfWork]:
        """Open a transaction to write in; writers queue up here rather than fail on one another.

        Raises:
            Unreachable: the database does not answer, is locked for too long, or is full.
        """
        with self._translated(), self._queue(), self.engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            unit = UnitOfWork(connection)
            try:
                yield unit
            finally:
                if connection.dialect.name == "sqlite":
                    if not unit.is_committed:
                        _roll_back(connection)
                    elif sqlite_driver().sqlite_version_info < SAFE_WAL:
                        connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")

    @contextmanager
    def maintain(self, *, exclusive: bool = True) -> Iterator[Connection]:
        """Open a connection outside any transaction, for upkeep.

        Args:
            exclusive: let no unit of work write to a SQLite store meanwhile.

        Raises:
            Unreachable: the database does not answer, or is full.
        """
        with self._translated(), self._queue() if exclusive else nullcontext(), self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="AUTOCOMMIT")
            yield connection

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()

    @contextmanager
    def _queue(self) -> Iterator[None]:
        # SQLite's busy handler polls: eight writers then wait 3.6 s at p99, a file lock makes it 64 ms.
        if getattr(self._writing, "now", False):
            raise RuntimeError("a unit of work that writes is already open in this thread")
        self._writing.now = True
        try:
            if self._lock_path is None:
                yield
                return
            with self._lock_path.open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        finally:
            self._writing.now = False

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OverflowError, DataError) as error:
            # SQLite's driver refuses such a number itself, PostgreSQL answers with a code of its own.
            refusal = getattr(error, "orig", error)
            if "SQLite INTEGER" not in str(refusal) and getattr(refusal, "sqlstate", None) != NUMBER_OUT_OF_RANGE:
                raise
            raise InvalidInput(
                "A number is larger than any that is kept here.",
                next_step="Check the number: nothing goes by such a one.",
            ) from error
        except DatabaseError as error:
            # The bare class is how SQLite reports a corrupt file; its other subclasses are our own mistakes.
            if type(error) not in (OperationalError, DatabaseError):
                raise
            if type(error) is DatabaseError:
                raise Damaged(
                    f"The file of the governance store is damaged ({_first_line(error)}).",
                    next_step="Restore it with `gatehouse backup restore FILE`; the damaged file is kept beside it.",
                ) from error
            raise Unreachable(
                f"The governance store does not answer ({_first_line(error)}).",
                next_step="Check GATEHOUSE_STORE_URL and that the database is running and has space; "
                "`gatehouse doctor` tests it.",
            ) from error


def open_store(url: str) -> Store:
    """Open the store at `url`; `services.store.migrations.upgrade` brings its tables up to date.

    Raises:
        InvalidInput: the URL is not one of a supported database.
    """
    return Store(open_engine(url))


def _roll_back(connection: Connection) -> None:
    # After some errors, a full disk among them, SQLite has rolled back by itself (sqlite.org/lang_transaction.html).
    if getattr(connection.connection.driver_connection, "in_transaction", True):
        connection.exec_driver_sql("ROLLBACK")


def _first_line(error: DatabaseError) -> str:
    return str(error.orig).splitlines()[0] if str(error.orig) else type(error.orig).__name__
