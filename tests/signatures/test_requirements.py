"""What may be demanded of a signature by itself."""

from __future__ import annotations

import dataclasses

import pytest

from services.signatures.reader import read_signature
from services.signatures.requirements import (
    Answer,
    ModelType,
    RequirementName,
    find_model_type,
    judge_requirement,
    list_model_types,
)
from services.signatures.values import Schema, SignatureReading
from tests.signatures.builders import columns, reading, tensor, unnamed

INPUTS = columns(amount="double")
WHOLE = dataclasses.replace(reading(INPUTS, tensor("int64", -1)), has_input_example=True)
ABSENT = read_signature(b"flavors: {}")
UNREADABLE = read_signature(b"[")


def answers(of: SignatureReading, **tags: str) -> dict[str, str]:
    found = [judge_requirement(name, of, lambda tag: tags.get(tag, "")) for name in RequirementName]
    assert all(requirement.message.endswith(".") for requirement in found)
    assert all(bool(requirement.next_step) == (requirement.answer is not Answer.MET) for requirement in found)
    return {str(requirement.name): str(requirement.answer) for requirement in found}


def test_a_whole_signature_meets_every_demand() -> None:
    assert answers(WHOLE, model_type="anomaly_detection") == {
        "signature_present": "met",
        "inputs_and_outputs": "met",
        "output_type": "met",
        "input_example": "met",
    }


def test_no_signature_meets_nothing() -> None:
    assert answers(ABSENT, model_type="regression") == {
        "signature_present": "unmet",
        "inputs_and_outputs": "unmet",
        "output_type": "unknown",
        "input_example": "unmet",
    }


def test_what_cannot_be_read_is_unknown_and_no_pass() -> None:
    assert set(answers(UNREADABLE, model_type="regression").values()) == {"unknown"}


def test_inputs_alone_do_not_suffice() -> None:
    assert answers(reading(INPUTS), model_type="regression") == {
        "signature_present": "met",
        "inputs_and_outputs": "unmet",
        "output_type": "unknown",
        "input_example": "unmet",
    }


@pytest.mark.parametrize("tags", [{}, {"model_type": "oracle"}, {"task": "ranking"}, {"task": " "}])
def test_a_model_of_unknown_type_is_not_judged_as_met(tags: dict[str, str]) -> None:
    assert answers(WHOLE, **tags)["output_type"] == "unknown"


@pytest.mark.parametrize(
    ("task", "outputs", "answer"),
    [
        ("regression", unnamed("double"), "met"),
        ("regression", unnamed("long"), "unmet"),
        ("classification", unnamed("long"), "met"),
        ("classification", tensor("float64", -1, 2), "met"),
        ("classification", columns(p="double", label="long"), "met"),
        ("classification", unnamed("string"), "unmet"),
        ("anomaly_detection", unnamed("double"), "unmet"),
    ],
)
def test_a_task_leaves_those_rows_of_the_table_that_fit_it(task: str, outputs: Schema, answer: str) -> None:
    assert answers(reading(INPUTS, outputs), task=task)["output_type"] == answer


def test_what_a_model_says_of_its_type_goes_before_its_task() -> None:
    assert list_model_types("probability", "regression") == (ModelType.PROBABILITY,)
    assert list_model_types("oracle", "regression") == ()
    assert (
        answers(reading(INPUTS, unnamed("long")), model_type="probability", task="classification")["output_type"]
        == "unmet"
    )


@pytest.mark.parametrize(
    ("model_type", "outputs", "answer"),
    [
        (ModelType.REGRESSION, unnamed("double"), "met"),
        (ModelType.REGRESSION, tensor("float64", -1), "met"),
        (ModelType.REGRESSION, tensor("float32", -1), "met"),
        (ModelType.REGRESSION, unnamed("long"), "unmet"),
        (ModelType.BINARY_CLASSIFICATION, unnamed("long"), "met"),
        (ModelType.BINARY_CLASSIFICATION, unnamed("integer"), "met"),
        (ModelType.BINARY_CLASSIFICATION, unnamed("double"), "unmet"),
        (ModelType.MULTICLASS_CLASSIFICATION, tensor("int64", -1), "met"),
        (ModelType.MULTICLASS_CLASSIFICATION, unnamed("string"), "unmet"),
        (ModelType.ANOMALY_DETECTION, unnamed("long"), "met"),
        (ModelType.ANOMALY_DETECTION, unnamed("boolean"), "unmet"),
        (ModelType.PROBABILITY, tensor("float64", -1, 2), "met"),
        (ModelType.PROBABILITY, unnamed("long"), "unmet"),
        (ModelType.PROBABILITY, columns(p="double", label="long"), "unmet"),
        (ModelType.REGRESSION, tensor("complex64", -1), "unmet"),
        (ModelType.REGRESSION, unnamed("any"), "unmet"),
    ],
)
def test_outputs_match_the_table_of_model_types(model_type: ModelType, outputs: Schema, answer: str) -> None:
    assert answers(reading(INPUTS, outputs), model_type=model_type)["output_type"] == answer


@pytest.mark.parametrize(
    ("text", "model_type"),
    [
        ("regression", ModelType.REGRESSION),
        (" Multi-Class ", ModelType.MULTICLASS_CLASSIFICATION),
        ("classifier", ModelType.BINARY_CLASSIFICATION),
        ("anomaly_detection", ModelType.ANOMALY_DETECTION),
        ("clustering", None),
        ("", None),
    ],
)
def test_model_types_are_known_by_several_names(text: str, model_type: ModelType | None) -> None:
    assert find_model_type(text) is model_type
