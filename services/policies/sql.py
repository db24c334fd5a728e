"""Conditions as SQL for DuckDB, so that recorded traffic of any size is read where it lies.

SQL's own logic over NULL is Kleene's, so a condition is one expression: NULL is unknown. Numbers compare as DOUBLE, and
NaN, which DuckDB orders above all numbers, is made NULL first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

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

_OPERATORS = {"above": ">", "at_least": ">=", "below": "<", "at_most": "<="}
_FLOATING = ("FLOAT", "DOUBLE")


def quote_name(name: str) -> str:
    """Return an identifier as SQL writes it.

    >>> quote_name('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Return a text literal.

    >>> quote_text("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


class ConditionSql:
    """Writes conditions over one table.

    Args:
        types: the DuckDB type of each column of the table.
        names: each column that a condition reads with the name it has in the table.
    """

    def __init__(self, *, types: Mapping[str, str], names: Mapping[str, str]) -> None:
        self._types = types
        self._names = names

    def condition(self, condition: Condition) -> str:
        """Return a condition as an expression that is TRUE, FALSE or NULL."""
        if isinstance(condition, AllOf):
            return f"({' AND '.join(self.condition(each) for each in condition.all)})"
        if isinstance(condition, AnyOf):
            return f"({' OR '.join(self.condition(each) for each in condition.any)})"
        if isinstance(condition, Not):
            return f"(NOT {self.condition(condition.negated)})"
        if isinstance(condition, PresenceComparison):
            is_missing = f"({self._cell(condition.column)} IS NULL)"
            return is_missing if condition.operator == "missing" else f"(NOT {is_missing})"
        if isinstance(condition, NumberComparison):
            return f"({self._number(condition.column)} {_OPERATORS[condition.operator]} {condition.value!r})"
        if isinstance(condition, EqualityComparison | MembershipComparison):
            return self._membership(condition)
        assert_never(condition)

    def _membership(self, condition: EqualityComparison | MembershipComparison) -> str:
        values = members(condition)
        cell = self._cell_like(condition.column, values[0] if values else "")
        if not values:
            found = f"(CASE WHEN {cell} IS NOT NULL THEN FALSE END)"
        else:
            # DuckDB compares a dictionary-encoded column with one value at a time faster than with a list.
            found = f"({' OR '.join(f'{cell} = {_literal(value)}' for value in values)})"
        return found if condition.operator in {"equals", "in"} else f"(NOT {found})"

    def _cell_like(self, column: str, example: Any) -> str:
        if isinstance(example, bool):
            return f"TRY_CAST({self._cell(column)} AS BOOLEAN)"
        if isinstance(example, int | float):
            return self._number(column)
        return f"CAST({self._cell(column)} AS VARCHAR)"

    def _number(self, column: str) -> str:
        name, kind = quote_name(self._names[column]), self._type(column)
        if kind == "DOUBLE":
            return f"(CASE WHEN NOT isnan({name}) THEN {name} END)"
        if "INT" in kind:
            return f"CAST({name} AS DOUBLE)"
        number = f"TRY_CAST({name} AS DOUBLE)"
        return f"(CASE WHEN NOT isnan({number}) THEN {number} END)"

    def _cell(self, column: str) -> str:
        name = quote_name(self._names[column])
        return f"(CASE WHEN NOT isnan({name}) THEN {name} END)" if self._type(column) in _FLOATING else name

    def _type(self, column: str) -> str:
        return self._types[self._names[column]].upper()


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return repr(float(value)) if isinstance(value, int | float) else quote_text(value)
