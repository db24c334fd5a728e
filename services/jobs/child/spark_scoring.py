"""The command `predict_on_spark`: what `predict` does, done by `mlflow.pyfunc.spark_udf` on a Spark of this sandbox.

Driver, Java and Python workers all run in the one sandbox. What goes to Spark is the model within another, which
answers a value or an error for each row, so that a bad row costs one row there too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from mlflow.pyfunc.model import PythonModel

from services.jobs.child.frames import DataUnusable
from services.jobs.child.measures import Subject
from services.jobs.child.predicting import SCHEMA, predict_together

_SCORER = Path("/tmp/scorer")  # noqa: S108 - inside the sandbox, where it is the program's own
_RESULT = "score double, label string, latency_ms float, error string"


class RowScorer(PythonModel):
    """A model that answers for each row what another says to it.

    Args:
        folder: where that model lies.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def load_context(self, context: Any) -> None:
        """Load the model, once a worker."""
        del context
        model = mlflow.pyfunc.load_model(self._folder)
        self._subject = Subject(model=model, load=lambda: model, start_s=0, baseline_bytes=0)

    def predict(self, context: Any, model_input: Any, params: Any = None) -> pd.DataFrame:
        """Return value and error of each row."""
        del context, params
        predicted = predict_together(self._subject, model_input)
        values, latencies_ms, errors = zip(*predicted, strict=True)
        return pd.DataFrame(
            {
                "score": pd.Series([value if isinstance(value, float) else None for value in values], dtype="float64"),
                "label": [_marked(value if isinstance(value, str) else None) for value in values],
                "latency_ms": pd.Series(latencies_ms, dtype="float32"),
                "error": [_marked(error) for error in errors],
            }
        )


def _marked(text: str | None) -> str:
    """Return a text that says whether there is one: MLflow makes words of what is absent."""
    return "" if text is None else f"={text}"


def _unmarked(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(column, ""), None, pc.utf8_slice_codeunits(column, 1))


def predict_on_spark(subject: Subject, command: Mapping[str, Any], answer: Callable[..., None]) -> dict[str, Any]:
    """Predict every row of a Parquet file."""
    del subject
    answer(stage="starting Spark")
    session = _start(command["threads"], command["batch_rows"])
    answer(stage="predicting on Spark")
    mlflow.pyfunc.save_model(_SCORER, python_model=RowScorer(command["model"]), pip_requirements=[])
    score = mlflow.pyfunc.spark_udf(session, str(_SCORER), result_type=_RESULT, env_manager="local")
    table = _score(session.read.parquet(command["data"]), score)
    if not table.num_rows:
        raise DataUnusable("the data has no rows")
    with os.fdopen(int(os.environ["TABLE_FD"]), "wb") as out:
        pq.write_table(table, out)
    answer(progress=table.num_rows)
    return {"rows": table.num_rows, "failed_rows": table.num_rows - table.column("error").null_count}


def _score(frame: Any, score: Any) -> pa.Table:
    """Return a row a row, in the order of the file; Spark's parts come in any."""
    from pyspark.sql import functions

    # Escaped, because a dot in a name would mean a field of a column.
    columns = [functions.col("`" + name.replace("`", "``") + "`") for name in frame.columns]
    predicted = frame.select(
        functions.col("_metadata.row_index").alias("row"), score(functions.struct(*columns)).alias("told")
    ).select("row", "told.*")
    table = predicted.toArrow().sort_by("row").select(SCHEMA.names)
    number = table.column("score")
    told = {
        "score": pc.if_else(pc.is_finite(number), number, None),
        "label": _unmarked(table.column("label")),
        "error": _unmarked(table.column("error")),
    }
    for name, column in told.items():
        table = table.set_column(table.column_names.index(name), name, column)
    return table.cast(SCHEMA)


def _start(threads: int, batch_rows: int) -> Any:
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.log.level": "ERROR",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.caseSensitive": "true",
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(batch_rows),
    }
    builder = SparkSession.builder.master(f"local[{threads}]").appName("gatehouse-replay")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()
