"""What a stage demands of a signature, as pure functions; gates turn the answers into outcomes.

Staging: a signature of inputs and outputs, and outputs of the type that the kind of model returns. Production: an input
example as well. The table of model types is that of the registry patterns (seed 001); a 32-bit type is taken where the
table names the 64-bit one, since libraries differ in it. What is not known is not met.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.registry.values import Stage
from services.signatures.tensor_dtypes import scalar_of
from services.signatures.values import Columns, Scalar, Schema, SignatureReading, SignatureState


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


def list_requirements(reading: SignatureReading, stage: Stage, model_type: ModelType | None) -> tuple[Requirement, ...]:
    """Return what the stage demands of the signature, each with its answer.

    Args:
        model_type: None if nobody has said what kind of model it is; its output type is then unknown, which is no pass.
    """
    if stage not in {Stage.STAGING, Stage.PRODUCTION}:
        return ()
    demands = [_signature(reading), _both_sides(reading), _output_type(reading, model_type)]
    return tuple([*demands, _input_example(reading)] if stage is Stage.PRODUCTION else demands)


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


def _output_type(reading: SignatureReading, model_type: ModelType | None) -> Requirement:
    outputs = reading.signature.outputs if reading.signature else None
    found = sorted(_output_scalars(outputs)) if outputs else []
    observed = ", ".join(found) or "nothing declared"
    if model_type is None:
        return Requirement(
            name=RequirementName.OUTPUT_TYPE,
            answer=Answer.UNKNOWN,
            observed=observed,
            demanded="the type that this kind of model returns",
            message="Nobody has said what kind of model this is, so its output type cannot be judged.",
            next_step=f"Tag the version with model_type, one of {', '.join(ModelType)}.",
        )
    demanded = OUTPUT_TYPES[model_type]
    is_met = bool(found) and set(found) <= _SAME_FAMILY[demanded]
    kind = model_type.replace("_", " ")
    return Requirement(
        name=RequirementName.OUTPUT_TYPE,
        answer=Answer.MET if is_met else Answer.UNMET if outputs else Answer.UNKNOWN,
        observed=observed,
        demanded=demanded,
        message=f"A {kind} model returns {demanded}; this one declares {observed}.",
        next_step=""
        if is_met
        else f"Log it with outputs=Schema([ColSpec(DataType.{demanded})]), or correct model_type.",
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
