"""What MLflow 3.17.2's scoring server makes of an `inputs` or `instances` request (`parse_tf_serving_input`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from services.signatures.arrival import CAST_ERRORS, Arrived, RequestRefused, cast_cells, tell_altered
from services.signatures.check import Problem
from services.signatures.series_check import NUMPY_DTYPES
from services.signatures.values import Array, Column, Columns, Object, Scalar, Schema, Tensor, Tensors


def arrive_as_arrays(inputs: Schema, form: str, sent: Any) -> Arrived:
    """Return the arrays, or the table made of them, that `predict` gets.

    Raises:
        RequestRefused: the server refuses the request.
    """
    by_row = form == "instances" and isinstance(sent, list) and bool(sent) and isinstance(sent[0], dict)
    if isinstance(inputs, Tensors):
        return _cast_tensors(inputs, form, _by_column(sent) if by_row else sent)
    return _cast_columns(inputs, form, sent, by_row=by_row)


def _by_column(sent: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for row in sent for name in row)
    return {name: [row[name] for row in sent if name in row] for name in names}


def _cast_tensors(inputs: Tensors, form: str, sent: Any) -> Arrived:
    if isinstance(sent, list) and sent and all(isinstance(row, dict) for row in sent):
        raise RequestRefused("*", "arrays", "a list of mappings")
    if not inputs.is_named:
        # MLflow takes an empty list for one of mappings, and hands it on as it is.
        if not _is_list_or_value(sent) or sent == []:
            raise RequestRefused("*", inputs.tensors[0], type(sent).__name__)
        values, altered = _cast_tensor(inputs.tensors[0].dtype, "0", sent)
        return Arrived(values, altered)
    if not isinstance(sent, dict) and len(inputs.tensors) == 1:
        sent = {inputs.tensors[0].name: sent}
    if not isinstance(sent, dict):
        raise RequestRefused("*", "a mapping of arrays", type(sent).__name__)
    dtypes = {tensor.name: tensor.dtype for tensor in inputs.tensors}
    arrays: dict[str, Any] = {}
    altered = []
    for name, values in sent.items():
        arrays[name], told = _cast_tensor(dtypes[name], name, values) if name in dtypes else (np.array(values), [])
        altered.extend(told)
    _check_lengths(inputs, form, arrays)
    return Arrived(arrays, altered)


def _check_lengths(inputs: Schema, form: str, values: Mapping[Any, Any]) -> None:
    """Refuse `instances` whose arrays differ in length or have none; lists in cells may differ."""
    if form != "instances":
        return
    held = {name: each for name, each in values.items() if isinstance(each, list | np.ndarray)}
    if inputs.is_named:
        parts = inputs.columns if isinstance(inputs, Columns) else inputs.tensors
        counted = {part.name for part in parts if isinstance(part, Tensor) or _is_counted(part)}
        held = {name: each for name, each in held.items() if name in counted}
    lengths = {len(each) if np.ndim(each) else None for each in held.values()}
    if len(lengths) > 1 or None in lengths:
        raise RequestRefused("*", "arrays of one length", "arrays of several lengths, or of none")


def _is_counted(column: Column) -> bool:
    return column.is_required and not isinstance(column.type, Array)


def _is_list_or_value(sent: Any) -> bool:
    return isinstance(sent, list) or bool(np.isscalar(sent))


def _cast_tensor(dtype: str, name: object, sent: Any) -> tuple[np.ndarray[Any, Any], list[Problem]]:
    try:
        values = np.array(sent, dtype=np.dtype(dtype))
    except CAST_ERRORS as error:
        raise RequestRefused(name, f"tensor {dtype}", f"values that cannot be cast ({str(error)[:80]})") from error
    if dtype == "object" or values.dtype.kind in "USM":
        return values, []
    before = np.array(sent, dtype=object).ravel()
    exact = values.dtype.kind in "iub"
    of = Scalar.BOOLEAN if values.dtype.kind == "b" else Scalar.LONG if exact else Scalar.DOUBLE
    is_rounded = values.dtype.kind in "fc" and values.dtype.itemsize < NUMPY_DTYPES[Scalar.DOUBLE].itemsize
    return values, [] if is_rounded else tell_altered(name, of, list(before), values.ravel().tolist())


def _cast_columns(inputs: Columns, form: str, sent: Any, *, by_row: bool) -> Arrived:
    types = {column.name: column for column in inputs.columns} if inputs.is_named else {}
    if inputs.is_named and len(types) == 1 and isinstance(sent, list) and not any(isinstance(x, dict) for x in sent):
        sent = {inputs.columns[0].name: sent}
    if not inputs.is_named and not _is_list_or_value(sent):
        raise RequestRefused("*", "a list", type(sent).__name__)
    altered: list[Problem] = []
    if isinstance(sent, dict):
        cast = {name: _cast_value(value, name, types.get(name), altered) for name, value in sent.items()}
        _check_lengths(inputs, form, cast)
        return Arrived(_frame_of_mapping(inputs, cast), altered)
    if isinstance(sent, list) and all(isinstance(item, dict) for item in sent):
        rows = [
            {name: _cast_value(value, name, types.get(name), altered) for name, value in item.items()} for item in sent
        ]
        if not by_row:
            return Arrived(pd.DataFrame(rows), altered)
        # As rows become columns here, a list in each row becomes a list of lists: MLflow's documented pitfall.
        stacked = {name: np.array(values) for name, values in _by_column(rows).items()}
        _check_lengths(inputs, form, stacked)
        return Arrived(_frame_of_mapping(inputs, stacked), altered)
    cast_one = _cast_value(sent, "0", inputs.columns[0], altered)
    return Arrived(pd.DataFrame(cast_one if isinstance(cast_one, list | np.ndarray) else [cast_one]), altered)


def _cast_value(value: Any, name: object, column: Any, altered: list[Problem]) -> Any:
    if column is None:
        return np.array(value)
    of = column.type
    if not isinstance(of, Scalar):
        [value] = cast_cells([value], name, of, is_required=column.is_required)
        return np.array(value) if isinstance(of, Array) else value
    cells = value if isinstance(value, list) else [value]
    try:
        cast = np.array(cells, NUMPY_DTYPES[of])
    except CAST_ERRORS as error:
        raise RequestRefused(name, of, f"a value that cannot be cast ({str(error)[:80]})") from error
    sent, arrived = np.array(cells, dtype=object).ravel(), cast.ravel().tolist()
    if len(sent) == len(arrived) and of is not Scalar.DATETIME:
        altered.extend(tell_altered(name, of, list(sent), arrived))
    return cast if isinstance(value, list) else cast[0]


def _frame_of_mapping(inputs: Columns, cast: dict[Any, Any]) -> pd.DataFrame:
    is_row = any(isinstance(column.type, Array | Object) for column in inputs.columns)
    if is_row or all(np.isscalar(value) or value is None for value in cast.values()):
        return pd.DataFrame([cast])
    return pd.DataFrame(
        {
            name: value.tolist() if isinstance(value, np.ndarray) and value.ndim > 1 else value
            for name, value in cast.items()
        }
    )
