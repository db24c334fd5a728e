"""Examples that a schema takes, and variants that probe its edges; whoever uses them checks them first.

Values are the plainest that MLflow 3.17.2 takes: inside nested fields it tells NumPy's widths apart, so those are used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from services.signatures.values import AnyType, Array, Columns, Map, Object, Scalar, Tensor, Type, column_by_label

MAX_VARIANTS = 500
FREE_LENGTH = 2

_MOMENT = np.datetime64("2026-01-02T03:04:05", "ns")
_CELLS: dict[Scalar, tuple[tuple[str, Any], ...]] = {
    Scalar.BOOLEAN: (("bool", True),),
    Scalar.INTEGER: (("int32", 7), ("int8", 7)),
    Scalar.LONG: (("int64", 7), ("int64", 2**40), ("int32", 7)),
    Scalar.FLOAT: (("float32", 0.5),),
    Scalar.DOUBLE: (("float64", 0.5), ("int32", 7)),
    Scalar.STRING: (("str", "text"),),
    Scalar.BINARY: (("object", b"bytes"), ("str", "text")),
    Scalar.DATETIME: (("datetime64[ns]", _MOMENT),),
}
_NESTED: dict[Scalar, tuple[Any, ...]] = {
    Scalar.BOOLEAN: (True,),
    Scalar.INTEGER: (np.int32(7),),
    Scalar.LONG: (7, 2**40, 0),
    Scalar.FLOAT: (np.float32(0.5),),
    Scalar.DOUBLE: (0.5, 1e300),
    Scalar.STRING: ("text", "t\u00e9xt"),
    Scalar.BINARY: (b"bytes", b"\xff", "text"),
    Scalar.DATETIME: (_MOMENT,),
}
_ANYTHING: tuple[Any, ...] = ("text", 7, 0.5, True, [7], {"key": 7}, None)
_PLAINEST = 0.5
# MLflow takes an array of nothing but 0 and 1 for fractions as well.
_BY_KIND: dict[str, Any] = {"b": True, "i": 7, "u": 7, "U": "text", "S": b"bytes", "O": "text", "M": _MOMENT, "m": 7}
_MISSING_KEY = "a key of nobody"


def example_frame(declared: Columns) -> pd.DataFrame:
    """Return one row that holds every column, optional ones too."""
    return pd.DataFrame(
        {label: next(column_variants(column.type)) for label, column in column_by_label(declared).items()}
    )


def column_variants(of: Type, *, beside: Type | None = None) -> Iterator[pd.Series[Any]]:
    """Yield columns of one row that the type takes, the plainest first; see `value_variants` for `beside`."""
    if isinstance(of, Scalar):
        for dtype, value in _CELLS[of]:
            yield pd.Series([value], dtype=dtype)
        return
    if isinstance(of, AnyType):
        yield pd.Series(["text"], dtype="str")
        yield pd.Series([7], dtype="int64")
    for value in value_variants(of, beside=beside):
        # A list handed over as it is would become several rows.
        cell = np.empty(1, dtype=object)
        cell[0] = value
        yield pd.Series(cell)


def example_value(of: Type) -> Any:
    """Return the plainest nested value that the type takes."""
    return next(value_variants(of))


def value_variants(of: Type, *, beside: Type | None = None) -> Iterator[Any]:
    """Yield nested values that the type takes, each departing from the plainest in one place.

    Args:
        beside: another type; where the two part, variants come first.
    """
    match of:
        case AnyType():
            yield from _ANYTHING
        case Array():
            yield from _array_variants(of, beside.items if isinstance(beside, Array) else None)
        case Object():
            yield from _object_variants(of, beside if isinstance(beside, Object) else None)
        case Map():
            inner = beside.values if isinstance(beside, Map) else None  # noqa: PD011 - a map's, not a table's
            for value in value_variants(of.values, beside=inner):
                yield {_MISSING_KEY: value}
            yield {}
        case _:
            yield from _NESTED[of]


def _array_variants(of: Array, beside: Type | None) -> Iterator[Any]:
    for value in value_variants(of.items, beside=beside):
        # A bare list would lose the width of its numbers.
        yield np.array([value]) if isinstance(value, np.generic) else [value]
    yield []
    if isinstance(of.items, Array | AnyType):
        # MLflow takes a matrix for a list of lists.
        yield np.array([[7]]) if isinstance(of.items, AnyType) else np.array([example_value(of.items)])


def _object_variants(of: Object, beside: Object | None) -> Iterator[dict[str, Any]]:
    plain = {part.name: example_value(part.type) for part in of.properties}
    yield plain
    others = {part.name: part for part in beside.properties} if beside else {}
    for part in sorted(of.properties, key=lambda part: others.get(part.name) == part):
        if not part.is_required:
            yield {name: value for name, value in plain.items() if name != part.name}
            yield {**plain, part.name: None}
        other = others.get(part.name)
        for value in value_variants(part.type, beside=other.type if other else None):
            yield {**plain, part.name: value}


def example_array(tensor: Tensor, *, free_length: int = FREE_LENGTH) -> np.ndarray[Any, Any]:
    """Return an array that the tensor's declaration takes, filled with what passes for no other type."""
    shape = tuple(free_length if length == -1 else length for length in tensor.shape)
    dtype = np.dtype(tensor.dtype)
    return np.full(shape, _BY_KIND.get(dtype.kind, _PLAINEST), dtype=dtype)
