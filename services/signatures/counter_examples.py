"""Counter-examples: data that the old model takes and the new one refuses, so that a breaking verdict can be seen.

Each is tried on both signatures before it is shown. For JSON callers one that is taken, but arrives as something else
than it did at the old model, counts as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from math import prod
from typing import Any

import numpy as np
import pandas as pd

from services.signatures.check import Data, check
from services.signatures.examples import MAX_VARIANTS, column_variants, example_array, example_frame, value_variants
from services.signatures.param_values import is_param_value
from services.signatures.values import Column, Columns, Object, Param, Signature, Tensor, Tensors, column_by_label
from services.signatures.verdicts import finite

_EXTRA = "a column of nobody"
_LENGTHS = (2, 3, 1, 0)
_MAX_VALUES = 1_000_000
_PARAM_VALUES: tuple[Any, ...] = (
    *(7, 0.5, "text", True, "2026-01-02", [7], [0.5], ["text"], [True], ["2026-01-02"], {"key": 7}),
    *(np.int64(7), np.float64(0.5), np.datetime64("2026-01-02"), [np.int64(7)], [np.float64(0.5)]),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterExample:
    """Data for `predict`: `data` for its first argument, or `params` for its second."""

    data: Data | None = None
    params: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON, dtypes written beside the values."""
        if self.params is not None:
            return {"params": {name: _plain(value) for name, value in self.params.items()}}
        if isinstance(self.data, pd.DataFrame):
            return {
                "columns": [str(label) for label in self.data.columns],
                "dtypes": [str(dtype) for dtype in self.data.dtypes],
                "index": [str(label) for label in self.data.index],
                "rows": [[_plain(cell) for cell in row] for row in self.data.itertuples(index=False, name=None)],
            }
        arrays = self.data if isinstance(self.data, Mapping) else {"0": np.asarray(self.data)}
        return {
            "arrays": {name: {"dtype": str(array.dtype), "shape": list(array.shape)} for name, array in arrays.items()}
        }


def find_counter_example(old: Signature, new: Signature) -> CounterExample | None:
    """Return data that a DataFrame caller may send to the old model but not to the new, or None if none is found."""
    if old.inputs is not None and new.inputs is not None:
        sources = _tables(old.inputs, new) if isinstance(old.inputs, Columns) else _arrays(old.inputs)
        for data in sources:
            if check(old, data).ok and not check(new, data).ok:
                return CounterExample(data=data)
    refused = find_refused_param(old, new)
    return CounterExample(params=refused) if refused else None


def find_refused_array(old: Tensors, new: Columns) -> str:
    """Return why columns refuse arrays that the tensors take, or an empty text if none of those tried is refused."""
    is_tried = False
    for data in _plain_arrays(old):
        is_tried = True
        problem = next((each for each in check(Signature(inputs=new), data).problems if each.is_refusal), None)
        if problem is not None and check(Signature(inputs=old), data).ok:
            return f"arrays are refused: column {problem.column!r} wants {problem.expected} and finds {problem.found}"
    return "" if is_tried else "arrays of that size are no table"


def find_refused_param(old: Signature, new: Signature, *, is_json: bool = False) -> dict[str, Any] | None:
    """Return params that the old model takes and the new one refuses, or None if none are found."""
    now = {param.name: param for param in new.params or ()}
    for param in old.params or ():
        after = now.get(param.name)
        if after is None or after == param:
            continue
        for value in _param_values(param):
            is_carried = not is_json or isinstance(value, bool | int | float | str | list | dict)
            if is_carried and is_param_value(param, value) and not is_param_value(after, value):
                return {param.name: value}
    return None


def _param_values(param: Param) -> Iterator[Any]:
    yield param.default
    yield from _PARAM_VALUES
    if isinstance(param.type, Object):
        yield from islice(value_variants(param.type), MAX_VARIANTS)


def _tables(old: Columns, new: Signature) -> Iterator[pd.DataFrame]:
    base = example_frame(old)
    yield base
    if isinstance(new.inputs, Columns) and new.inputs.is_named and old.is_named:
        yield from _varied(base, old, new.inputs)
        return
    for start in range(1, min(len(base.columns), MAX_VARIANTS)):
        yield base[[*base.columns[start:], *base.columns[:start]]]
    yield base[base.columns[::-1]]
    yield base.set_axis([1])
    yield base.assign(**{_EXTRA: 1}) if old.is_named else base.assign(**{str(len(old.columns)): 1})
    optional = [column.name for column in old.columns if not column.is_required]
    for left_out in (*([name] for name in optional), optional):
        yield base.drop(columns=left_out)
    yield from _varied(base, old, new.inputs if isinstance(new.inputs, Columns) else old)


def _varied(base: pd.DataFrame, old: Columns, new: Columns) -> Iterator[pd.DataFrame]:
    now = column_by_label(new)
    for label, column in column_by_label(old).items():
        after = now.get(label)
        if after is None or after == column:
            continue
        if after.is_required and not column.is_required:
            yield base.drop(columns=[label])
        for series in islice(column_variants(column.type, beside=after.type), MAX_VARIANTS):
            if _takes(column, series) and not _takes(after, series):
                yield pd.DataFrame({name: series if name == label else base[name] for name in base.columns})


def _takes(column: Column, series: pd.Series[Any]) -> bool:
    alone = Column(name="x", type=column.type, is_required=column.is_required)
    return check(Signature(inputs=Columns(columns=(alone,))), pd.DataFrame({"x": series})).ok


def _arrays(old: Tensors) -> Iterator[Data]:
    yield from _plain_arrays(old)
    if not old.is_named:
        yield np.zeros((2, 2))
        yield pd.DataFrame({"0": ["1", "2"]})
        yield pd.DataFrame({"0": [[1.0, 2.0], [3.0, 4.0]]})
        yield pd.DataFrame(np.zeros((2, len(old.tensors[0].shape)), dtype="int64")).astype({0: "float64"})


def _plain_arrays(old: Tensors) -> Iterator[Data]:
    for length in _LENGTHS:
        if any(_size(tensor, length) > _MAX_VALUES for tensor in old.tensors):
            continue
        arrays = {str(tensor.name): example_array(tensor, free_length=length) for tensor in old.tensors}
        yield arrays if old.is_named else arrays["None"]


def _size(tensor: Tensor, length: int) -> int:
    # An array of no rows still has as many columns as it has.
    return prod(max(1, length if each == -1 else each) for each in tensor.shape)


def _plain(value: Any) -> Any:
    if isinstance(value, np.datetime64 | pd.Timestamp):
        return str(value)
    if isinstance(value, np.generic):
        return finite(value.item())
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return repr(value) if isinstance(value, bytes) else finite(value)
