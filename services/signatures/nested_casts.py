"""Casting of nested values so that MLflow takes them, without losing anything in silence.

MLflow tells `int` from `float` and NumPy's widths apart inside nested fields and casts nothing there, so a 5 where a
double is declared is refused. Parquet hands lists over as arrays and maps as pairs; both are put right.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from services.signatures.casts import CannotCast, Cast, cast_column
from services.signatures.nested_values import find_refusal
from services.signatures.rules import shown
from services.signatures.values import Array, Map, Object, Scalar, Type


def cast_nested_column(series: pd.Series[Any], of: Type, *, is_required: bool) -> Cast:
    """Return a column of nested values as the type, or unchanged (`how` empty) if MLflow takes it as it is.

    Raises:
        CannotCast: a value has no place in the type.
    """
    work = _Nested()
    cells = np.empty(len(series), dtype=object)
    for row, value in enumerate(series):
        if find_refusal(value, of, is_required=is_required) is None:
            cells[row] = value
        else:
            cells[row] = work.cast(value, of, is_required=is_required, path=f"row {row}")
            work.count += 1
    if not work.count:
        return Cast(series, "")
    return Cast(
        pd.Series(cells, index=series.index, name=series.name),
        f"values cast inside {work.count} rows to {shown(of)}",
        work.loses,
    )


class _Nested:
    """Casts values one by one, and remembers the first thing lost on the way."""

    def __init__(self) -> None:
        self.count = 0
        self.loses = ""

    def cast(self, value: Any, of: Type, *, is_required: bool, path: str) -> Any:
        if find_refusal(value, of, is_required=is_required) is None:
            return value
        match of:
            case Array():
                return self._array(value, of, is_required=is_required, path=path)
            case Object():
                return self._object(value, of, path=path)
            case Map():
                return self._map(value, of, is_required=is_required, path=path)
            case _:
                # Any takes everything, so only a plain type is left.
                assert isinstance(of, Scalar)
                return self._scalar(value, of, path=path)

    def _array(self, value: Any, of: Array, *, is_required: bool, path: str) -> Any:
        if not isinstance(value, list | tuple | np.ndarray) or np.ndim(np.asarray(value, dtype=object)) == 0:
            raise CannotCast(f"{path} is no list but {type(value).__name__}")
        if isinstance(of.items, Scalar):
            return self._items(list(value), of.items, path)
        return [
            self.cast(item, of.items, is_required=is_required, path=f"{path}[{index}]")
            for index, item in enumerate(value)
        ]

    def _items(self, values: list[Any], of: Scalar, path: str) -> Any:
        cast = cast_column(pd.Series(values), of)
        self._remember(cast.loses, path)
        # A bare list would lose the width of 32-bit numbers, and the times.
        return cast.series.to_numpy() if of in _NARROW else cast.series.tolist()

    def _object(self, value: Any, of: Object, *, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise CannotCast(f"{path} is no object but {type(value).__name__}")
        declared = {part.name: part for part in of.properties}
        extra = [name for name in value if name not in declared]
        if any(value[name] is not None for name in extra):
            self._remember(f"the undeclared property {extra[0]!r}", path)
        cast = {}
        for name, part in declared.items():
            if name in value:
                cast[name] = self.cast(value[name], part.type, is_required=part.is_required, path=f"{path}.{name}")
            elif part.is_required:
                raise CannotCast(f"{path} lacks the required property {name!r}")
        return cast

    def _map(self, value: Any, of: Map, *, is_required: bool, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            value = _pairs(value, path)
        if not all(isinstance(key, str) for key in value):
            raise CannotCast(f"{path} has a key that is no text")
        return {
            key: self.cast(inner, of.values, is_required=is_required, path=f"{path}{{{key}}}")
            for key, inner in value.items()
        }

    def _scalar(self, value: Any, of: Scalar, *, path: str) -> Any:
        is_plain = np.isscalar(value) or isinstance(value, pd.Timestamp)
        if not is_plain or pd.Series([value]).isna()[0]:
            raise CannotCast(f"{path} is {'null' if value is None else type(value).__name__}, not {of}")
        cast = cast_column(pd.Series([value]), of)
        self._remember(cast.loses, path)
        number = cast.series.to_numpy()[0]
        return number if of in _NARROW else getattr(number, "item", lambda: number)()

    def _remember(self, loses: str, path: str) -> None:
        if loses and not self.loses:
            self.loses = f"{loses} in {path}"


_NARROW = frozenset({Scalar.INTEGER, Scalar.FLOAT, Scalar.DATETIME})


def _pairs(value: Any, path: str) -> dict[Any, Any]:
    if isinstance(value, list | np.ndarray) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):  # noqa: PLR2004 - a key and a value
        mapping = dict(value)
        if len(mapping) == len(value):
            return mapping
    raise CannotCast(f"{path} is no map but {type(value).__name__}")
