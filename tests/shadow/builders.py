"""Paired logs for tests, and what their figures have to be, computed from the rows themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import settings

from services.shadow.engines import DuckDbEngine
from services.shadow.figures import Figures
from services.shadow.measuring import measure
from services.shadow.reading import Coverage, LogState, read_log
from services.shadow.schema import LOG_SCHEMA
from services.shadow.states import LAYOUTS, ShadowState, shape

# A database answers in its own time.
LAW = settings(deadline=None, max_examples=50)

NAN, INF = float("nan"), float("inf")
DUCKDB = DuckDbEngine()

# What a text may be that somebody else wrote.
HOSTILE_TEXTS = [
    "",
    " ",
    "ü",
    "u\u0308",
    "日本",
    "\u202eevil",
    "a'b\"c\\d",
    "=1+1",
    "x" * 500,
    "null",
    "\t\n",
    "\U0001f600",
]


def pairs(rows: int = 200, *, day: str = "2026-03-01", seed: int = 1, **columns: Any) -> pa.Table:
    """Return a day's pairs of a binary classifier and a slightly different one, with some columns as given."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-1, 1.5, rows)
    champion = 1 / (1 + np.exp(-logit))
    candidate = 1 / (1 + np.exp(-(logit + rng.normal(0.05, 0.3, rows))))
    start = np.datetime64(day, "us")
    table: dict[str, Any] = {
        "request_id": [f"{day}-{seed}-{row}" for row in range(rows)],
        "ts": pa.array(start + np.sort(rng.integers(0, 86_400_000_000, rows)).astype("timedelta64[us]")).cast(
            pa.timestamp("us", "UTC")
        ),
        "champion_version": pa.array([3] * rows, pa.int64()),
        "candidate_version": pa.array([4] * rows, pa.int64()),
        "champion_score": champion,
        "candidate_score": candidate,
        "champion_decision": np.where(champion >= 0.5, "block", "allow").astype(object),
        "candidate_decision": np.where(candidate >= 0.5, "block", "allow").astype(object),
        "champion_latency_ms": rng.lognormal(2, 0.5, rows).astype(np.float32),
        "candidate_latency_ms": rng.lognormal(2.1, 0.5, rows).astype(np.float32),
        "champion_error": pa.nulls(rows, pa.string()),
        "candidate_error": pa.nulls(rows, pa.string()),
        "label": np.where(rng.random(rows) < champion, "block", "allow").astype(object),
        "slice_country": rng.choice(["DE", "FR", "US"], rows).astype(object),
    }
    return changed(pa.table(table), **columns)


def changed(table: pa.Table, **columns: Any) -> pa.Table:
    """Return pairs with some columns as given."""
    return pa.table({**{name: table.column(name) for name in table.column_names}, **columns})


def without(table: pa.Table, *names: str) -> pa.Table:
    return table.drop_columns(list(names))


def write(log: Path, table: pa.Table, *, day: str = "2026-03-01", part: str = "0", **options: Any) -> Path:
    """Write a file of a log, just as it is given."""
    path = log / f"dt={day}" / f"part-{part}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, **options)
    return path


def write_days(log: Path, days: int = 4, rows: int = 400, **columns: Any) -> Path:
    for number in range(days):
        day = f"2026-03-{number + 1:02}"
        write(log, pairs(rows, day=day, seed=number, **columns), day=day)
    return log


def read(log: Path, home: Path | None = None) -> LogState:
    """Read a log with DuckDB."""
    return read_log(log, engine=DUCKDB, home=home or log.parent / "home")


def figures(log: Path, **selection: Any) -> Figures:
    return measure(read(log), **selection)


def figures_of(tmp_path: Path, table: pa.Table) -> Figures:
    """Return the figures of a log of one file."""
    log = tmp_path / "log"
    write(log, table)
    return figures(log)


def plain(figures: Figures, **changes: Any) -> Figures:
    """Return figures with some changed, for the judge."""
    return replace(figures, **changes)


def frame(*tables: pa.Table) -> pd.DataFrame:
    """Return pairs as a frame in which only float NaN is NaN."""
    found: pd.DataFrame = pa.concat_tables(tables, promote_options="default").to_pandas()
    return found


def valid_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that are valid in a log whose predictions are scores and decisions."""
    is_valid = pd.Series(True, index=table.index)
    for side in ("champion", "candidate"):
        is_valid &= table[f"{side}_error"].isna() & table[f"{side}_decision"].notna()
        is_valid &= np.isfinite(table[f"{side}_score"].astype(float)) & (table[f"{side}_score"].abs() <= 1e100)
    return table[is_valid]


def assert_same(one: ShadowState, other: ShadowState) -> None:
    """Demand that keys and integers are equal, and floats within 1e-9."""
    for name in LAYOUTS:
        left, right = getattr(one, name), getattr(other, name)
        assert left.num_rows == right.num_rows, name
        for field in left.schema:
            values = [table.column(field.name).to_pylist() for table in (left, right)]
            if pa.types.is_floating(field.type):
                assert_close(values[0], values[1])
            else:
                assert values[0] == values[1], (name, field.name)


def assert_close(left: Sequence[float | None], right: Sequence[float | None]) -> None:
    assert [value is None for value in left] == [value is None for value in right]
    known = [(a, b) for a, b in zip(left, right, strict=True) if a is not None and b is not None]
    if known:
        one, other = (np.array(values) for values in zip(*known, strict=True))
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def without_atoms(state: ShadowState) -> ShadowState:
    """Return a state whose bins do not say that they are one value: half a log may know what all of it does not."""
    histograms = state.histograms
    index = histograms.column_names.index("value")
    blank = histograms.set_column(index, "value", pa.nulls(histograms.num_rows, pa.float64()))
    told = histograms.column_names.index("told")
    blank = blank.set_column(told, "told", pa.nulls(histograms.num_rows, pa.string()))
    return ShadowState(
        cells=state.cells,
        slices=state.slices,
        numbers=state.numbers,
        histograms=shape("histograms", blank),
        minutes=state.minutes,
    )


def coverage(**counts: Any) -> Coverage:
    return replace(Coverage(files_found=1, files_counted=1, rows_read=0, duplicates=0), **counts)


def empty_pairs() -> pa.Table:
    return LOG_SCHEMA.empty_table()
