"""Conditions on a whole frame, as arrays: the same two answers as in `rows`, a million rows at a time."""

from __future__ import annotations

from typing import Any, assert_never

import numpy as np
import pandas as pd

from services.errors import InvalidInput
from services.policies import rows
from services.policies.conditions import (
    AllOf,
    AnyOf,
    Condition,
    EqualityComparison,
    MembershipComparison,
    Not,
    NumberComparison,
    PresenceComparison,
    members,
)

Mask = np.ndarray[Any, np.dtype[np.bool_]]


class FrameTest:
    """Evaluates conditions on one frame; a column is converted once, however many rules read it.

    Where nothing is missing, both answers are one and the same array.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame
        self._numbers: dict[str, tuple[np.ndarray[Any, np.dtype[np.float64]], Mask | None]] = {}
        self._missing: dict[str, Mask] = {}

    def answer(self, condition: Condition) -> tuple[Mask, Mask]:
        """Return (is true, may be true) for every row."""
        if isinstance(condition, AllOf | AnyOf):
            inner = condition.all if isinstance(condition, AllOf) else condition.any
            join = np.logical_and if isinstance(condition, AllOf) else np.logical_or
            return _join([self.answer(each) for each in inner], join)
        if isinstance(condition, Not):
            is_true, may_be = self.answer(condition.negated)
            negated = ~may_be
            return negated, negated if may_be is is_true else ~is_true
        if isinstance(condition, PresenceComparison):
            missing = self._missing_in(condition.column)
            answer = missing if condition.operator == "missing" else ~missing
            return answer, answer
        if isinstance(condition, NumberComparison):
            return self._compare(condition)
        return self._look_up(condition)

    def _compare(self, condition: NumberComparison) -> tuple[Mask, Mask]:
        numbers, missing = self._numbers_of(condition.column)
        match condition.operator:
            case "above":
                holds = numbers > condition.value
            case "at_least":
                holds = numbers >= condition.value
            case "below":
                holds = numbers < condition.value
            case "at_most":
                holds = numbers <= condition.value
            case _:
                assert_never(condition.operator)
        # NaN compares as false, so where a value is missing the condition is not true already.
        return holds, holds if missing is None else holds | missing

    def _look_up(self, condition: EqualityComparison | MembershipComparison) -> tuple[Mask, Mask]:
        column, values = condition.column, members(condition)
        wanted = condition.operator in {"equals", "in"}
        if values and isinstance(values[0], int | float) and not isinstance(values[0], bool):
            numbers, missing = self._numbers_of(column)
            found: Mask = np.isin(numbers, np.asarray(values, dtype=np.float64))
        else:
            found, missing = self._find_labels(column, values)
        holds = found if wanted else ~found
        if missing is None:
            return holds, holds
        return holds & ~missing, holds | missing

    def _find_labels(self, column: str, values: tuple[Any, ...]) -> tuple[Mask, Mask | None]:
        series = self._frame[column]
        missing = self._missing_in(column)
        as_wanted = rows.as_switch if values and isinstance(values[0], bool) else rows.as_text
        if isinstance(series.dtype, pd.CategoricalDtype):
            labels = [as_wanted(column, label) for label in series.cat.categories]
            among = np.array([*(label in values for label in labels), False], dtype=bool)
            found = among[series.cat.codes.to_numpy()]
        elif _is_of(series, as_wanted):
            found = series.isin(list(values)).to_numpy(dtype=bool)
        else:
            wanted = frozenset(values)
            cells = zip(series, missing, strict=True)
            flags = (not is_absent and as_wanted(column, cell) in wanted for cell, is_absent in cells)
            found = np.fromiter(flags, dtype=bool, count=len(series))
        return found, missing if missing.any() else None

    def _numbers_of(self, column: str) -> tuple[np.ndarray[Any, np.dtype[np.float64]], Mask | None]:
        if column not in self._numbers:
            numbers = as_numbers(column, self._frame[column])
            missing = np.isnan(numbers)
            self._numbers[column] = numbers, missing if missing.any() else None
        return self._numbers[column]

    def _missing_in(self, column: str) -> Mask:
        if column not in self._missing:
            self._missing[column] = self._frame[column].isna().to_numpy(dtype=bool)
        return self._missing[column]


def as_numbers(column: str, series: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a column as doubles, NaN where a value is missing.

    Raises:
        InvalidInput: a cell is no number.
    """
    if pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_complex_dtype(series.dtype):
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    numbers = (np.nan if rows.is_missing(cell) else rows.as_number(column, cell) for cell in series)
    return np.fromiter(numbers, dtype=np.float64, count=len(series))


def check_scores(scores: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return scores as doubles.

    Raises:
        InvalidInput: one of them is missing or outside 0 to 1; nothing is decided on absence.
    """
    checked = as_numbers("score", scores)
    is_score = (checked >= 0) & (checked <= 1)
    if not is_score.all():
        row = int(np.argmin(is_score))
        shown = "missing" if np.isnan(checked[row]) else f"{checked[row]:g}"
        raise InvalidInput(
            f"The score of row {row + 1} is {shown}; {int((~is_score).sum())} of {len(checked)} are not from 0 to 1.",
            next_step="Decide only on scores that the model gave, from 0 to 1.",
        )
    return checked


def _is_of(series: pd.Series[Any], as_wanted: Any) -> bool:
    if as_wanted is rows.as_switch:
        return pd.api.types.is_bool_dtype(series.dtype)
    return isinstance(series.dtype, pd.StringDtype)


def _join(answers: list[tuple[Mask, Mask]], join: np.ufunc) -> tuple[Mask, Mask]:
    is_true = join.reduce([each for each, _ in answers])
    if all(may_be is first for first, may_be in answers):
        return is_true, is_true
    return is_true, join.reduce([may_be for _, may_be in answers])
