"""Laws over random nested signatures and data, held against the installed MLflow."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.signatures.check import check
from services.signatures.compare import compare
from services.signatures.counter_examples import find_counter_example
from services.signatures.json_counter_examples import find_json_counter_example
from services.signatures.reader import read_signature
from services.signatures.scoring import check_request
from services.signatures.values import Columns, Signature
from services.signatures.verdicts import Direction, Effect, Verdict
from tests.signatures.builders import frames, mutated, reading, requests, schemas
from tests.signatures.truth import accepts, accepts_json, mlmodel_text

MILD = {Verdict.IDENTICAL, Verdict.COMPATIBLE}
SOME = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Columns, Columns]:
    old = draw(schemas())
    return old, draw(mutated(old))


@SOME
@given(schemas())
def test_a_signature_compared_with_itself_is_identical_in_every_direction(schema: Columns) -> None:
    for direction in Direction:
        found = compare(reading(schema, schema), reading(schema, schema), direction)
        assert (found.verdict, found.json_verdict, found.changes) == (Verdict.IDENTICAL, Verdict.IDENTICAL, ())


@SOME
@given(pairs())
def test_backward_one_way_is_forward_the_other_way(pair: tuple[Columns, Columns]) -> None:
    old, new = (reading(schema, schema) for schema in pair)
    backward, forward = compare(old, new, Direction.BACKWARD), compare(new, old, Direction.FORWARD)
    assert (backward.verdict, backward.json_verdict) == (forward.verdict, forward.json_verdict)


@SOME
@given(pairs())
def test_full_is_the_worse_of_both_directions(pair: tuple[Columns, Columns]) -> None:
    old, new = (reading(schema, schema) for schema in pair)
    found = [list(Verdict).index(compare(old, new, direction).verdict) for direction in Direction]
    assert found[2] == max(found[0], found[1])


@SOME
@given(pairs())
def test_whatever_differs_is_told(pair: tuple[Columns, Columns]) -> None:
    found = compare(reading(pair[0]), reading(pair[1]))
    assert (pair[0] == pair[1]) == (not found.changes) == (found.verdict is Verdict.IDENTICAL)


@SOME
@given(schemas())
def test_what_mlflow_writes_is_read_back_as_it_was(schema: Columns) -> None:
    signature = Signature(inputs=schema, outputs=schema)
    assert read_signature(mlmodel_text(signature)).signature == signature


def _check_equals_mlflow(data: st.DataObject) -> None:
    schema, other = data.draw(pairs())
    frame = data.draw(frames(schema))
    for declared in (schema, other):
        assert check(Signature(inputs=declared), frame).ok == accepts(declared, frame)


def _verdict_holds(data: st.DataObject) -> None:
    old, new = data.draw(pairs())
    found = compare(reading(old), reading(new))
    if found.verdict in MILD:
        frame = data.draw(frames(old))
        assert not accepts(old, frame) or accepts(new, frame)
    elif found.verdict is Verdict.BREAKING:
        example = find_counter_example(Signature(inputs=old), Signature(inputs=new))
        assert example is not None
        assert accepts(old, example.data)
        assert not accepts(new, example.data)


def _json_verdict_holds(data: st.DataObject) -> None:
    old, new = data.draw(pairs())
    found = compare(reading(old), reading(new))
    example: dict[str, Any] | None = find_json_counter_example(Signature(inputs=old), Signature(inputs=new))
    if found.json_verdict in MILD:
        assert example is None
    elif example is not None:
        assert accepts_json(old, example)
        assert any(change.json_effect is not Effect.COMPATIBLE for change in found.changes)


@SOME
@given(st.data())
def test_a_check_says_what_mlflow_does(data: st.DataObject) -> None:
    _check_equals_mlflow(data)


@SOME
@given(st.data())
def test_compatible_means_that_mlflow_takes_it_and_breaking_that_it_refuses_a_counter_example(
    data: st.DataObject,
) -> None:
    _verdict_holds(data)


def _scoring_equals_mlflow(data: st.DataObject) -> None:
    schema, other = data.draw(pairs())
    request = data.draw(requests(schema))
    for declared in (schema, other):
        sent = json.loads(json.dumps(request))
        assert check_request(Signature(inputs=declared), sent).ok == accepts_json(declared, request)


@SOME
@given(st.data())
def test_a_check_of_a_request_says_what_the_scoring_server_does(data: st.DataObject) -> None:
    _scoring_equals_mlflow(data)


@pytest.mark.long
@MANY
@given(st.data())
def test_many_checks_of_requests_say_what_the_scoring_server_does(data: st.DataObject) -> None:
    _scoring_equals_mlflow(data)


@SOME
@given(st.data())
def test_compatible_for_json_means_that_no_counter_example_exists(data: st.DataObject) -> None:
    _json_verdict_holds(data)


@pytest.mark.long
@MANY
@given(st.data())
def test_many_checks_say_what_mlflow_does(data: st.DataObject) -> None:
    _check_equals_mlflow(data)


@pytest.mark.long
@MANY
@given(st.data())
def test_many_verdicts_hold(data: st.DataObject) -> None:
    _verdict_holds(data)


@pytest.mark.long
@MANY
@given(st.data())
def test_many_json_verdicts_hold(data: st.DataObject) -> None:
    _json_verdict_holds(data)
