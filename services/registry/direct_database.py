"""MLflow's own database, opened read-only: its tables as of 3.17, one short statement at a time, and a change counter.

MLflow's SQLite keeps a rollback journal, so that a long read would hold up its writers: nothing here stays open.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import Engine, Row, Select, Text, cast, column, create_engine, func, make_url, select, table
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.sql.expression import TableClause

from services.errors import InvalidInput, Unreachable

TIMEOUT_S = 5
# Below the 32,766 variables of an SQLite statement, and few enough that a statement stays short.
VALUES_AT_ONCE = 1000
NEXT_STEP = "Check GATEHOUSE_REGISTRY_DATABASE_URL, and that it is the database of an MLflow 3.17 server."


def _table(name: str, columns: str) -> TableClause:
    return table(name, *map(column, columns.split()))


MODELS = _table("registered_models", "workspace name creation_time last_updated_time description")
MODEL_TAGS = _table("registered_model_tags", "workspace name key value")
ALIASES = _table("registered_model_aliases", "workspace name alias version")
VERSIONS = _table(
    "model_versions",
    "workspace name version creation_time last_updated_time current_stage status user_id description source run_id "
    "storage_location",
)
VERSION_TAGS = _table("model_version_tags", "workspace name version key value")
RUNS = _table("runs", "run_uuid name user_id status start_time end_time experiment_id")
RUN_METRICS = _table("latest_metrics", "run_uuid key value is_nan")
RUN_PARAMS = _table("params", "run_uuid key value")
RUN_TAGS = _table("tags", "run_uuid key value")
INPUTS = _table("inputs", "input_uuid source_type source_id destination_type destination_id")
INPUT_TAGS = _table("input_tags", "input_uuid name value")
DATASETS = _table("datasets", "dataset_uuid name digest dataset_source_type dataset_source")
LOGGED_MODELS = _table(
    "logged_models", "model_id name status experiment_id source_run_id creation_timestamp_ms lifecycle_stage"
)
LOGGED_METRICS = _table(
    "logged_model_metrics", "model_id metric_name metric_value metric_step metric_timestamp_ms run_id"
)
LOGGED_PARAMS = _table("logged_model_params", "model_id param_key param_value")
LOGGED_TAGS = _table("logged_model_tags", "model_id tag_key tag_value")
SCHEMA = _table("alembic_version", "version_num")

Item = TypeVar("Item")


class Database:
    """MLflow's database. Safe to share between threads."""

    def __init__(self, engine: Engine, *, sqlite_path: Path | None) -> None:
        self._engine = engine
        self._sqlite_path = sqlite_path
        self._watcher: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        """Run one query to its end.

        Raises:
            Unreachable: the database does not answer, or is not MLflow's.
        """
        with _translated(), self._engine.connect() as connection:
            return connection.execute(query).all()

    def find_data_version(self) -> str:
        """Return a text that changes after any write by others; it means something only beside earlier ones from here.

        SQLite: `PRAGMA data_version`, 9 µs. PostgreSQL: the snapshot's transactions (functions-info, snapshot), which
        change with any write to the cluster.
        """
        if self._sqlite_path is None:
            return str(self.rows(select(cast(func.pg_current_snapshot(), Text).label("snapshot")))[0].snapshot)
        with self._lock:
            try:
                self._watcher = self._watcher or _open_read_only(self._sqlite_path)
                return str(self._watcher.execute("PRAGMA data_version").fetchone()[0])
            except sqlite3.Error as error:
                raise _unreachable(str(error)) from error

    def close(self) -> None:
        """Give back the connections."""
        with self._lock:
            if self._watcher is not None:
                self._watcher.close()
                self._watcher = None
        self._engine.dispose()


def open_database(url: str) -> Database:
    """Open MLflow's database at `url`, such as `sqlite:////srv/mlflow.db` or `postgresql+psycopg://…`; nothing is read.

    Raises:
        InvalidInput: the URL names no SQLite file and no PostgreSQL database.
    """
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        if backend == "sqlite" and parsed.database:
            path = Path(parsed.database)
            engine = create_engine("sqlite://", creator=lambda: _open_read_only(path))
            return Database(engine, sqlite_path=path)
        if backend == "postgresql":
            options = {"connect_timeout": TIMEOUT_S, "options": f"-c statement_timeout={TIMEOUT_S * 1000}"}
            engine = create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                connect_args=options,
                pool_pre_ping=True,
                execution_options={"postgresql_readonly": True},
            )
            return Database(engine, sqlite_path=None)
    except (ArgumentError, NoSuchModuleError):
        pass
    raise InvalidInput(
        "GATEHOUSE_REGISTRY_DATABASE_URL names no SQLite file and no PostgreSQL database.", next_step=NEXT_STEP
    )


def batches(values: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Yield `values` in pieces that one statement can name."""
    for start in range(0, len(values), VALUES_AT_ONCE):
        yield values[start : start + VALUES_AT_ONCE]


def _open_read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=TIMEOUT_S, check_same_thread=False)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise _unreachable(str(error.orig)) from error


def _unreachable(reason: str) -> Unreachable:
    first_line = (reason.splitlines() or ["no reason given"])[0]
    return Unreachable(f"MLflow's database does not answer ({first_line}).", next_step=NEXT_STEP)
