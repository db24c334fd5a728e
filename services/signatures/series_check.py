"""Which pandas columns MLflow 3.17.2's `predict` takes for a plain type (`_enforce_mlflow_datatype`), without MLflow.

The order of the steps is MLflow's, because it decides: an object column is looked into first, then the exact dtype
passes, then what may be cast is cast, which can still fail on missing values. A test runs every dtype of the table in
both and holds them together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from services.signatures.values import Scalar

NUMPY_DTYPES: Mapping[Scalar, np.dtype[Any]] = {
    Scalar.BOOLEAN: np.dtype("bool"),
    Scalar.INTEGER: np.dtype("int32"),
    Scalar.LONG: np.dtype("int64"),
    Scalar.FLOAT: np.dtype("float32"),
    Scalar.DOUBLE: np.dtype("float64"),
    Scalar.STRING: np.dtype("str"),
    Scalar.BINARY: np.dtype("bytes"),
    Scalar.DATETIME: np.dtype("datetime64[ns]"),
}
_OBJECT = np.dtype("object")
_TEXT = frozenset({Scalar.STRING, Scalar.BINARY})
_FRACTIONS = frozenset({Scalar.FLOAT, Scalar.DOUBLE})
_WIDEST_EXACT_BYTES = 6


class Refusal(NamedTuple):
    """Why a column is refused: `kind` is `type` or `null`."""

    kind: str
    found: str


def find_series_refusal(series: pd.Series[Any], target: Scalar) -> Refusal | None:
    """Return why MLflow refuses the column for the type, or None if it takes it."""
    return cast_series(series, target)[1]


def cast_series(series: pd.Series[Any], target: Scalar) -> tuple[pd.Series[Any], Refusal | None]:
    """Return the column as MLflow hands it to the model, and why it refuses it, if it does."""
    dtype = series.dtype
    if target in _TEXT:
        # Arrow's text says that it is of NumPy's kind.
        takes = dtype == _OBJECT or isinstance(dtype, pd.StringDtype) or _is_narrower(dtype, NUMPY_DTYPES[target])
        return series, None if takes else Refusal("type", str(dtype))
    if dtype == _OBJECT:
        series = series.infer_objects()
        dtype = series.dtype
    if NUMPY_DTYPES[target] == dtype:
        return series, None
    cast = _cast_of(series, target)
    if cast is None:
        return series, _refusal(series, target)
    try:
        return cast(series), None
    except (TypeError, ValueError, OverflowError, ArithmeticError):
        return series, _refusal(series, target)


def _cast_of(series: pd.Series[Any], target: Scalar) -> Callable[[pd.Series[Any]], pd.Series[Any]] | None:
    """Return how MLflow casts such a column, or None if it does not try."""
    dtype: Any = series.dtype
    numpy_dtype = NUMPY_DTYPES[target]
    if target is Scalar.DATETIME:
        return _to_moments if dtype == _OBJECT or dtype.kind == "M" else None
    if dtype == _OBJECT:
        if target is Scalar.BOOLEAN:
            return _as_it_is
        return pd.to_numeric if target is Scalar.DOUBLE else None
    if _is_narrower(dtype, numpy_dtype) or (
        dtype == np.int64 and target in _FRACTIONS and bool(series.isin((0, 1)).all())
    ):
        return lambda values: values.astype(numpy_dtype)
    return None


def _is_narrower(dtype: Any, target: np.dtype[Any]) -> bool:
    size = getattr(dtype, "itemsize", None)
    if size is None:
        return False
    if dtype.kind == target.kind:
        return bool(size <= target.itemsize)
    if dtype.kind == "u" and target.kind == "i":
        return bool(size < target.itemsize)
    return dtype.kind in "iu" and target == np.float64 and size <= _WIDEST_EXACT_BYTES


def _to_moments(series: pd.Series[Any]) -> pd.Series[Any]:
    return series.astype(NUMPY_DTYPES[Scalar.DATETIME])


def _as_it_is(series: pd.Series[Any]) -> pd.Series[Any]:
    return series


def _refusal(series: pd.Series[Any], target: Scalar) -> Refusal:
    dtype: Any = series.dtype
    found = str(dtype)
    if dtype == _OBJECT:
        found = f"object of {pd.api.types.infer_dtype(series, skipna=True)}"
        return Refusal("type", found)
    missing = int(series.isna().sum())
    if missing and dtype.kind in "fiub" and _would_pass_whole(series, target):
        return Refusal("null", f"{found} with {missing} missing")
    return Refusal("type", found)


def _would_pass_whole(series: pd.Series[Any], target: Scalar) -> bool:
    """Whether the missing values alone stand in the way: the rest is of the type."""
    rest = series.dropna()
    if series.dtype.kind == "f":
        if target not in {Scalar.INTEGER, Scalar.LONG}:
            return False
        return bool((rest == rest.round()).all())
    return find_series_refusal(rest, target) is None
