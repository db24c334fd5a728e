"""What MLflow 3.17.2's scoring server makes of a `dataframe_split` or `dataframe_records` request.

`cast_df_types_according_to_schema`: every declared plain column is cast, nested ones are checked as they are.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pandas as pd

from services.signatures.arrival import CAST_ERRORS, Arrived, RequestRefused, cast_cells, tell_altered
from services.signatures.series_check import NUMPY_DTYPES
from services.signatures.values import AnyType, Columns, Scalar, Schema, Tensors, Type


def arrive_as_table(inputs: Schema, form: str, sent: Any) -> Arrived:
    """Return the table that `predict` gets.

    Raises:
        RequestRefused: the server refuses the request.
    """
    return _cast_table(inputs, _frame(form, sent))


def _frame(form: str, sent: Any) -> pd.DataFrame:
    if form == "dataframe_records":
        if not isinstance(sent, list):
            raise RequestRefused("*", "a list of records", type(sent).__name__)
        return pd.DataFrame(sent)
    if not isinstance(sent, dict) or "data" not in sent or sent.keys() - {"columns", "data", "index"}:
        raise RequestRefused("*", "columns and data", type(sent).__name__)
    return pd.DataFrame(data=sent["data"], columns=sent.get("columns"), index=sent.get("index"))


def _cast_table(inputs: Schema, frame: pd.DataFrame) -> Arrived:
    altered = []
    required = {column.name: column.is_required for column in inputs.columns} if isinstance(inputs, Columns) else {}
    for label, of in _declared_types(inputs, frame):
        sent = frame[label]
        if isinstance(sent, pd.DataFrame):
            # Columns of one name are cast together; of a table they are refused later on.
            frame[label] = sent.astype(of) if isinstance(of, np.dtype) else sent
            continue
        cells = list(sent)
        if isinstance(of, np.dtype):
            if not (cells and isinstance(cells[0], list)):
                frame[label] = _cast_cells(sent, label, of, of)
        elif isinstance(of, Scalar):
            frame[label] = _cast_scalar(sent, label, of)
            altered.extend(tell_altered(label, of, cells, list(frame[label])))
        elif not isinstance(of, AnyType):
            frame[label] = pd.Series(
                cast_cells(cells, label, of, is_required=required.get(label, True)), index=frame.index
            )
    return Arrived(frame, altered)


def _declared_types(inputs: Schema, frame: pd.DataFrame) -> list[tuple[Any, Type | np.dtype[Any]]]:
    if isinstance(inputs, Tensors):
        dtypes = {tensor.name: np.dtype(tensor.dtype) for tensor in inputs.tensors}
        if not inputs.is_named:
            return [(label, dtypes[None]) for label in frame.columns]
        return [(name, dtype) for name, dtype in dtypes.items() if name in frame.columns]
    if not inputs.is_named:
        return [(label, column.type) for label, column in zip(frame.columns, inputs.columns, strict=False)]
    return [(column.name, column.type) for column in inputs.columns if column.name in frame.columns]


def _cast_scalar(series: pd.Series[Any], label: object, of: Scalar) -> Any:
    if of is Scalar.BINARY:
        return series.map(lambda text: base64.decodebytes(bytes(text, "utf8")))
    if of is Scalar.DATETIME:
        try:
            return pd.to_datetime(series).astype(NUMPY_DTYPES[of])
        except CAST_ERRORS as error:
            raise RequestRefused(label, of, f"a value that is no time ({str(error)[:80]})") from error
    if of is Scalar.STRING:
        return series if isinstance(series.dtype, pd.StringDtype) else series.astype(object)
    return _cast_cells(series, label, NUMPY_DTYPES[of], of)


def _cast_cells(series: pd.Series[Any], label: object, dtype: np.dtype[Any], of: object) -> Any:
    try:
        return series.astype(dtype)
    except CAST_ERRORS as error:
        raise RequestRefused(label, of, f"a value that cannot be cast ({str(error)[:80]})") from error
