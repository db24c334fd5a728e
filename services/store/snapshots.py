"""Snapshots of a whole store: taken while others write, read without a server, and put back.

SQLite: `VACUUM INTO` reads one consistent state while writers go on, and the backup interface puts a file back page by
page inside one transaction (sqlite.org/backup.html); copying the file would not. PostgreSQL: pg_dump and pg_restore.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import URL, inspect

from services.errors import Damaged, Unavailable, Unreachable, Unverified
from services.store.engine import sqlite_driver
from services.store.tables import metadata
from services.store.unit_of_work import Store

_PROGRAMS = Path("/usr/lib/postgresql")
_COPY_END = b"\\.\n"
_SET_ASIDE = "Move the file away, and restore again."


def take_snapshot(store: Store, path: Path) -> None:
    """Write one consistent state of the store to a file that is not there yet.

    Raises:
        Unreachable: the database does not answer, or the file cannot be written.
        Unavailable: PostgreSQL's programs are not installed.
    """
    if store.engine.dialect.name == "sqlite":
        with store.maintain(exclusive=False) as connection:
            connection.exec_driver_sql("VACUUM INTO ?", (str(path),))
    else:
        _run_program("pg_dump", store.engine.url, "--format=custom", "--no-owner", f"--file={path}")


def restore_snapshot(store: Store, path: Path) -> None:
    """Put the state of a snapshot in place of everything in the store; a damaged SQLite file is kept beside it.

    Raises:
        Unreachable: the database does not answer or has no space.
        Unavailable: PostgreSQL's programs are not installed.
    """
    if store.engine.dialect.name == "sqlite":
        _restore_sqlite(store, path)
    else:
        options = ("--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error")
        store.close()
        _run_program("pg_restore", store.engine.url, *options, str(path))
        _drop_younger(store, path)


def list_snapshot_leaves(dialect: str, path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (number, leaf) of every event in a snapshot, in no particular order, without a server.

    Raises:
        Unverified: the snapshot is damaged.
        Unavailable: PostgreSQL's programs are not installed.
    """
    if dialect == "sqlite":
        yield from _list_sqlite_rows(path, "SELECT seq, leaf FROM audit_event")
    else:
        for row in _list_dumped_rows(path, "audit_event"):
            yield int(row["seq"]), bytes.fromhex(row["leaf"].removeprefix(rb"\\x").decode())


def find_snapshot_migration(dialect: str, path: Path) -> str | None:
    """Return which migration a snapshot is at; raises as `list_snapshot_leaves`."""
    if dialect == "sqlite":
        return next((row[0] for row in _list_sqlite_rows(path, "SELECT version_num FROM alembic_version")), None)
    return next((row["version_num"].decode() for row in _list_dumped_rows(path, "alembic_version")), None)


def _drop_younger(store: Store, path: Path) -> None:
    """Drop the tables of ours that came after a dump, which pg_restore knows nothing of: migrations make them again."""
    with store.maintain() as connection:
        for name in (metadata.tables.keys() & set(inspect(connection).get_table_names())) - _list_dumped_tables(path):
            connection.exec_driver_sql(f'DROP TABLE "{name}" CASCADE')


def _restore_sqlite(store: Store, path: Path) -> None:
    try:
        _copy_pages(store, path)
    except Damaged:
        _set_aside(store)
        _copy_pages(store, path)


def _copy_pages(store: Store, path: Path) -> None:
    driver = sqlite_driver()
    with store.maintain() as connection, closing(driver.connect(path)) as source:
        try:
            source.backup(connection.connection.driver_connection)
        except driver.OperationalError as error:
            raise Unreachable(
                f"The governance store cannot take the backup ({error}), and is as it was.",
                next_step="Check that its folder has space and may be written.",
            ) from error
        except driver.DatabaseError as error:
            raise Damaged(f"The file of the governance store is damaged ({error}).", next_step=_SET_ASIDE) from error


def _set_aside(store: Store) -> None:
    """Move a database file out of the way that SQLite cannot open, so that nothing of it is lost."""
    store.close()
    database = Path(str(store.engine.url.database))
    kept = next(path for count in range(1, 1000) if not (path := Path(f"{database}.damaged-{count}")).exists())
    database.replace(kept)
    for suffix in ("-wal", "-shm"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)


def _list_sqlite_rows(path: Path, query: str) -> Iterator[tuple[Any, ...]]:
    driver = sqlite_driver()
    try:
        with closing(driver.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if found != "ok":
                raise _damaged(found)
            yield from connection.execute(query)
    except driver.DatabaseError as error:
        raise _damaged(str(error)) from error


def _list_dumped_rows(path: Path, table: str) -> Iterator[dict[str, bytes]]:
    """Read the rows of a table as pg_restore prints them: COPY in text format, bytes as hexadecimal."""
    columns: list[str] = []
    for line in _print_dump(path, "--data-only", f"--table={table}", "--file=-"):
        if line.startswith(b"COPY "):
            columns = line[line.index(b"(") + 1 : line.index(b")")].decode().split(", ")
        elif line == _COPY_END:
            columns = []
        elif columns:
            yield dict(zip(columns, line.rstrip(b"\n").split(b"\t"), strict=True))


def _list_dumped_tables(path: Path) -> set[str]:
    """Return the tables in a dump, from its list: `216; 1259 16386 TABLE public NAME OWNER`."""
    words = (line.decode().split() for line in _print_dump(path, "--list"))
    return {each[5] for each in words if each[3:4] == ["TABLE"]}


def _print_dump(path: Path, *options: str) -> Iterator[bytes]:
    command = [_find_program("pg_restore"), *options, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        yield from program.stdout
        complaint = program.stderr.read().decode(errors="replace")
    if program.returncode != 0:
        raise _damaged(complaint.strip().partition("\n")[0])


def _run_program(name: str, url: URL, *arguments: str) -> None:
    address = url.set(drivername="postgresql", password=None).render_as_string()
    environ = {**os.environ, "PGPASSWORD": url.password or "", "PGCONNECT_TIMEOUT": "5"}
    command: Sequence[str] = [_find_program(name), f"--dbname={address}", "--no-password", *arguments]
    finished = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        complaint = next((line for line in finished.stderr.splitlines() if line.strip()), "without saying why")
        raise Unreachable(
            f"{name} failed: {complaint}.",
            next_step="Check GATEHOUSE_STORE_URL, that the database answers, and that its user owns the tables.",
        )


def _find_program(name: str) -> str:
    """Return the newest of PostgreSQL's programs: an older one refuses a newer server."""
    versions = sorted(_PROGRAMS.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    found = str(versions[-1]) if versions else shutil.which(name)
    if found is None:
        raise Unavailable(
            f"{name} is not installed, and a PostgreSQL store is backed up with it.",
            next_step="Install the PostgreSQL client programs of the server's version.",
        )
    return found


def _damaged(why: str) -> Unverified:
    return Unverified(f"The snapshot of the store is damaged: {why}.", next_step="Use another backup.")
