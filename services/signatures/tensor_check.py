"""Which arrays, and which tables in place of arrays, MLflow 3.17.2 takes (`_enforce_tensor_schema`).

A table is taken for a tensor of free first and fixed other lengths: one column a tensor, of numbers or of flat lists,
which MLflow casts; or, for one unnamed tensor, a column a position, whose dtype must be exact. It looks up the row
labelled 0, so a table without such a row is refused.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from services.signatures.values import Tensor, Tensors


class TableRefusal(NamedTuple):
    """Why a table is refused for a tensor; `kind` as in a check's problems."""

    name: str
    kind: str
    expected: str
    found: str


def find_tensor_refusal(tensor: Tensor, values: object) -> str | None:
    """Return what was found instead of such an array, or None if MLflow takes it."""
    if not isinstance(values, np.ndarray):
        return f"a {type(values).__name__}, not an array"
    if tensor.dtype == "object" and tensor.shape == (-1,):
        return None
    is_ragged = values.dtype == object and values.ndim == 1
    if is_ragged and len(tensor.shape) > 1 and -1 in tensor.shape[1:]:
        return None
    if len(tensor.shape) != values.ndim or any(
        expected not in {-1, length} for expected, length in zip(tensor.shape, values.shape, strict=True)
    ):
        return f"shape {list(values.shape)}"
    return None if _dtype_name(values.dtype) == tensor.dtype else f"dtype {values.dtype}"


def find_frame_refusals(declared: Tensors, frame: pd.DataFrame) -> list[TableRefusal]:
    """Return why a table is refused in place of the declared arrays; empty if MLflow takes it."""
    if not declared.is_named:
        found = _unnamed_refusal(declared.tensors[0], frame)
        return [TableRefusal("0", "type", str(declared.tensors[0]), found)] if found else []
    refusals = []
    for tensor in declared.tensors:
        if tensor.name not in frame.columns:
            refusals.append(TableRefusal(str(tensor.name), "missing", str(tensor), "nothing"))
            continue
        found = _column_refusal(tensor, frame[tensor.name])
        if found:
            refusals.append(TableRefusal(str(tensor.name), "type", str(tensor), found))
    return refusals


def _unnamed_refusal(tensor: Tensor, frame: pd.DataFrame) -> str | None:
    if frame.empty:
        return "an empty table"
    if len(frame.columns) == 1:
        return _column_refusal(tensor, frame[frame.columns[0]])
    if tensor.shape != (-1, len(frame.columns)):
        return f"a table of {len(frame.columns)} columns"
    return find_tensor_refusal(tensor, frame.to_numpy())


def _column_refusal(tensor: Tensor, series: Any) -> str | None:
    if not isinstance(series, pd.Series):
        return "several columns of that name"
    if not tensor.shape or tensor.shape[0] != -1 or -1 in tensor.shape[1:]:
        return "a table, which passes only where the first length is free and all others fixed"
    if 0 not in series.index or not series.index.is_unique:
        return "a table without one row labelled 0"
    try:
        return _values_refusal(tensor, series, series[0])
    except (TypeError, ValueError, OverflowError, IndexError):
        return f"values that cannot be cast to {tensor.dtype} {list(tensor.shape)}"


def _values_refusal(tensor: Tensor, series: pd.Series[Any], first: Any) -> str | None:
    dtype = np.dtype(tensor.dtype)
    if np.isscalar(first):
        if tensor.shape not in {(-1,), (-1, 1)}:
            return "a column of single values"
        np.array(series, dtype=dtype)
        return None
    is_list = isinstance(first, list) and np.isscalar(first[0])
    if not is_list and not isinstance(first, np.ndarray):
        return f"a column of {type(first).__name__}"
    reshaped = np.vstack(series.tolist()).reshape(tensor.shape)
    if is_list:
        reshaped = reshaped.astype(dtype)
    return None if len(reshaped) == len(series) else "lists of another length"


def _dtype_name(dtype: np.dtype[Any]) -> str:
    # The length of texts is part of NumPy's dtype and no part of MLflow's.
    return {"U": "str", "S": "bytes"}.get(dtype.kind, dtype.name)
