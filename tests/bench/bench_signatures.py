"""How fast signatures are compared and data is checked, beside MLflow's own enforcement of the same data."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from services.signatures import matrix
from services.signatures.check import check
from services.signatures.compare import compare
from services.signatures.matrix import compare_all
from services.signatures.values import (
    Column,
    Columns,
    Object,
    Property,
    Scalar,
    Schema,
    Signature,
    SignatureReading,
    SignatureState,
    schema_json,
)

COLUMNS = 2000
VERSIONS = 50
ROWS = 1_000_000
WIDTH = 20
ROUNDS = 9
ANSWER = Columns(columns=(Column(name=None, type=Scalar.LONG),))
DTYPES = {
    Scalar.DOUBLE: "float64",
    Scalar.LONG: "int64",
    Scalar.STRING: "str",
    Scalar.INTEGER: "int32",
    Scalar.BOOLEAN: "bool",
}


def main() -> None:
    """Print one line a figure."""
    report_diff()
    report_matrix()
    report_check(safe=True)
    report_check(safe=False)


def report_diff() -> None:
    """Compare two wide schemas: the same but for every tenth column, and with every column renamed."""
    old = wide(0)
    for name, new in (("every tenth column changed", wide(10)), ("every column renamed", wide(0, prefix="other"))):
        milliseconds = median(timed(lambda: compare(old, new)) for _ in range(ROUNDS)) * 1000  # noqa: B023
        print(f"diff of two {COLUMNS:,}-column schemas, {name}: measured {milliseconds:.1f} ms (reach 20 ms)")


def report_matrix() -> None:
    """Compare 50 versions of which no two are equal, for the first time and again."""
    versions = {number: wide(number + 2, count=60, prefix=f"v{number % 7}") for number in range(VERSIONS)}
    matrix._kept.clear()
    first = timed(lambda: compare_all(versions))
    warm = median(timed(lambda: compare_all(versions)) for _ in range(ROUNDS))
    print(f"all pairs of {VERSIONS} different versions, first: measured {first * 1000:.0f} ms")
    print(f"all pairs of {VERSIONS} different versions, warm: measured {warm * 1000:.0f} ms (reach 1000 ms)")


def report_check(*, safe: bool) -> None:
    """Check a large table as MLflow enforces it, in turn; once as it is declared, once with casts in every column."""
    from mlflow.models.utils import _enforce_schema
    from mlflow.types.schema import Schema as MlflowSchema

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    kinds = list(DTYPES)
    declared = Columns(
        columns=tuple(Column(name=f"c{index}", type=kinds[index % len(kinds)]) for index in range(WIDTH))
    )
    frame = table(declared) if safe else castable(declared)
    theirs = MlflowSchema.from_json(json.dumps(schema_json(declared)))
    ours, enforced = [], []
    for _ in range(ROUNDS):
        enforced.append(timed(lambda: _enforce_schema(frame, theirs)))
        ours.append(timed(lambda: check(Signature(inputs=declared), frame)))
    assert check(Signature(inputs=declared), frame).ok
    ratio = median(ours) / median(enforced)
    how = "as declared" if safe else "objects and narrower numbers to cast"
    print(
        f"check of {ROWS:,} rows of {WIDTH} columns, {how}, beside MLflow: measured {ratio:.2f} "
        f"({median(ours) * 1000:.0f} ms; reach 1.5)"
    )


def table(declared: Columns) -> pd.DataFrame:
    """Return random rows whose columns are exactly as declared."""
    bits: Any = pd.Series(np.random.default_rng(7).integers(0, 2, ROWS))
    return pd.DataFrame(
        {str(column.name): bits.astype(DTYPES[Scalar(str(column.type))]) for column in declared.columns}
    )


def castable(declared: Columns) -> pd.DataFrame:
    """Return random rows that MLflow takes after looking into, or casting, every column."""
    exact: Any = table(declared)
    narrower = {"float64": "float32", "int64": "int32", "str": "object", "int32": "int8", "bool": "object"}
    return pd.DataFrame({name: exact[name].astype(narrower[str(exact[name].dtype)]) for name in exact})


def wide(every: int, *, count: int = COLUMNS, prefix: str = "feature") -> SignatureReading:
    """Return a signature of many columns, some nested; each `every`-th one is of another type."""
    kinds = list(Scalar)
    columns = []
    for index in range(count):
        of = kinds[(index + bool(every and not index % every)) % len(kinds)]
        inside = Object(properties=(Property(name="value", type=of), Property(name="unit", type=Scalar.STRING)))
        columns.append(Column(name=f"{prefix}_{index}_value", type=inside if index % 5 == 0 else of))
    schema: Schema = Columns(columns=tuple(columns))
    return SignatureReading(
        state=SignatureState.PRESENT,
        signature=Signature(inputs=schema, outputs=ANSWER),
        digest=f"{every} {prefix}",
    )


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds of processor time the work takes, so that a busy machine counts for nothing."""
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
