"""Checking data against a signature: `ok` is what MLflow 3.17.2's own `predict` enforcement says of that data.

All problems are listed, not only the first. Some are no refusal: columns that nobody declared are ignored, and named
columns may come in any order; they are told all the same, because people rarely mean them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from services.errors import InvalidInput
from services.signatures.nested_values import find_refusal
from services.signatures.remedies import remedy_of
from services.signatures.rules import shown
from services.signatures.series_check import find_series_refusal
from services.signatures.tensor_check import find_frame_refusals, find_tensor_refusal
from services.signatures.values import AnyType, Array, Column, Columns, Object, Scalar, Signature, Tensors

MAX_NAMES = 20

Data = pd.DataFrame | np.ndarray[Any, Any] | Mapping[str, np.ndarray[Any, Any]]


class ProblemKind(StrEnum):
    """What is wrong with a column."""

    MISSING = "missing"
    EXTRA = "extra"
    TYPE = "type"
    ORDER = "order"
    NULL = "null"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to know about a column; `is_refusal` tells whether MLflow refuses the data for it."""

    column: str
    kind: ProblemKind
    expected: str
    found: str
    fix: str
    is_refusal: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the problem in the form of the public interface."""
        return {
            "column": self.column,
            "kind": self.kind,
            "expected": self.expected,
            "found": self.found,
            "fix": self.fix,
            "is_refusal": self.is_refusal,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What MLflow does with the data, and every problem there is."""

    problems: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether `predict` takes the data."""
        return not any(problem.is_refusal for problem in self.problems)

    def to_json(self) -> dict[str, Any]:
        """Return the result in the form of the public interface."""
        return {"ok": self.ok, "problems": [problem.to_json() for problem in self.problems]}


def check(signature: Signature, data: Data) -> CheckResult:
    """Return what MLflow would do with `data` under `signature`, and all that is wrong with it.

    Raises:
        InvalidInput: the signature declares no inputs, so there is nothing to check against.
    """
    if signature.inputs is None:
        raise InvalidInput(
            "The signature declares no inputs, so no data can be checked against it.",
            next_step="Log the model with a signature of its inputs, then check again.",
        )
    if isinstance(signature.inputs, Tensors):
        return CheckResult(problems=tuple(_check_tensors(signature.inputs, data)))
    frame = data if isinstance(data, pd.DataFrame) else _to_frame(signature.inputs, data)
    if frame is None:
        return CheckResult(problems=(_problem("*", ProblemKind.TYPE, "a table", "an array of other dimensions"),))
    if signature.inputs.is_named:
        return CheckResult(problems=tuple(_check_named(signature.inputs, frame)))
    return CheckResult(problems=tuple(_check_unnamed(signature.inputs, frame)))


def _to_frame(
    declared: Columns, data: np.ndarray[Any, Any] | Mapping[str, np.ndarray[Any, Any]]
) -> pd.DataFrame | None:
    is_one_row = isinstance(data, Mapping) and any(
        isinstance(column.type, Array | Object) for column in declared.columns
    )
    if isinstance(data, Mapping) and not is_one_row:
        data = {name: values.tolist() if values.ndim > 1 else values for name, values in data.items()}
    try:
        return pd.DataFrame([data] if is_one_row else data)
    except ValueError:
        return None


def _check_named(declared: Columns, frame: pd.DataFrame) -> list[Problem]:
    problems = []
    counts = frame.columns.value_counts() if not frame.columns.is_unique else None
    present = set(frame.columns)
    for column in declared.columns:
        if column.name not in present:
            if column.is_required:
                problems.append(_problem(column.name, ProblemKind.MISSING, shown(column.type), "nothing"))
        elif counts is not None and counts[column.name] > 1:
            problems.append(_problem(column.name, ProblemKind.EXTRA, "one column", f"{counts[column.name]} columns"))
        else:
            problems.extend(_check_column(column, frame[column.name], str(column.name)))
    names = [column.name for column in declared.columns]
    return [*problems, *_told_extra(names, frame), *_told_order(names, frame)]


def _check_unnamed(declared: Columns, frame: pd.DataFrame) -> list[Problem]:
    width = len(declared.columns)
    if len(frame.columns) < width:
        found = f"{len(frame.columns)} columns"
        return [_problem(str(len(frame.columns)), ProblemKind.MISSING, f"{width} columns", found)]
    problems = []
    for index, column in enumerate(declared.columns):
        label = frame.columns[index]
        if not frame.columns.is_unique and isinstance(frame[label], pd.DataFrame):
            problems.append(_problem(str(index), ProblemKind.EXTRA, "one column", f"several named {label!r}"))
        else:
            problems.extend(_check_column(column, frame[label], str(index)))
    return [*problems, *_told_beyond(frame, width)]


def _check_column(column: Column, series: pd.Series[Any], name: str) -> list[Problem]:
    if isinstance(column.type, AnyType):
        return []
    if isinstance(column.type, Scalar):
        refusal = find_series_refusal(series, column.type)
        return [_problem(name, ProblemKind(refusal.kind), column.type, refusal.found)] if refusal else []
    for row, value in enumerate(series):
        found = find_refusal(value, column.type, is_required=column.is_required)
        if found:
            dot = "" if found.path[:1] in {"", "[", "{"} else "."
            where = f"{found.found} in row {row}"
            return [_problem(f"{name}{dot}{found.path}", ProblemKind(found.kind), shown(found.expected), where)]
    return []


def _told_extra(names: Sequence[str | int | None], frame: pd.DataFrame) -> list[Problem]:
    declared = set(names)
    extra = [(label, dtype) for label, dtype in frame.dtypes.items() if label not in declared]
    return [_told(label, ProblemKind.EXTRA, "nothing", str(dtype)) for label, dtype in extra[:MAX_NAMES]]


def _told_beyond(frame: pd.DataFrame, width: int) -> list[Problem]:
    return [
        _told(label, ProblemKind.EXTRA, f"{width} columns", f"column {width + index + 1}")
        for index, label in enumerate(frame.columns[width : width + MAX_NAMES])
    ]


def _told_order(names: Sequence[str | int | None], frame: pd.DataFrame) -> list[Problem]:
    present = set(frame.columns)
    expected = [name for name in names if name in present]
    declared = set(names)
    found = [label for label in frame.columns if label in declared]
    moved = next((label for label, name in zip(found, expected, strict=False) if label != name), None)
    if moved is None:
        return []
    return [_told(moved, ProblemKind.ORDER, _listed(expected), _listed(found))]


def _listed(names: Sequence[Any]) -> str:
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(str(name) for name in names[:MAX_NAMES]) + more


def _check_tensors(declared: Tensors, data: Data) -> list[Problem]:
    if isinstance(data, pd.DataFrame):
        refusals = find_frame_refusals(declared, data)
        return [_problem(name, ProblemKind(kind), expected, found) for name, kind, expected, found in refusals]
    if not declared.is_named:
        if not isinstance(data, np.ndarray):
            return [_problem("*", ProblemKind.TYPE, str(declared.tensors[0]), "a mapping of arrays")]
        given: Mapping[Any, Any] = {None: data}
    elif isinstance(data, np.ndarray):
        # MLflow gives one array the only name there is.
        given = {declared.tensors[0].name: data} if len(declared.tensors) == 1 else {}
    else:
        given = data
    problems = []
    for tensor in declared.tensors:
        name = "0" if tensor.name is None else str(tensor.name)
        if tensor.name not in given:
            problems.append(_problem(name, ProblemKind.MISSING, str(tensor), "nothing"))
        elif found := find_tensor_refusal(tensor, given[tensor.name]):
            problems.append(_problem(name, ProblemKind.TYPE, str(tensor), found))
    known = {tensor.name for tensor in declared.tensors}
    extra = [name for name in given if name not in known] if declared.is_named else []
    return [*problems, *(_told(name, ProblemKind.EXTRA, "nothing", "an array") for name in extra[:MAX_NAMES])]


def _problem(column: object, kind: ProblemKind, expected: str, found: str) -> Problem:
    name = str(column)
    return Problem(column=name, kind=kind, expected=expected, found=found, fix=remedy_of(name, kind, expected, found))


def _told(column: object, kind: ProblemKind, expected: str, found: str) -> Problem:
    name = str(column)
    fix = remedy_of(name, kind, expected, found)
    return Problem(column=name, kind=kind, expected=expected, found=found, fix=fix, is_refusal=False)
