"""Conforming a table to a signature: order, declared defaults and safe casts, with every change listed.

What would lose something is refused, unless the caller allows it for that column by name; what would have to be
invented is always refused. Laws: conforming twice changes nothing the second time; what conforms passes MLflow's own
enforcement.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from services.errors import InvalidInput
from services.signatures.casts import CannotCast, cast_column, cast_numbers
from services.signatures.check import CheckResult, Problem, ProblemKind, check
from services.signatures.nested_casts import cast_nested_column
from services.signatures.rules import shown
from services.signatures.tensor_dtypes import scalar_of
from services.signatures.values import AnyType, Column, Columns, Scalar, Signature, Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """One thing that was done; `lost` says what the caller allowed to be lost, and is empty otherwise."""

    column: str
    what: str
    lost: str = ""

    def to_json(self) -> dict[str, str]:
        """Return it as JSON."""
        return {"column": self.column, "what": self.what, "lost": self.lost}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conformed:
    """A table that MLflow takes, or the reasons why there is none."""

    frame: pd.DataFrame | None
    adjustments: tuple[Adjustment, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there is a table that MLflow takes."""
        return self.frame is not None

    def to_json(self) -> dict[str, Any]:
        """Return what was done, without the table."""
        return {
            "ok": self.ok,
            "changes": [adjustment.to_json() for adjustment in self.adjustments],
            "problems": [problem.to_json() for problem in self.problems],
        }


def conform(
    signature: Signature,
    frame: pd.DataFrame,
    *,
    allow: Collection[str] = (),
    defaults: Mapping[str, Any] | None = None,
) -> Conformed:
    """Return the table as the signature declares it.

    Args:
        allow: columns that may lose digits, fractions, time zones or undeclared properties.
        defaults: values for declared columns that the table does not have; without one, an optional column stays out.

    Raises:
        InvalidInput: the signature declares no inputs, or `allow` or `defaults` name a column it does not have.
    """
    if signature.inputs is None:
        raise InvalidInput(
            "The signature declares no inputs, so no data can be conformed to it.",
            next_step="Log the model with a signature of its inputs.",
        )
    work = _Work(frame, frozenset(allow), dict(defaults or {}))
    if isinstance(signature.inputs, Columns):
        columns = signature.inputs
        work.check_names([_label(column, index) for index, column in enumerate(columns.columns)])
        conformed = work.named(columns) if columns.is_named else work.unnamed(columns)
    else:
        tensor = signature.inputs.tensors[0]
        conformed = work.tensor(tensor) if not signature.inputs.is_named else frame
    checked = check(signature, conformed) if not work.problems else CheckResult(problems=tuple(work.problems))
    refusals = tuple(problem for problem in checked.problems if problem.is_refusal)
    return Conformed(frame=None if refusals else conformed, adjustments=tuple(work.adjustments), problems=refusals)


def conform_chunks(
    signature: Signature,
    chunks: Iterable[pd.DataFrame],
    *,
    allow: Collection[str] = (),
    defaults: Mapping[str, Any] | None = None,
) -> Iterator[Conformed]:
    """Yield each table conformed, so that data of any size can be scored part by part; raises as `conform`."""
    for chunk in chunks:
        yield conform(signature, chunk, allow=allow, defaults=defaults)


def text_columns(signature: Signature) -> frozenset[str]:
    """Return the columns that a CSV file must be read with as text, so that `007` does not become 7."""
    if not isinstance(signature.inputs, Columns):
        return frozenset()
    wanted = {Scalar.STRING, Scalar.BINARY, Scalar.DATETIME}
    return frozenset(str(column.name) for column in signature.inputs.columns if column.type in wanted)


def _label(column: Column, index: int) -> str:
    return str(index if column.name is None else column.name)


class _Work:
    """One table on its way, with what was done to it and what stands in the way."""

    def __init__(self, frame: pd.DataFrame, allow: frozenset[str], defaults: dict[str, Any]) -> None:
        self.frame = frame
        self.allow = allow
        self.defaults = defaults
        self.adjustments: list[Adjustment] = []
        self.problems: list[Problem] = []

    def check_names(self, declared: Collection[str]) -> None:
        unknown = sorted({*self.allow, *self.defaults} - set(declared))
        if unknown:
            raise InvalidInput(
                f"The signature has no column {unknown[0]!r}.",
                next_step=f"Name one of {', '.join(sorted(declared)[:10])}.",
            )

    def named(self, declared: Columns) -> pd.DataFrame:
        if not self.frame.columns.is_unique:
            twice = self.frame.columns[self.frame.columns.duplicated()][0]
            self._refuse(str(twice), ProblemKind.EXTRA, "one column", "several of that name", f"Keep one {twice!r}.")
            return self.frame
        present = set(self.frame.columns)
        series: dict[Any, pd.Series[Any]] = {}
        for column in declared.columns:
            if column.name in present:
                series[column.name] = self._cast(column, self.frame[column.name], str(column.name))
            elif str(column.name) in self.defaults:
                series[column.name] = self._fill(column)
            elif column.is_required:
                self._refuse(
                    str(column.name),
                    ProblemKind.MISSING,
                    shown(column.type),
                    "nothing",
                    f"Add {column.name!r} to the data, or declare a default for it.",
                )
        self._tell_order([column.name for column in declared.columns])
        return pd.DataFrame(series, index=self.frame.index)

    def unnamed(self, declared: Columns) -> pd.DataFrame:
        width, found = len(declared.columns), len(self.frame.columns)
        if found < width:
            fix = "Give one column for each that is declared, in the declared order."
            self._refuse(str(found), ProblemKind.MISSING, f"{width} columns", f"{found} columns", fix)
            return self.frame
        if found > width:
            self._tell("*", f"columns after the first {width} left out")
        series = {
            index: self._cast(column, self.frame.iloc[:, index], str(index))
            for index, column in enumerate(declared.columns)
        }
        labels = self.frame.columns[:width]
        conformed = pd.DataFrame(series, index=self.frame.index)
        return conformed.set_axis(labels if labels.is_unique else range(width), axis="columns")

    def tensor(self, tensor: Tensor) -> pd.DataFrame:
        series = {}
        for index, label in enumerate(self.frame.columns):
            column = self.frame.iloc[:, index]
            if len(self.frame.columns) > 1 and str(column.dtype) != tensor.dtype:
                column = self._cast_tensor(tensor, column, str(label))
            series[index] = column
        conformed = pd.DataFrame(series, index=self.frame.index)
        conformed.columns = self.frame.columns
        if 0 in conformed.index or not len(conformed):
            return conformed
        self._tell("*", "rows labelled anew from 0")
        return conformed.reset_index(drop=True)

    def _cast_tensor(self, tensor: Tensor, column: pd.Series[Any], name: str) -> pd.Series[Any]:
        of = scalar_of(tensor.dtype)
        dtype = np.dtype(tensor.dtype)
        try:
            cast = cast_numbers(column, dtype) if dtype.kind in "iuf" or of is None else cast_column(column, of)
        except (CannotCast, TypeError) as error:
            self._refuse(name, ProblemKind.TYPE, tensor.dtype, str(error), "Correct the data.")
            return column
        return self._accept(name, cast.series, f"{column.dtype} cast to {tensor.dtype}", cast.loses, tensor.dtype)

    def _cast(self, column: Column, series: pd.Series[Any], name: str) -> pd.Series[Any]:
        if isinstance(column.type, AnyType):
            return series
        try:
            if isinstance(column.type, Scalar):
                cast = cast_column(series, column.type)
            else:
                cast = cast_nested_column(series, column.type, is_required=column.is_required)
        except CannotCast as error:
            fix = "Correct the data; nothing safe can be done for it."
            self._refuse(name, ProblemKind.TYPE, shown(column.type), str(error), fix)
            return series
        return self._accept(name, cast.series, cast.how, cast.loses, shown(column.type))

    def _accept(self, name: str, series: pd.Series[Any], how: str, loses: str, expected: str) -> pd.Series[Any]:
        if loses and name not in self.allow:
            fix = f"Allow it for this column by name ({name!r}) if that is meant, or correct the data."
            self._refuse(name, ProblemKind.TYPE, expected, f"a cast would lose {loses}", fix)
        elif how:
            self._tell(name, how, loses)
        return series

    def _fill(self, column: Column) -> pd.Series[Any]:
        value = self.defaults[str(column.name)]
        filled = pd.Series([value] * len(self.frame), index=self.frame.index, dtype=object)
        series = self._cast(column, filled.infer_objects(), str(column.name))
        self._tell(str(column.name), f"filled with the declared default {value!r}")
        return series

    def _tell_order(self, names: list[str | int | None]) -> None:
        present = [label for label in self.frame.columns if label in set(names)]
        extra = [str(label) for label in self.frame.columns if label not in set(names)]
        if extra:
            self._tell("*", f"left out, as it is not declared: {', '.join(extra[:20])}")
        if present != [name for name in names if name in set(present)]:
            self._tell("*", "columns put into the declared order")

    def _tell(self, column: str, what: str, lost: str = "") -> None:
        self.adjustments.append(Adjustment(column=column, what=what, lost=lost))

    def _refuse(self, column: str, kind: ProblemKind, expected: str, found: str, fix: str) -> None:
        self.problems.append(Problem(column=column, kind=kind, expected=expected, found=found, fix=fix))
