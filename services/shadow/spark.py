"""The Spark engine: the same texts, carried over by sqlglot, for logs that one machine is too small for.

It uses the session that is active, else one on this machine. Times are read as UTC whatever the cluster's zone.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import pyarrow as pa

from services.errors import Unavailable
from services.shadow.engines import FilesUnreadable, Relation
from services.shadow.log_files import FilePlan, Holding, first_line
from services.shadow.relation import column_names, pairs_sql, quote
from services.shadow.sql import distinct_sql

_VIEWS = itertools.count()
_UNREADABLE = (
    *("FAILED_READ_FILE", "CANNOT_READ_FILE_FOOTER", "CANNOT_MERGE_SCHEMAS", "UNABLE_TO_INFER_SCHEMA"),
    # A column of a type that Spark has not, whether it is one of the log's or not.
    *("PARQUET_TYPE_ILLEGAL", "PARQUET_TYPE_NOT_SUPPORTED", "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION"),
)
_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.caseSensitive": "true",
    "spark.sql.ansi.enabled": "false",
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}
_LOCAL = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "8",
    "spark.log.level": "ERROR",
}


class SparkEngine:
    """An engine that runs on Apache Spark.

    Raises:
        Unavailable: the extra `spark` is not installed.
    """

    name = "spark"
    workers = 1
    batch_rows = 50_000_000

    def __init__(self) -> None:
        try:
            import pyspark  # noqa: F401 - is it there?
            import sqlglot  # noqa: F401
        except ImportError as error:
            raise Unavailable(
                "The Spark engine is not installed.", next_step="Install gatehouse[spark] and Java 17, or use duckdb."
            ) from error

    @cached_property
    def _session(self) -> Any:
        from pyspark.sql import SparkSession

        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        try:
            session = SparkSession.getActiveSession() or _local_session()
        except Exception as error:
            raise Unavailable(
                f"Spark does not start: {first_line(error)}", next_step="Install Java 17 or newer, or use duckdb."
            ) from error
        session = session.newSession()
        for name, value in _SETTINGS.items():
            session.conf.set(name, value)
        return session

    @contextmanager
    def open(self, plans: Sequence[FilePlan], slices: Sequence[str], *, is_distinct: bool) -> Iterator[Relation]:
        """Open files as one relation, each identity once if `is_distinct`."""
        relation = _SparkRelation(self._session)
        try:
            union = pairs_sql(plans, slices, source=relation.read_parquet, micros=_micros)
            if is_distinct:
                relation.create_view("all_pairs", union)
                relation.create_view("pairs", distinct_sql("all_pairs", column_names(slices)), is_kept=True)
            else:
                relation.create_view("pairs", union)
            yield relation
        finally:
            relation.close()


class _SparkRelation:
    def __init__(self, session: Any) -> None:
        self._session = session
        self._views: list[str] = []

    def read_parquet(self, plans: Sequence[FilePlan]) -> str:
        """Return the name of a view of files of one schema."""
        paths = [_escaped(str(plan.file.path.absolute())) for plan in plans]
        with _translated():
            return self._name_view(self._session.read.option("recursiveFileLookup", "true").parquet(*paths))

    def create_view(self, name: str, sql: str, *, is_kept: bool = False) -> None:
        """Make a view that `query` reads; its result is kept if it costs much to make."""
        with _translated():
            frame = self._session.sql(_to_spark(sql))
            frame = frame.persist() if is_kept else frame
            frame.createOrReplaceTempView(name)
            self._views.append(name)

    def query(self, sql: str) -> pa.Table:
        with _translated():
            return self._session.sql(_to_spark(sql)).toArrow()

    def may_repeat(self, rows: int) -> bool:
        # The exact count is one shuffle here; a cheaper test would be another.
        return rows > 1

    def close(self) -> None:
        """Drop every view."""
        for name in self._views:
            if name == "pairs":
                self._session.table(name).unpersist()
            self._session.catalog.dropTempView(name)

    def _name_view(self, frame: Any) -> str:
        name = f"files_{next(_VIEWS)}"
        frame.createOrReplaceTempView(name)
        self._views.append(name)
        return quote(name)


def _local_session() -> Any:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").appName("gatehouse")
    for name, value in {**_LOCAL, **_SETTINGS}.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


@contextmanager
def _translated() -> Iterator[None]:
    from py4j.protocol import Py4JError  # type: ignore[import-untyped]
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        # What Java threw while a result was fetched comes as its text.
        lines = [line.strip() for line in str(error).splitlines()]
        told = next((line for line in lines if any(sign in line for sign in _UNREADABLE)), None)
        if told is not None:
            raise FilesUnreadable(told[told.index("[") :][:300] if "[" in told else told[:300]) from error
        raise Unavailable(
            f"Spark could not compare the shadow log: {first_line(error)}",
            next_step="Look into Spark's own log, or use duckdb.",
        ) from error


def _to_spark(sql: str) -> str:
    import sqlglot

    return sqlglot.transpile(sql, read="duckdb", write="spark")[0]


def _micros(column: str, held: Holding) -> str:
    if held is Holding.NANOSECONDS:
        return f"{column} // 1000"
    # The type that sqlglot turns into Spark's moment in time.
    return f"UNIX_MICROS(CAST({column} AS TIMESTAMPTZ))"


def _escaped(path: str) -> str:
    """Return a path that Hadoop's globs read literally."""
    return "".join(f"\\{character}" if character in "*?[]{}\\" else character for character in path)
