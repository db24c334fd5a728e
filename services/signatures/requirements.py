"""What may be demanded of a signature by itself, as pure functions; a gate policy says which stage demands which.

The table of model types is that of the registry patterns (seed 001); a 32-bit type is taken where the table names the
64-bit one, since libraries differ in it. A model says its type by the tag `model_type`; where it only says its `task`,
it must fit a row of the table for that task. What is not known is not met.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.signatures.tensor_dtypes import scalar_of
from services.signatures.values import Columns, Scalar, Schema, SignatureReading, SignatureState

MODEL_TYPE_TAG = "model_type"
TASK_TAG = "task"


class ModelType(StrEnum):
    """What kind of answer a model gives."""

    REGRESSION = "regression"
    BINARY_CLASSIFICATION = "binary_classification"
    MULTICLASS_CLASSIFICATION = "multiclass_classification"
    ANOMALY_DETECTION = "anomaly_detection"
    PROBABILITY = "probability"


OUTPUT_TYPES: Mapping[ModelType, Scalar] = {
    ModelType.REGRESSION: Scalar.DOUBLE,
    ModelType.BINARY_CLASSIFICATION: Scalar.LONG,
    ModelType.MULTICLASS_CLASSIFICATION: Scalar.LONG,
    ModelType.ANOMALY_DETECTION: Scalar.LONG,
    ModelType.PROBABILITY: Scalar.DOUBLE,
}
_OF_TASK: Mapping[str, tuple[ModelType, ...]] = {
    "regression": (ModelType.REGRESSION,),
    "classification": (ModelType.BINARY_CLASSIFICATION, ModelType.MULTICLASS_CLASSIFICATION, ModelType.PROBABILITY),
    "anomaly_detection": (ModelType.ANOMALY_DETECTION,),
}
_SAME_FAMILY: Mapping[Scalar, frozenset[Scalar]] = {
    Scalar.DOUBLE: frozenset({Scalar.DOUBLE, Scalar.FLOAT}),
    Scalar.LONG: frozenset({Scalar.LONG, Scalar.INTEGER}),
}
_SYNONYMS: Mapping[str, ModelType] = {
    "regressor": ModelType.REGRESSION,
    "forecasting": ModelType.REGRESSION,
    "classification": ModelType.BINARY_CLASSIFICATION,
    "classifier": ModelType.BINARY_CLASSIFICATION,
    "binary": ModelType.BINARY_CLASSIFICATION,
    "multiclass": ModelType.MULTICLASS_CLASSIFICATION,
    "multi_class": ModelType.MULTICLASS_CLASSIFICATION,
    "multi_class_classification": ModelType.MULTICLASS_CLASSIFICATION,
    "anomaly": ModelType.ANOMALY_DETECTION,
}


class RequirementName(StrEnum):
    """What may be demanded."""

    SIGNATURE = "signature_present"
    INPUTS_AND_OUTPUTS = "inputs_and_outputs"
    OUTPUT_TYPE = "output_type"
    INPUT_EXAMPLE = "input_example"


class Answer(StrEnum):
    """Whether a requirement is met; unknown is never a pass."""

    MET = "met"
    UNMET = "unmet"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One demand and its answer, with what was observed and what to do."""

    name: RequirementName
    answer: Answer
    observed: str
    demanded: str
    message: str
    next_step: str = ""


def judge_requirement(name: RequirementName, reading: SignatureReading, tags: Callable[[str], str]) -> Requirement:
    """Return whether a signature has what is demanded.

    Args:
        tags: returns the value of a tag of the version or its model, empty where there is none.
    """
    match name:
        case RequirementName.SIGNATURE:
            return _signature(reading)
        case RequirementName.INPUTS_AND_OUTPUTS:
            return _both_sides(reading)
        case RequirementName.OUTPUT_TYPE:
            return _output_type(reading, tags(MODEL_TYPE_TAG), tags(TASK_TAG))
        case RequirementName.INPUT_EXAMPLE:
            return _input_example(reading)


def list_model_types(model_type: str, task: str) -> tuple[ModelType, ...]:
    """Return the model types that the two tags leave possible; none where they say nothing that is known.

    >>> list_model_types("", "regression")
    (<ModelType.REGRESSION: 'regression'>,)
    """
    if model_type.strip():
        known = find_model_type(model_type)
        return () if known is None else (known,)
    return _OF_TASK.get(task.strip(), ())


def find_model_type(text: str) -> ModelType | None:
    """Return the model type that a tag or a person means, or None.

    >>> find_model_type("Binary Classification")
    <ModelType.BINARY_CLASSIFICATION: 'binary_classification'>
    """
    name = text.strip().lower().replace("-", "_").replace(" ", "_")
    return _SYNONYMS.get(name) or next((kind for kind in ModelType if kind == name), None)


def _signature(reading: SignatureReading) -> Requirement:
    states = {
        SignatureState.ABSENT: (Answer.UNMET, "Log the model with signature=infer_signature(X, model.predict(X))."),
        SignatureState.UNREADABLE: (Answer.UNKNOWN, "Log the model again with the MLflow that serves it."),
    }
    answer, next_step = states.get(reading.state, (Answer.MET, ""))
    return Requirement(
        name=RequirementName.SIGNATURE,
        answer=answer,
        observed=reading.state,
        demanded="a signature",
        message="The version has a signature." if answer is Answer.MET else reading.reason,
        next_step=next_step,
    )


def _both_sides(reading: SignatureReading) -> Requirement:
    answers = {SignatureState.PRESENT: Answer.MET, SignatureState.UNREADABLE: Answer.UNKNOWN}
    answer = answers.get(reading.state, Answer.UNMET)
    return Requirement(
        name=RequirementName.INPUTS_AND_OUTPUTS,
        answer=answer,
        observed=reading.state,
        demanded="inputs and outputs",
        message="The signature declares inputs and outputs." if answer is Answer.MET else reading.reason,
        next_step="" if answer is Answer.MET else "Give infer_signature the predictions too, or name an output schema.",
    )


def _output_type(reading: SignatureReading, model_type: str, task: str) -> Requirement:
    outputs = reading.signature.outputs if reading.signature else None
    found = sorted(_output_scalars(outputs)) if outputs else []
    observed = ", ".join(found) or "nothing declared"
    possible = list_model_types(model_type, task)
    if not possible:
        said = model_type or task
        return Requirement(
            name=RequirementName.OUTPUT_TYPE,
            answer=Answer.UNKNOWN,
            observed=observed,
            demanded="the type that this kind of model returns",
            message=f"{said!r} is no kind of model whose output type is known."
            if said
            else "Nobody has said what kind of model this is, so its output type cannot be judged.",
            next_step=f"Tag the version with model_type, one of {', '.join(ModelType)}.",
        )
    demanded = " or ".join(dict.fromkeys(str(OUTPUT_TYPES[kind]) for kind in possible))
    allowed = frozenset().union(*(_SAME_FAMILY[OUTPUT_TYPES[kind]] for kind in possible))
    is_met = bool(found) and set(found) <= allowed
    kind = (model_type or task).strip().replace("_", " ")
    return Requirement(
        name=RequirementName.OUTPUT_TYPE,
        answer=Answer.MET if is_met else Answer.UNMET if outputs else Answer.UNKNOWN,
        observed=observed,
        demanded=demanded,
        message=f"A {kind} model returns {demanded}; this one declares {observed}.",
        next_step=""
        if is_met
        else f"Log it with outputs=Schema([ColSpec(DataType.{OUTPUT_TYPES[possible[0]]})]), or correct model_type.",
    )


def _output_scalars(outputs: Schema) -> set[str]:
    if isinstance(outputs, Columns):
        return {str(column.type) for column in outputs.columns}
    return {scalar_of(tensor.dtype) or tensor.dtype for tensor in outputs.tensors}


def _input_example(reading: SignatureReading) -> Requirement:
    is_met = reading.has_input_example
    is_unknown = reading.state is SignatureState.UNREADABLE
    return Requirement(
        name=RequirementName.INPUT_EXAMPLE,
        answer=Answer.MET if is_met else Answer.UNKNOWN if is_unknown else Answer.UNMET,
        observed="an input example" if is_met else "none",
        demanded="an input example",
        message="The version has an input example." if is_met else "The model was logged without an input example.",
        next_step="" if is_met else "Log the model with input_example=X.head(5).",
    )
