"""Every old type against every new one, held against MLflow on data that the old type took."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pandas as pd
import pytest

from services.signatures.compare import compare
from services.signatures.counter_examples import find_counter_example
from services.signatures.json_counter_examples import find_json_counter_example
from services.signatures.values import AnyType, Array, Scalar, Signature, Type
from services.signatures.verdicts import Verdict
from tests.signatures.builders import array, mapping, obj, reading
from tests.signatures.test_series_check import SOURCES
from tests.signatures.truth import accepts, accepts_json, score_json, single

S = Scalar
SCALARS: list[Type] = [*Scalar, AnyType()]
NESTED: list[Type] = [
    *(array(of) for of in Scalar),
    array("any"),
    array(array("long")),
    array(obj(a="long")),
    array(mapping("long")),
    obj(a="long"),
    obj(a="string"),
    obj(a="long", b_="long"),
    obj(a=array("long")),
    obj(a=obj(b="long")),
    mapping("long"),
    mapping("double"),
    mapping("any"),
    Array(items=S.DOUBLE, is_vector=True),
]
WIDENING = {(S.INTEGER, S.LONG), (S.INTEGER, S.DOUBLE), (S.FLOAT, S.DOUBLE)}
BY_TYPE_CHECK_ONLY = {(S.STRING, S.BINARY), (S.BINARY, S.STRING)}
MILD = {Verdict.IDENTICAL, Verdict.COMPATIBLE}


def verdicts(old: Type, new: Type) -> tuple[Verdict, Verdict]:
    found = compare(reading(single(old)), reading(single(new)))
    return found.verdict, found.json_verdict


@pytest.mark.parametrize(("old", "new"), list(itertools.permutations(Scalar, 2)))
def test_retyping_a_column_is_compatible_exactly_where_mlflow_casts(old: Scalar, new: Scalar) -> None:
    expected = Verdict.BREAKING
    if (old, new) in WIDENING:
        expected = Verdict.COMPATIBLE
    if (old, new) in BY_TYPE_CHECK_ONLY:
        expected = Verdict.RISKY
    assert verdicts(old, new)[0] is expected


@pytest.mark.parametrize(
    ("old", "new"), [pair for pair in itertools.product(SCALARS, SCALARS) if verdicts(*pair)[0] in MILD]
)
def test_every_column_that_the_old_type_took_is_taken_where_the_verdict_is_mild(old: Type, new: Type) -> None:
    for source, series in SOURCES.items():
        frame = pd.DataFrame({"x": series})
        if accepts(single(old), frame):
            assert accepts(single(new), frame), source


SENT: dict[Scalar, list[Any]] = {
    S.BOOLEAN: [True, False],
    S.INTEGER: [0, 1, -7, 2**31 - 1, 2**24 + 1],
    S.LONG: [0, 1, -7, 2**40, 2**53 + 1, 2**63 - 1],
    S.FLOAT: [0.5, 1, 0.1, -2.5],
    S.DOUBLE: [0.5, 1, 0.1, 1e300],
    S.STRING: ["text", "t\u00e9xt", "", "5", "true", "2026-01-02"],
    S.BINARY: ["Ynl0ZXM=", ""],
    S.DATETIME: ["2026-01-02T03:04:05", "2026-01-02"],
}


@pytest.mark.parametrize(("old", "new"), list(itertools.permutations(Scalar, 2)))
def test_json_verdicts_agree_with_what_the_scoring_server_hands_over(old: Scalar, new: Scalar) -> None:
    """Compatible: all arrive equal. Breaking: one is refused, or arrives as another value or kind of value."""
    arrived = [(value, outcome(old, value), outcome(new, value)) for value in SENT[old]]
    spoilt = [value for value, before, after in arrived if before is not None and is_spoilt(before, after, new)]
    found = verdicts(old, new)[1]
    if found in MILD:
        assert not [value for value, before, after in arrived if after is None or not equals(before, after)]
    assert (found is Verdict.BREAKING) == bool(spoilt), spoilt


def outcome(of: Scalar, value: Any) -> Any:
    request = {"dataframe_split": {"columns": ["x"], "data": [[value]]}}
    return score_json(single(of), request)["x"].iloc[0] if accepts_json(single(of), request) else None


def equals(before: Any, after: Any) -> bool:
    return bool(before == after) or abs(float(before) - float(after)) <= 1e-6 * abs(float(before))


def is_spoilt(before: Any, after: Any, new: Scalar) -> bool:
    if after is None:
        return True
    if new is S.STRING:
        # A time that arrives as the text which was sent is what risky means.
        return not isinstance(after, str) or isinstance(before, bytes)
    if isinstance(before, pd.Timestamp | str | bytes):
        return True
    if new in {S.BOOLEAN, S.DATETIME}:
        return True
    is_number = isinstance(before, bool) or hasattr(before, "dtype")
    rounding = 1e-6 if new in {S.FLOAT, S.DOUBLE} else 0
    # Infinite is what rounding to 32 bits makes of large numbers.
    return (
        is_number
        and abs(float(after) - float(before)) > rounding * abs(float(before))
        and abs(float(after)) != float("inf")
    )


def _breaking_has_a_counter_example(old: Type, new: Type) -> None:
    before, after = Signature(inputs=single(old)), Signature(inputs=single(new))
    found = compare(reading(single(old)), reading(single(new)))
    example = find_counter_example(before, after)
    if found.verdict is Verdict.BREAKING:
        assert example is not None, (old, new)
        assert accepts(single(old), example.data), (old, new)
        assert not accepts(single(new), example.data), (old, new)
        json.dumps(example.to_json(), allow_nan=False)
    else:
        assert example is None, (old, new, found.verdict)
    request = find_json_counter_example(before, after)
    if found.json_verdict is Verdict.BREAKING:
        assert request is not None, (old, new)
        assert accepts_json(single(old), request), (old, new)
    elif found.json_verdict in MILD:
        assert request is None, (old, new)


FEW: list[Type] = [*SCALARS, array("double"), obj(a="long"), mapping("any")]


@pytest.mark.parametrize("old", FEW, ids=str)
def test_breaking_has_a_counter_example_and_mild_has_none(old: Type) -> None:
    for new in FEW:
        _breaking_has_a_counter_example(old, new)


@pytest.mark.long
@pytest.mark.parametrize("old", [*SCALARS, *NESTED], ids=str)
def test_breaking_has_a_counter_example_for_nested_types_too(old: Type) -> None:
    for new in [*SCALARS, *NESTED]:
        _breaking_has_a_counter_example(old, new)
