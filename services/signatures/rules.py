"""What a set of rules must answer about one difference; requests and answers are judged by different rules."""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

from services.signatures.values import Columns, Scalar, Tensor, Tensors, Type
from services.signatures.verdicts import Judged, Side

MAX_SHOWN = 200


class Place(Enum):
    """Where a value stands: MLflow treats a column's cells, a list's items and a nested field differently."""

    COLUMN = auto()
    ITEM = auto()
    FIELD = auto()


class Rules(Protocol):
    """Judges differences, given in the order old, new, on one side of a signature."""

    side: Side

    def added(self, place: Place, *, is_required: bool, is_named: bool) -> Judged:
        """Judge a column or property that only the new schema has."""

    def removed(self, place: Place, *, is_named: bool) -> Judged:
        """Judge a column or property that only the old schema has."""

    def made_required(self) -> Judged:
        """Judge a column or property that may no longer be left out."""

    def made_optional(self) -> Judged:
        """Judge a column or property that may now be left out."""

    def reordered(self) -> Judged:
        """Judge a named column that stands elsewhere among the others."""

    def scalars(self, old: Scalar, new: Scalar, place: Place) -> Judged:
        """Judge one plain type in place of another."""

    def structures(self, old: Type, new: Type, place: Place, *, is_nullable: bool) -> Judged:
        """Judge types of different structure, such as a list in place of a text."""

    def relabelled(self, old: Columns, new: Columns) -> Judged:
        """Judge columns that lost or gained their names."""

    def to_tensors(self, old: Columns, new: Tensors) -> Judged:
        """Judge a table that became arrays."""

    def to_columns(self, old: Tensors, new: Columns) -> Judged:
        """Judge arrays that became a table."""

    def renamed_tensors(self, old: Tensors, new: Tensors) -> Judged:
        """Judge one unnamed array that became named ones, or the other way round."""

    def tensor_dtypes(self, old: Tensor, new: Tensor) -> Judged:
        """Judge one dtype in place of another."""

    def tensor_shapes(self, old: Tensor, new: Tensor) -> Judged:
        """Judge one shape in place of another."""


def shown(value: object) -> str:
    """Return a type as text that fits on a page."""
    text = str(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"
