"""NumPy dtypes of tensors by name: their kind and width, and what `np.array(values, dtype)` makes of JSON values.

Scoring casts the `inputs` and `instances` of a request to the tensor's dtype (`convert_data_type`, MLflow 3.17.2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from services.signatures.values import Scalar
from services.signatures.verdicts import Effect, Judgement

_WIDTH = re.compile(r"([a-z]+)(\d*)")
_MANTISSA_BITS: Mapping[str, int] = {"float16": 11, "float32": 24, "float64": 53, "complex64": 24, "complex128": 53}
_WHOLE = frozenset({"int", "uint"})
_FRACTIONS = frozenset({"float", "complex"})
_NUMBERS = _WHOLE | _FRACTIONS
_SCALARS: Mapping[str, Scalar] = {
    "bool": Scalar.BOOLEAN,
    "int32": Scalar.INTEGER,
    "int64": Scalar.LONG,
    "float32": Scalar.FLOAT,
    "float64": Scalar.DOUBLE,
    "str": Scalar.STRING,
    "bytes": Scalar.BINARY,
}


def scalar_of(dtype: str) -> Scalar | None:
    """Return the plain type that says the same as a dtype, or None."""
    return Scalar.DATETIME if dtype.startswith("datetime64") else _SCALARS.get(dtype)


def judge_json_cast(old: str, new: str) -> Judgement:
    """Judge JSON values sent for the dtype `old` that are cast to `new` now.

    >>> judge_json_cast("float64", "int64").effect, judge_json_cast("int32", "float64").effect
    (<Effect.BREAKING: 'breaking'>, <Effect.COMPATIBLE: 'compatible'>)
    """
    if new == "object":
        return Judgement(Effect.COMPATIBLE, "object takes every value as it was sent")
    old_kind, old_bits = _kind(old)
    new_kind, new_bits = _kind(new)
    if old_kind == "bool" and new_kind in _NUMBERS:
        return Judgement(Effect.RISKY, f"true and false are cast to {new} and arrive as 1 and 0")
    if old_kind in _WHOLE and new_kind in _WHOLE:
        return _judge_whole(old, new, fits=_range_fits(old_kind, old_bits, new_kind, new_bits))
    if old_kind in _NUMBERS and new_kind in _FRACTIONS:
        return _judge_fraction(old, new, digits=_MANTISSA_BITS.get(old, old_bits))
    if old_kind in _FRACTIONS and new_kind in _WHOLE:
        return Judgement(Effect.BREAKING, f"values are cast to {new} in silence: 0.5 arrives as 0")
    return Judgement(Effect.BREAKING, f"values sent as {old} are refused, or arrive as something else, as {new}")


def _judge_fraction(old: str, new: str, *, digits: int) -> Judgement:
    if digits <= _MANTISSA_BITS.get(new, 0):
        return Judgement(Effect.COMPATIBLE, f"every {old} is cast to {new} without loss")
    return Judgement(Effect.RISKY, f"values are cast to {new} and rounded in silence")


def _judge_whole(old: str, new: str, *, fits: bool) -> Judgement:
    if fits:
        return Judgement(Effect.COMPATIBLE, f"every {old} is cast to {new} without loss")
    return Judgement(Effect.BREAKING, f"values of {old} outside the range of {new} are refused")


def _range_fits(old_kind: str, old_bits: int, new_kind: str, new_bits: int) -> bool:
    if old_kind == new_kind:
        return old_bits <= new_bits
    return old_kind == "uint" and old_bits < new_bits


def _kind(dtype: str) -> tuple[str, int]:
    found = _WIDTH.match(dtype)
    assert found is not None
    return found[1], int(found[2] or 0)
