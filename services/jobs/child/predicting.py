"""The command `predict`: a file in, a Parquet table out, one row a row.

Columns of the table: `row` (from 0), `score` (number or null), `label` (text or null), `latency_ms`, `error` (text or
null). Rows go to the model together, or one by one when each one's latency matters; where a group fails, its rows are
tried one by one, so that one bad row costs one row.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from services.jobs.child.failures import describe
from services.jobs.child.frames import DataUnusable, read_chunks
from services.jobs.child.measures import Subject, as_values, timed

SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("score", pa.float64()),
        ("label", pa.string()),
        ("latency_ms", pa.float32()),
        ("error", pa.string()),
    ]
)
_Predicted = tuple[float | str | None, float, str | None]


def predict(subject: Subject, command: Mapping[str, Any], answer: Callable[..., None]) -> dict[str, Any]:
    """Predict every row of a file."""
    answer(stage="predicting")
    signature = subject.model.metadata.signature
    chunks = read_chunks(
        Path(command["data"]), rows=command["chunk_rows"], schema=signature.inputs if signature is not None else None
    )
    done = failed = 0
    with os.fdopen(int(os.environ["TABLE_FD"]), "wb") as out, pq.ParquetWriter(out, SCHEMA) as writer:
        for chunk in chunks:
            predicted = _predict_singly(subject, chunk) if command["singly"] else predict_together(subject, chunk)
            writer.write_table(_to_table(predicted, first_row=done))
            done += len(predicted)
            failed += sum(error is not None for _, _, error in predicted)
            answer(progress=done)
    if done == 0:
        raise DataUnusable("the data has no rows")
    return {"rows": done, "failed_rows": failed}


def predict_together(subject: Subject, chunk: pd.DataFrame) -> list[_Predicted]:
    """Return value, latency and error of each row, where rows go to the model together."""
    started = time.perf_counter_ns()
    try:
        values = as_values(subject.model.predict(chunk), len(chunk))
    except Exception:  # noqa: BLE001 - which row it was shows when each goes alone
        return _predict_singly(subject, chunk)
    each_ms = (time.perf_counter_ns() - started) / 1e6 / max(1, len(chunk))
    return [(value, each_ms, None if value is not None else "the prediction is empty") for value in values]


def _predict_singly(subject: Subject, chunk: pd.DataFrame) -> list[_Predicted]:
    predicted: list[_Predicted] = []
    for position in range(len(chunk)):
        started = time.perf_counter_ns()
        try:
            took_ms, value = timed(subject, chunk.iloc[[position]])
            predicted.append((value, took_ms, None if value is not None else "the prediction is empty"))
        except Exception as error:  # noqa: BLE001 - any error of the model belongs to its row
            predicted.append((None, (time.perf_counter_ns() - started) / 1e6, describe(error)))
    return predicted


def _to_table(predicted: list[_Predicted], *, first_row: int) -> pa.Table:
    values, latencies, errors = zip(*predicted, strict=True) if predicted else ((), (), ())
    columns = [
        range(first_row, first_row + len(predicted)),
        [value if isinstance(value, float) else None for value in values],
        [value if isinstance(value, str) else None for value in values],
        latencies,
        errors,
    ]
    return pa.table(
        {field.name: pa.array(list(column), field.type) for field, column in zip(SCHEMA, columns, strict=True)},
        schema=SCHEMA,
    )
