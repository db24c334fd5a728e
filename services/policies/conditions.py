"""Conditions over input columns: a closed set of operators, never an expression that is evaluated.

A condition is one comparison, or `all`, `any` and `not` over conditions. Numbers compare as IEEE 754 doubles, text
exactly. A missing value makes a comparison unknown, and unknown is carried as in Kleene's three-valued logic.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

Column = Annotated[str, Field(min_length=1, max_length=200, description="an input column")]
Text = Annotated[str, Field(max_length=1000)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]


class Operator(StrEnum):
    """Everything a comparison can ask."""

    ABOVE = "above"
    AT_LEAST = "at_least"
    BELOW = "below"
    AT_MOST = "at_most"
    EQUALS = "equals"
    DIFFERS = "differs"
    IN = "in"
    NOT_IN = "not_in"
    MISSING = "missing"
    PRESENT = "present"


def _value_shape(value: Any) -> str:
    if isinstance(value, bool):
        return "switch"
    if isinstance(value, int | float):
        return "number"
    return "text"


def _list_shape(value: Any) -> str:
    is_numbers = isinstance(value, list | tuple) and bool(value) and _value_shape(value[0]) == "number"
    return "numbers" if is_numbers else "texts"


Scalar = Annotated[
    Annotated[bool, Tag("switch")] | Annotated[Number, Tag("number")] | Annotated[Text, Tag("text")],
    Discriminator(_value_shape),
]
Members = Annotated[
    Annotated[tuple[Number, ...], Field(min_length=1), Tag("numbers")]
    | Annotated[tuple[Text, ...], Field(min_length=1), Tag("texts")],
    Discriminator(_list_shape),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NumberComparison(_Strict):
    """A number against a bound."""

    column: Column
    operator: Literal["above", "at_least", "below", "at_most"]
    value: Number


class EqualityComparison(_Strict):
    """A value against one other."""

    column: Column
    operator: Literal["equals", "differs"]
    value: Scalar


class MembershipComparison(_Strict):
    """A value against a list, written here or kept as a flag."""

    column: Column
    operator: Literal["in", "not_in"]
    value: Members | None = None
    flag: Word | None = Field(default=None, description="the flag that holds the list, instead of `value`")


class PresenceComparison(_Strict):
    """Whether there is a value at all; never unknown."""

    column: Column
    operator: Literal["missing", "present"]


class AllOf(_Strict):
    """Every condition holds; an empty list would hold for anything, so it is refused."""

    all: tuple[Condition, ...] = Field(min_length=1)


class AnyOf(_Strict):
    """At least one condition holds."""

    any: tuple[Condition, ...] = Field(min_length=1)


class Not(_Strict):
    """The condition does not hold."""

    negated: Condition = Field(alias="not")


_BRANCHES = {
    **dict.fromkeys(("above", "at_least", "below", "at_most"), "number"),
    **dict.fromkeys(("equals", "differs"), "equality"),
    **dict.fromkeys(("in", "not_in"), "membership"),
    **dict.fromkeys(("missing", "present"), "presence"),
}


def _branch(value: Any) -> str | None:
    if not isinstance(value, dict):
        return _BRANCHES[value.operator] if hasattr(value, "operator") else type(value).__name__
    for key, branch in (("all", "AllOf"), ("any", "AnyOf"), ("not", "Not")):
        if key in value:
            return branch
    return _BRANCHES.get(str(value.get("operator")))


Comparison = NumberComparison | EqualityComparison | MembershipComparison | PresenceComparison
Condition = Annotated[
    Annotated[NumberComparison, Tag("number")]
    | Annotated[EqualityComparison, Tag("equality")]
    | Annotated[MembershipComparison, Tag("membership")]
    | Annotated[PresenceComparison, Tag("presence")]
    | Annotated[AllOf, Tag("AllOf")]
    | Annotated[AnyOf, Tag("AnyOf")]
    | Annotated[Not, Tag("Not")],
    Discriminator(
        _branch,
        custom_error_type="condition",
        custom_error_message="this is no condition: write all, any, not, or a column with one of the operators "
        + ", ".join(Operator),
    ),
]
for _model in (AllOf, AnyOf, Not):
    _model.model_rebuild()


def walk(
    condition: Condition, location: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Comparison]]:
    """Yield every comparison in a condition with its place below `location`."""
    if isinstance(condition, Not):
        yield from walk(condition.negated, (*location, "not"))
    elif isinstance(condition, AllOf | AnyOf):
        key = "all" if isinstance(condition, AllOf) else "any"
        inner = condition.all if isinstance(condition, AllOf) else condition.any
        for index, each in enumerate(inner):
            yield from walk(each, (*location, key, index))
    else:
        yield location, condition


def members(condition: EqualityComparison | MembershipComparison) -> tuple[Any, ...]:
    """Return the values that a comparison looks for, all of one type."""
    if isinstance(condition, EqualityComparison):
        return (condition.value,)
    return tuple(condition.value or ())
