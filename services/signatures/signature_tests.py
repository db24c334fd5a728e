"""Tests of a signature, as data: what the loaded model must take and what it must refuse (practice 2, "test it").

They are drawn from the signature alone. A child in the sandbox rebuilds each table, calls `predict` and reports;
nothing here loads a model. What each demands is what our own check says, so no test demands the impossible.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from services.signatures.check import check
from services.signatures.examples import example_frame
from services.signatures.values import AnyType, Column, Columns, Scalar, Signature

MAX_TESTS = 200


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
    """Return the tests of a table's signature: a valid example, each required column left out, each plain type wrong.

    Columns of nested or binary types are left out where they are optional; a signature that requires one, or of
    arrays, has no such tests.
    """
    declared = _plain_columns(signature)
    if declared is None:
        return ()
    tests: list[SignatureTest] = []
    for name, frame in _cases(declared):
        if len(tests) == MAX_TESTS:
            break
        tests.append(_test(name, frame, is_accepted=check(signature, frame).ok))
    return tuple(tests)


def _plain_columns(signature: Signature) -> Columns | None:
    if not isinstance(signature.inputs, Columns):
        return None
    kept = tuple(column for column in signature.inputs.columns if column.is_required or _is_plain(column))
    return Columns(columns=kept) if kept and all(map(_is_plain, kept)) else None


def _is_plain(column: Column) -> bool:
    if isinstance(column.type, Scalar):
        return column.type is not Scalar.BINARY
    return isinstance(column.type, AnyType)


def _cases(declared: Columns) -> Iterator[tuple[str, pd.DataFrame]]:
    valid = example_frame(declared)
    yield "a valid example", valid
    for index, column in enumerate(declared.columns):
        label = index if column.name is None else column.name
        yield f"without {'' if column.is_required else 'the optional '}{label}", valid.drop(columns=[label])
    for index, column in enumerate(declared.columns):
        if isinstance(column.type, Scalar):
            label = index if column.name is None else column.name
            wrong = valid.copy()
            wrong[label] = pd.Series(["text"] if column.type is Scalar.BOOLEAN else [True])
            yield f"{label} of another type", wrong


def _test(name: str, frame: pd.DataFrame, *, is_accepted: bool) -> SignatureTest:
    return SignatureTest(
        name=name,
        columns=tuple(frame.columns),
        dtypes=tuple(str(dtype) for dtype in frame.dtypes),
        rows=tuple(
            tuple(str(cell) if isinstance(cell, pd.Timestamp) else cell for cell in row)
            for row in frame.itertuples(index=False, name=None)
        ),
        is_accepted=is_accepted,
    )
