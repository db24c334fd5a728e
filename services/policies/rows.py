"""Conditions on one row, compiled to closures: what serving asks thousands of times a second.

Each closure answers two questions of Kleene's logic at once: is it true, and may it be true once missing values are
known. The vectorised form in `frames` and the SQL in `sql` answer the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Number
from typing import Any, assert_never

from services.errors import InvalidInput
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

Row = Mapping[str, Any]
RowTest = Callable[[Row], tuple[bool, bool]]

_TRUE, _FALSE, _UNKNOWN = (True, True), (False, False), (False, True)


def compile_row_test(condition: Condition) -> RowTest:
    """Return the test of a condition: (is true, may be true)."""
    if isinstance(condition, AllOf):
        inner = [compile_row_test(each) for each in condition.all]
        return lambda row: _join([test(row) for test in inner], all)
    if isinstance(condition, AnyOf):
        inner = [compile_row_test(each) for each in condition.any]
        return lambda row: _join([test(row) for test in inner], any)
    if isinstance(condition, Not):
        negated = compile_row_test(condition.negated)
        return lambda row: _negate(negated(row))
    if isinstance(condition, PresenceComparison):
        column, wanted = condition.column, condition.operator == "missing"
        return lambda row: _TRUE if is_missing(row[column]) is wanted else _FALSE
    if isinstance(condition, NumberComparison):
        return _number_test(condition)
    return _value_test(condition)


def is_missing(value: Any) -> bool:
    """Return whether a cell holds nothing: None, a NaN of any type, or one of pandas' markers."""
    if value is None:
        return True
    if type(value) is float:
        return math.isnan(value)
    if isinstance(value, str | int):
        return False
    if type(value).__name__ in {"NAType", "NaTType"}:
        return True
    return isinstance(value, Number) and bool(value != value)  # noqa: PLR0124 - only a NaN differs from itself


def as_number(column: str, value: Any) -> float:
    """Return a cell as a double.

    Raises:
        InvalidInput: it is no number, or a larger one than a double holds.
    """
    if isinstance(value, str | bytes) or not hasattr(value, "__float__"):
        raise _wrong_type(column, value, "a number")
    try:
        return float(value)
    except OverflowError as error:
        raise _wrong_type(column, value, "a number that a double can hold") from error


def as_text(column: str, value: Any) -> str:
    """Return a cell as text.

    Raises:
        InvalidInput: it is no text.
    """
    if not isinstance(value, str):
        raise _wrong_type(column, value, "text")
    return value


def as_switch(column: str, value: Any) -> bool:
    """Return a cell as true or false.

    Raises:
        InvalidInput: it is neither.
    """
    if type(value).__name__ not in {"bool", "bool_"}:
        raise _wrong_type(column, value, "true or false")
    return bool(value)


def _number_test(condition: NumberComparison) -> RowTest:
    column, bound, operator = condition.column, condition.value, condition.operator

    def test(row: Row) -> tuple[bool, bool]:
        value = row[column]
        if is_missing(value):
            return _UNKNOWN
        number = value if type(value) is float else as_number(column, value)
        match operator:
            case "above":
                holds = number > bound
            case "at_least":
                holds = number >= bound
            case "below":
                holds = number < bound
            case "at_most":
                holds = number <= bound
            case _:
                assert_never(operator)
        return _TRUE if holds else _FALSE

    return test


def _value_test(condition: EqualityComparison | MembershipComparison) -> RowTest:
    column = condition.column
    wanted = condition.operator in {"equals", "in"}
    values = frozenset(members(condition))
    convert = _converter(next(iter(values), ""))

    def test(row: Row) -> tuple[bool, bool]:
        value = row[column]
        if is_missing(value):
            return _UNKNOWN
        return _TRUE if (convert(column, value) in values) is wanted else _FALSE

    return test


def _converter(example: Any) -> Callable[[str, Any], Any]:
    if isinstance(example, bool):
        return as_switch
    return as_number if isinstance(example, int | float) else as_text


def _join(answers: list[tuple[bool, bool]], how: Callable[[list[bool]], bool]) -> tuple[bool, bool]:
    return how([is_true for is_true, _ in answers]), how([may_be for _, may_be in answers])


def _negate(answer: tuple[bool, bool]) -> tuple[bool, bool]:
    is_true, may_be = answer
    return not may_be, not is_true


def _wrong_type(column: str, value: Any, wanted: str) -> InvalidInput:
    return InvalidInput(
        f"The column {column!r} holds {str(value)[:40]!r}, and the policy compares it with {wanted}.",
        next_step="Give the column the type that the policy expects, or correct the policy.",
    )
