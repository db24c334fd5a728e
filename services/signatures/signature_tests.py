"""Tests of a signature: what the loaded model must take and what it must refuse (practice 2, "test it").

They are drawn from the signature alone. The sandbox sends each to `predict`, built on the model's own input example
where there is one; nothing here loads a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from services.jobs.probe import Tried
from services.jobs.trials import Trial
from services.signatures.examples import column_variants, example_array, example_frame
from services.signatures.trial_results import TrialOutcome, TrialResult
from services.signatures.values import AnyType, Array, Columns, Map, Object, Scalar, Signature, Tensors, column_by_label

MAX_TESTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureTest:
    """One request for `predict`, and whether the model must take it; the columns it differs in from a valid one."""

    name: str
    data: pd.DataFrame | np.ndarray[Any, Any] | dict[str | int | None, np.ndarray[Any, Any]]
    is_accepted: bool
    without: tuple[str | int, ...] = ()
    replaced: tuple[str | int, ...] = ()

    def to_trial(self) -> Trial:
        """Return it as the sandbox takes it, without what is expected."""
        return Trial(name=self.name, data=self.data, without=self.without, replaced=self.replaced)


def list_signature_tests(signature: Signature) -> tuple[SignatureTest, ...]:
    """Return the tests: a valid example, each column or array left out, each of another type, an undeclared property.

    A signature that declares no inputs has none.
    """
    inputs = signature.inputs
    if isinstance(inputs, Columns):
        return tuple(islice(_table_tests(inputs), MAX_TESTS))
    return tuple(islice(_array_tests(inputs), MAX_TESTS)) if inputs is not None else ()


def judge_tests(tests: Sequence[SignatureTest], tried: Sequence[Tried]) -> tuple[TrialResult, ...]:
    """Return what came of the tests; one that the model's answer does not mention is unknown."""
    by_name = {each.name: each for each in tried}
    return tuple(_judge(test, by_name.get(test.name)) for test in tests)


def _judge(test: SignatureTest, tried: Tried | None) -> TrialResult:
    if tried is None:
        outcome, detail = TrialOutcome.UNKNOWN, "It was not tried."
    elif tried.is_taken == test.is_accepted:
        outcome, detail = TrialOutcome.PASSED, tried.error
    elif test.is_accepted and tried.is_made_up and not tried.is_refused_by_mlflow:
        # MLflow let it through; the model's own code may rightly know no such value.
        outcome, detail = TrialOutcome.UNKNOWN, f"Made-up values, since there is no input example: {tried.error}"
    else:
        outcome, detail = TrialOutcome.FAILED, tried.error or "The model took it."
    return TrialResult(name=test.name, is_accepted=test.is_accepted, outcome=outcome, detail=detail)


def _table_tests(declared: Columns) -> Iterator[SignatureTest]:
    valid = example_frame(declared)
    columns = column_by_label(declared)
    yield SignatureTest(name="a valid example", data=valid, is_accepted=True)
    for label, column in columns.items():
        name = f"without {'' if column.is_required else 'the optional '}{label}"
        yield SignatureTest(
            name=name, data=valid.drop(columns=[label]), without=(label,), is_accepted=not column.is_required
        )
    for label, column in columns.items():
        if isinstance(column.type, AnyType):
            continue
        wrong = valid.copy()
        wrong[label] = _wrong_column(column.type)
        yield SignatureTest(name=f"{label} of another type", data=wrong, replaced=(label,), is_accepted=False)
        if isinstance(column.type, Object):
            extended = valid.copy()
            extended[label] = _extended(column.type)
            yield SignatureTest(
                name=f"{label} with an undeclared property", data=extended, replaced=(label,), is_accepted=False
            )


def _wrong_column(of: Array | Map | Object | Scalar) -> pd.Series[Any]:
    """Return a column of one row that MLflow refuses for the type, whether it is required or not."""
    is_text = of is Scalar.BOOLEAN or not isinstance(of, Scalar)
    return pd.Series(["text"], dtype="str") if is_text else pd.Series([True], dtype="bool")


def _extended(of: Object) -> pd.Series[Any]:
    value = next(column_variants(of))[0]
    cell = np.empty(1, dtype=object)
    cell[0] = {**value, "a property that nobody declared": "text"}
    return pd.Series(cell)


def _array_tests(declared: Tensors) -> Iterator[SignatureTest]:
    valid = {tensor.name: example_array(tensor) for tensor in declared.tensors}
    yield SignatureTest(name="a valid example", data=_request(declared, valid), is_accepted=True)
    for tensor in declared.tensors:
        label = "the array" if tensor.name is None else str(tensor.name)
        if declared.is_named and len(declared.tensors) > 1:
            rest = {name: array for name, array in valid.items() if name != tensor.name}
            yield SignatureTest(name=f"without {label}", data=_request(declared, rest), is_accepted=False)
        if tensor.dtype != "object":
            other = valid[tensor.name].astype("bool" if tensor.dtype != "bool" else "float64")
            changed = _request(declared, {**valid, tensor.name: other})
            yield SignatureTest(name=f"{label} of another dtype", data=changed, is_accepted=False)
        deeper = valid[tensor.name][..., np.newaxis]
        yield SignatureTest(
            name=f"{label} with one dimension more",
            data=_request(declared, {**valid, tensor.name: deeper}),
            is_accepted=tensor.dtype == "object" and tensor.shape == (-1,),
        )


def _request(
    declared: Tensors, arrays: dict[str | int | None, np.ndarray[Any, Any]]
) -> np.ndarray[Any, Any] | dict[str | int | None, np.ndarray[Any, Any]]:
    return arrays if declared.is_named else arrays[None]
