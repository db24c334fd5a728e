"""Tests of a signature, as data: what the loaded model must take and what it must refuse (practice 2, "test it").

They are drawn from the signature alone. A child in the sandbox rebuilds each table, calls `predict` and reports;
nothing here loads a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pandas as pd

from services.signatures.examples import column_variants
from services.signatures.values import AnyType, Column, Columns, Scalar, Signature, column_by_label

MAX_TESTS = 200

_Row = dict[str | int, tuple[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureTest:
    """One table for `predict`, and whether the model must take it. `rows` are JSON, `dtypes` tell what they mean."""

    name: str
    columns: tuple[str | int, ...]
    dtypes: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    is_accepted: bool

    def to_frame(self) -> pd.DataFrame:
        """Return the table itself."""
        series = {
            label: pd.Series([row[index] for row in self.rows], dtype=dtype)
            for index, (label, dtype) in enumerate(zip(self.columns, self.dtypes, strict=True))
        }
        return pd.DataFrame(series)

    def to_json(self) -> dict[str, Any]:
        """Return the test as JSON, for the child that runs it."""
        return {
            "name": self.name,
            "columns": list(self.columns),
            "dtypes": list(self.dtypes),
            "rows": [list(row) for row in self.rows],
            "is_accepted": self.is_accepted,
        }


def list_signature_tests(signature: Signature) -> tuple[SignatureTest, ...]:
    """Return the tests of a table's signature: a valid example, each column left out, each plain type wrong.

    Columns of nested or binary types are left out where they are optional; a signature that requires one, or of
    arrays, has no such tests.
    """
    declared = _plain_columns(signature)
    return tuple(islice(_tests(declared), MAX_TESTS)) if declared else ()


def _plain_columns(signature: Signature) -> Columns | None:
    if not isinstance(signature.inputs, Columns):
        return None
    kept = tuple(column for column in signature.inputs.columns if column.is_required or _is_plain(column))
    return Columns(columns=kept) if kept and all(map(_is_plain, kept)) else None


def _is_plain(column: Column) -> bool:
    if isinstance(column.type, Scalar):
        return column.type is not Scalar.BINARY
    return isinstance(column.type, AnyType)


def _tests(declared: Columns) -> Iterator[SignatureTest]:
    valid: _Row = {label: _cell(column) for label, column in column_by_label(declared).items()}
    yield _test("a valid example", valid, is_accepted=True)
    for label, column in zip(valid, declared.columns, strict=True):
        without = {other: cell for other, cell in valid.items() if other != label}
        name = f"without {'' if column.is_required else 'the optional '}{label}"
        yield _test(name, without, is_accepted=not column.is_required)
    for label, column in zip(valid, declared.columns, strict=True):
        if isinstance(column.type, Scalar):
            wrong = ("str", "text") if column.type is Scalar.BOOLEAN else ("bool", True)
            yield _test(f"{label} of another type", {**valid, label: wrong}, is_accepted=False)


def _cell(column: Column) -> tuple[str, Any]:
    series = next(column_variants(column.type))
    value = series[0]
    return str(series.dtype), str(value) if isinstance(value, pd.Timestamp) else getattr(value, "item", lambda: value)()


def _test(name: str, row: _Row, *, is_accepted: bool) -> SignatureTest:
    return SignatureTest(
        name=name,
        columns=tuple(row),
        dtypes=tuple(dtype for dtype, _ in row.values()),
        rows=(tuple(value for _, value in row.values()),),
        is_accepted=is_accepted,
    )
