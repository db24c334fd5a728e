"""Casting of one column so that MLflow takes it, without losing anything in silence.

Three outcomes: the cast loses nothing; it would lose something that can be named (digits, fractions, a time zone),
which needs leave for that column; or it cannot be done at all. Missing values never become 0, text that is no number is
never turned into one, numbers out of range never wrap, and categories are never encoded: their codes would depend on
the batch.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from services.signatures.series_check import NUMPY_DTYPES, cast_series, find_series_refusal
from services.signatures.values import Scalar

_TRUTH: Mapping[str, bool] = {"true": True, "false": False}
_OBJECT = np.dtype("object")


class CannotCast(ValueError):
    """The column cannot be cast; the text is a clause on why, naming the first value in the way."""


class Cast(NamedTuple):
    """A cast column: what was done, and what was lost (empty if nothing)."""

    series: pd.Series[Any]
    how: str
    loses: str = ""


def cast_column(series: pd.Series[Any], target: Scalar) -> Cast:
    """Return the column as the type, or unchanged (`how` empty) if MLflow takes it as it is.

    Raises:
        CannotCast: no cast is possible, even one that loses something.
    """
    taken, refusal = cast_series(series, target)
    if refusal is None:
        # MLflow would make a column of objects one of the type itself; written out, everyone sees what it made.
        is_written_out = series.dtype == _OBJECT and taken.dtype != _OBJECT
        return (
            Cast(taken, f"object written out as {taken.dtype}", _lost_digits(series))
            if is_written_out
            else Cast(series, "")
        )
    plain = _plain(series)
    if find_series_refusal(plain, target) is None:
        return Cast(plain, f"{series.dtype} written out as {plain.dtype}")
    cast = _CASTS[target](plain)
    return cast._replace(how=f"{series.dtype} cast to {cast.series.dtype}{cast.how}")


def cast_numbers(series: pd.Series[Any], dtype: np.dtype[Any]) -> Cast:
    """Return a column of numbers, truth values or number texts as a NumPy dtype.

    Raises:
        CannotCast: a value is no number, out of range, or missing where the dtype has no way to say so.
    """
    numbers = _numbers(series)
    if dtype.kind in "iu":
        return _to_whole(numbers, dtype)
    return _to_fraction(numbers, dtype)


def _plain(series: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column in NumPy's terms: categories written out, objects looked into."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype) if not series.isna().any() else series.astype(object)
    if isinstance(series.dtype, pd.SparseDtype):
        series = series.astype(series.dtype.subtype)
    return series.infer_objects() if series.dtype == _OBJECT else series


def _lost_digits(series: pd.Series[Any]) -> str:
    """Return which decimal has more digits than a float64 keeps, if any."""
    decimals = (value for value in series if isinstance(value, decimal.Decimal) and value.is_finite())
    longer = [value for value in decimals if decimal.Decimal(repr(float(value))) != value]
    return f"digits of {longer[0]}{_more(len(longer))}" if longer else ""


def _numbers(series: pd.Series[Any]) -> pd.Series[Any]:
    kind = series.dtype.kind
    if kind in "biuf":
        return series
    if kind == "O" and not isinstance(series.dtype, pd.PeriodDtype | pd.IntervalDtype):
        return _parse_numbers(series)
    raise CannotCast(f"{series.dtype} is not a number")


def _parse_numbers(series: pd.Series[Any]) -> pd.Series[Any]:
    present = series.dropna()
    if not all(isinstance(value, str | int | float | decimal.Decimal | np.number) for value in present):
        odd = next(value for value in present if not isinstance(value, str | int | float | decimal.Decimal | np.number))
        raise CannotCast(f"{_shown(odd)} is not a number")
    parsed = pd.to_numeric(series, errors="coerce")
    lost = series[parsed.isna() & series.notna()]
    if len(lost):
        raise CannotCast(f"{_shown(lost.iloc[0])} is not a number{_more(len(lost))}")
    return parsed


def _to_whole(numbers: pd.Series[Any], dtype: np.dtype[Any]) -> Cast:
    missing = int(numbers.isna().sum())
    if missing:
        raise CannotCast(f"{missing} values are missing, and {dtype} cannot hold that; they are never made 0")
    if numbers.dtype.kind == "f" and not np.isfinite(values := numbers.to_numpy(dtype="float64")).all():
        raise CannotCast(f"{values[~np.isfinite(values)][0]} is not a whole number")
    whole = numbers if numbers.dtype.kind in "biu" else np.trunc(numbers)
    limits = np.iinfo(dtype)
    # Compared as Python's integers: 2^63 as a float would pass for the largest int64.
    if len(whole) and not (limits.min <= int(whole.min()) and int(whole.max()) <= limits.max):
        beyond = whole.max() if int(whole.max()) > limits.max else whole.min()
        raise CannotCast(f"{int(beyond)} is out of the range of {dtype}")
    changed = int((whole != numbers).sum())
    example = numbers[whole != numbers].iloc[0] if changed else ""
    loses = f"the fraction of {example}{_more(changed)}" if changed else ""
    return Cast(whole.astype(dtype), "", loses)


def _to_fraction(numbers: pd.Series[Any], dtype: np.dtype[Any]) -> Cast:
    with np.errstate(over="ignore"):
        cast = numbers.astype(dtype)
    present = numbers.notna()
    before, after = numbers[present], cast[present]
    changed = before[_is_changed(before, after)]
    if len(changed) and np.isinf(after[_is_changed(before, after)]).any():
        raise CannotCast(f"{changed.abs().max()} is out of the range of {dtype}")
    loses = f"digits of {changed.iloc[0]}{_more(len(changed))}" if len(changed) else ""
    return Cast(cast, "", loses)


def _is_changed(before: pd.Series[Any], after: pd.Series[Any]) -> Any:
    if before.dtype.kind == "f":
        return before.to_numpy(dtype="float64") != after.to_numpy(dtype="float64")
    exact = 2 ** (np.finfo(str(after.dtype)).nmant + 1)
    large = ((before > exact) | (before < -exact)).to_numpy(dtype=bool)
    changed = np.zeros(len(before), dtype=bool)
    # Only Python's integers compare such numbers exactly.
    for at in np.flatnonzero(large):
        changed[at] = int(after.iloc[at]) != int(before.iloc[at])
    return changed


def _to_truth(series: pd.Series[Any]) -> Cast:
    if series.isna().any():
        raise CannotCast(f"{int(series.isna().sum())} values are missing, and bool cannot hold that")
    if series.dtype.kind in "biuf":
        numbers = series.to_numpy(dtype="float64")
        odd = series[~np.isin(numbers, (0, 1))]
        loses = f"what {odd.iloc[0]} says beyond true{_more(len(odd))}" if len(odd) else ""
        return Cast(pd.Series(numbers != 0, index=series.index, name=series.name), "", loses)
    truth = series.map(lambda value: _TRUTH.get(value.strip().lower()) if isinstance(value, str) else None)
    if truth.isna().any():
        raise CannotCast(f"{_shown(series[truth.isna()].iloc[0])} is neither true nor false")
    return Cast(truth.astype("bool"), "")


def _to_moments(series: pd.Series[Any]) -> Cast:
    if isinstance(series.dtype, pd.DatetimeTZDtype) or _is_aware(series):
        naive = pd.to_datetime(series, utc=True).dt.tz_localize(None)
        return Cast(_in_nanoseconds(naive), ", in UTC", "the time zone")
    if not _is_text(series):
        raise CannotCast(f"{series.dtype} is not a time; how numbers count time is not said")
    parsed = pd.to_datetime(series, format="ISO8601", errors="coerce", utc=True)
    lost = series[parsed.isna() & series.notna()]
    if len(lost):
        raise CannotCast(f"{_shown(lost.iloc[0])} is not an ISO 8601 time{_more(len(lost))}")
    has_zone = series.dropna().astype("str").str.contains(r"(?:Z|[+-]\d{2}:?\d{2})$", regex=True)
    zoned = has_zone & series.dropna().astype("str").str.contains("T| ", regex=True)
    loses = "the time zone" if bool(zoned.any()) else ""
    return Cast(_in_nanoseconds(parsed.dt.tz_localize(None)), ", in UTC" if loses else "", loses)


def _in_nanoseconds(moments: pd.Series[Any]) -> pd.Series[Any]:
    try:
        return moments.astype(NUMPY_DTYPES[Scalar.DATETIME])
    except (ValueError, OverflowError) as error:
        raise CannotCast("a time is out of the range of datetime64[ns], 1677 to 2262") from error


def _is_aware(series: pd.Series[Any]) -> bool:
    kind = pd.api.types.infer_dtype(series, skipna=True)
    return kind == "datetime" and any(getattr(value, "tzinfo", None) is not None for value in series.dropna())


def _is_text(series: pd.Series[Any]) -> bool:
    return pd.api.types.infer_dtype(series, skipna=True) == "string"


def _to_text(series: pd.Series[Any]) -> Cast:
    if series.dtype.kind not in "biufM":
        raise CannotCast(f"{series.dtype} has no one way to be written as text")
    text = series.astype("str").where(series.notna(), None).astype("str")
    return Cast(
        text, "", f"how {series.dropna().iloc[0]!s} was written before it was read" if len(series.dropna()) else ""
    )


def _to_bytes(series: pd.Series[Any]) -> Cast:
    raise CannotCast(f"{series.dtype} is not bytes")


def _number_cast(target: Scalar) -> Callable[[pd.Series[Any]], Cast]:
    return lambda series: cast_numbers(series, NUMPY_DTYPES[target])


def _shown(value: object) -> str:
    return repr(value)[:60]


def _more(count: int) -> str:
    return f" (and {count - 1} more)" if count > 1 else ""


_CASTS: Mapping[Scalar, Callable[[pd.Series[Any]], Cast]] = {
    **{target: _number_cast(target) for target in (Scalar.INTEGER, Scalar.LONG, Scalar.FLOAT, Scalar.DOUBLE)},
    Scalar.BOOLEAN: _to_truth,
    Scalar.DATETIME: _to_moments,
    Scalar.STRING: _to_text,
    Scalar.BINARY: _to_bytes,
}
