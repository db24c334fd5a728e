"""How the two databases are opened.

SQLite: WAL, full sync, explicit BEGIN (SQLAlchemy's default transactions would fork the audit log), a driver without
the WAL-reset bug where there is one, checkpoints only under our own lock where there is none (sqlite.org/wal.html).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from services.errors import InvalidInput, Unreachable
from services.logs import mask_text

try:
    import pysqlite3
except ImportError:
    pysqlite3 = None

SAFE_WAL = (3, 51, 3)
BUSY_TIMEOUT_MS = 30_000
CACHED_STATEMENTS = 512
"""More than there are: a driver that forgets the least used, with the 100 by default, prepares every new one anew."""


def open_engine(url: str) -> Engine:
    """Return an engine for a `sqlite:///` or `postgresql+psycopg://` URL.

    Raises:
        InvalidInput: the URL is malformed or names another database.
        Unreachable: the folder of a SQLite file cannot be made.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidInput(
            "The store URL is not a database URL; it is not shown here, since it may hold a password.",
            next_step="Set GATEHOUSE_STORE_URL to sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME.",
        ) from error
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        _make_folder(Path(parsed.database).parent)
        return _open_sqlite(url)
    if parsed.drivername == "postgresql+psycopg":
        return create_engine(parsed, pool_pre_ping=True, connect_args={"connect_timeout": 5})
    raise InvalidInput(
        f"The store URL {mask_text(parsed.render_as_string())!r} names a database that is not supported.",
        next_step="Set GATEHOUSE_STORE_URL to sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME.",
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unreachable(
            f"The folder {folder} of the governance store cannot be made: {error.strerror}.",
            next_step="Check GATEHOUSE_STORE_URL.",
        ) from error


def sqlite_driver() -> ModuleType:
    """Return the SQLite module with the newer library."""
    if pysqlite3 is not None and pysqlite3.sqlite_version_info > sqlite3.sqlite_version_info:
        driver: ModuleType = pysqlite3
        return driver
    return sqlite3


def _open_sqlite(url: str) -> Engine:
    driver = sqlite_driver()
    engine = create_engine(
        url,
        module=driver,
        connect_args={
            "timeout": BUSY_TIMEOUT_MS / 1000,
            "check_same_thread": False,
            "cached_statements": CACHED_STATEMENTS,
        },
    )
    checkpoint_pages = 1000 if driver.sqlite_version_info >= SAFE_WAL else 0

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
            f"wal_autocheckpoint={checkpoint_pages}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine
