"""Which values MLflow 3.17.2 takes for a param of `predict` (`_enforce_param_datatype`), from Python and from JSON.

A narrower number is taken for a wider one, nothing else is converted but texts to times; None always passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.signatures.values import Object, Param, Scalar

# Kinds of values by what `type(value)` is exactly, as MLflow tells them apart.
_INTEGERS = frozenset({"int", "int32"})
_LONGS = _INTEGERS | {"int64"}
ACCEPTED: Mapping[Scalar, frozenset[str]] = {
    Scalar.BOOLEAN: frozenset({"bool", "bool_"}),
    Scalar.INTEGER: _INTEGERS,
    Scalar.LONG: _LONGS,
    Scalar.FLOAT: _LONGS | {"float", "float32"},
    Scalar.DOUBLE: _LONGS | {"float", "float32", "float64"},
    Scalar.STRING: frozenset({"str", "str_"}),
    Scalar.DATETIME: frozenset({"date", "datetime", "datetime64", "time text"}),
}
_IN_JSON = frozenset({"bool", "int", "float", "str", "time text"})


def accepted_in_json(of: Scalar) -> frozenset[str]:
    """Return those of the accepted kinds of values that JSON can carry."""
    return ACCEPTED[of] & _IN_JSON


def is_param_value(param: Param, value: Any) -> bool:
    """Return whether MLflow takes `value` for the param.

    >>> threshold = Param(name="threshold", type=Scalar.DOUBLE, default=0.5)
    >>> is_param_value(threshold, 1), is_param_value(threshold, True), is_param_value(threshold, "0.5")
    (True, False, False)
    """
    if isinstance(param.type, Object):
        return _is_object(param.type, value)
    if not param.is_list:
        return _is_scalar(param.type, value)
    return isinstance(value, list) and all(
        not isinstance(item, list) and _is_scalar(param.type, item) for item in value
    )


def _is_scalar(of: Scalar, value: Any) -> bool:
    if value is None:
        return True
    if of is Scalar.DATETIME:
        return _is_moment(value)
    # The name of a NumPy 2 boolean type is `bool` as well.
    return type(value).__name__ in ACCEPTED[of]


def _is_moment(value: Any) -> bool:
    import numpy as np

    try:
        # Nanoseconds come back as a number, which MLflow refuses.
        return not isinstance(np.datetime64(value).item(), int)
    except (ValueError, TypeError, OverflowError):
        return False


def _is_object(of: Object, value: Any) -> bool:
    from services.signatures.nested_values import find_refusal

    return find_refusal(value, of, is_required=True) is None
