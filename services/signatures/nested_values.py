"""Which nested values MLflow 3.17.2 takes (`_enforce_type` and what it calls), with the path of what it refuses.

Plain Python values are decided by their type alone; whatever else, such as NumPy scalars and arrays, goes through
pandas as it does in MLflow.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from services.signatures.series_check import NUMPY_DTYPES, cast_series
from services.signatures.values import AnyType, Array, Map, Object, Scalar, Type

_MAX_LONG = 2**63 - 1
_MIN_LONG = -(2**63)
_PLAIN = frozenset({bool, int, float, str})


class NestedRefusal(NamedTuple):
    """What is refused: where inside the value, what was expected, what was found, and of which kind the trouble is."""

    path: str
    kind: str
    expected: str
    found: str


def find_refusal(value: Any, of: Type, *, is_required: bool, path: str = "") -> NestedRefusal | None:
    """Return why MLflow refuses the value for the type, or None if it takes it.

    >>> find_refusal({"zip": 8000}, Map(values=Scalar.STRING), is_required=True)
    NestedRefusal(path='{zip}', kind='type', expected='string', found='int')
    """
    match of:
        case AnyType():
            return None
        case Array():
            return _check_array(value, of, is_required=is_required, path=path)
        case Object():
            return _check_object(value, of, is_required=is_required, path=path)
        case Map():
            return _check_map(value, of, is_required=is_required, path=path)
        case _:
            return _check_scalar(value, of, is_required=is_required, path=path)


def cast_value(value: Any, of: Type) -> Any:
    """Return what MLflow makes of a nested value that it takes: lists are cast, all else stays as good as it is."""
    match of:
        case Array(items=Scalar() as items) if isinstance(value, list) and value:
            return cast_series(pd.Series(value), items)[0].to_numpy(dtype=NUMPY_DTYPES[items]).tolist()
        case Array() if isinstance(value, list):
            return [cast_value(item, of.items) for item in value]
        case Map() if isinstance(value, dict):
            return {key: cast_value(inner, of.values) for key, inner in value.items()}
        case Object() if isinstance(value, dict):
            types = {part.name: part.type for part in of.properties}
            return {key: cast_value(inner, types[key]) for key, inner in value.items()}
        case _:
            return value


def _check_scalar(value: Any, of: Scalar, *, is_required: bool, path: str) -> NestedRefusal | None:
    if not is_required and _is_null(value):
        return None
    kind = type(value)
    if kind in _PLAIN and (kind is not int or _MIN_LONG <= value <= _MAX_LONG):
        takes = of in _takers(value)
    else:
        takes = np.isscalar(value) and cast_series(pd.Series(value), of)[1] is None
    return None if takes else _refusal(value, of, path)


def _takers(value: object) -> frozenset[Scalar]:
    """Return the types that take a plain Python value, as pandas would hold it."""
    if isinstance(value, bool):
        return frozenset({Scalar.BOOLEAN})
    if isinstance(value, int):
        return _BITS if value in {0, 1} else frozenset({Scalar.LONG})
    return frozenset({Scalar.DOUBLE}) if isinstance(value, float) else _TEXT


_BITS = frozenset({Scalar.LONG, Scalar.FLOAT, Scalar.DOUBLE})
_TEXT = frozenset({Scalar.STRING, Scalar.BINARY})


def _check_array(value: Any, of: Array, *, is_required: bool, path: str) -> NestedRefusal | None:
    is_lax = not is_required or isinstance(of.items, AnyType)
    if is_lax and value is None:
        return None
    if not isinstance(value, list | np.ndarray) or (isinstance(value, np.ndarray) and not value.ndim):
        return _refusal(value, of, path)
    if is_lax and not len(value):
        return None
    if isinstance(of.items, Scalar):
        takes = not len(value) or _takes_items(value, of.items)
        return None if takes else _items_refusal(value, of.items, path)
    for index, item in enumerate(value):
        refusal = find_refusal(item, of.items, is_required=is_required, path=f"{path}[{index}]")
        if refusal:
            return refusal
    return None if _holds_together(value) else _refusal(value, of, path)


def _takes_items(values: list[Any] | np.ndarray[Any, Any], of: Scalar) -> bool:
    if isinstance(values, list):
        kinds = set(map(type, values))
        if kinds == {str}:
            return of is Scalar.STRING or (of is Scalar.BINARY and all(map(str.isascii, values)))
        if kinds == {float}:
            return of is Scalar.DOUBLE
        if kinds == {bool}:
            return of is Scalar.BOOLEAN
    try:
        series, refusal = cast_series(pd.Series(values), of)
        if refusal is None:
            series.to_numpy(dtype=NUMPY_DTYPES[of])
    except (TypeError, ValueError, OverflowError):
        return False
    return refusal is None


def _holds_together(values: list[Any] | np.ndarray[Any, Any]) -> bool:
    """Whether an array of lists can be built again: NumPy refuses lists of differing lengths."""
    if isinstance(values, list):
        return True
    try:
        np.array(list(values))
    except ValueError:
        return False
    return True


def _check_object(value: Any, of: Object, *, is_required: bool, path: str) -> NestedRefusal | None:
    if not is_required and (value is None or (isinstance(value, dict) and not value)):
        return None
    if not isinstance(value, dict):
        return _refusal(value, of, path)
    declared = {part.name: part for part in of.properties}
    for name, part in declared.items():
        if part.is_required and name not in value:
            return NestedRefusal(_inside(path, name), "missing", str(part.type), "nothing")
    for name, inner in value.items():
        if name not in declared:
            return NestedRefusal(_inside(path, name), "extra", "no such property", type(inner).__name__)
        part = declared[name]
        refusal = find_refusal(inner, part.type, is_required=part.is_required, path=_inside(path, name))
        if refusal:
            return refusal
    return None


def _check_map(value: Any, of: Map, *, is_required: bool, path: str) -> NestedRefusal | None:
    is_lax = not is_required or isinstance(of.values, AnyType)
    if is_lax and (value is None or (isinstance(value, dict) and not value)):
        return None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        return _refusal(value, of, path)
    for key, inner in value.items():
        refusal = find_refusal(inner, of.values, is_required=is_required, path=f"{path}{{{key}}}")
        if refusal:
            return refusal
    return None


def _inside(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def _is_null(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def _refusal(value: Any, of: Type, path: str) -> NestedRefusal:
    if _is_null(value):
        return NestedRefusal(path, "null", str(of), "null")
    return NestedRefusal(path, "type", str(of), type(value).__name__)


def _items_refusal(values: list[Any] | np.ndarray[Any, Any], of: Scalar, path: str) -> NestedRefusal:
    if isinstance(values, np.ndarray):
        return NestedRefusal(path, "type", f"array[{of}]", f"{values.ndim}-dimensional array of {values.dtype}")
    for index, item in enumerate(values):
        if _is_null(item) and of is not Scalar.STRING:
            return NestedRefusal(f"{path}[{index}]", "null", str(of), "null")
        refusal = _check_scalar(item, of, is_required=True, path=f"{path}[{index}]")
        if refusal:
            return refusal
    return NestedRefusal(path, "type", f"array[{of}]", "list of mixed types")
