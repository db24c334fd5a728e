"""Errors met while a model is logged or registered."""

from __future__ import annotations

from services.signatures.catalogue.entry import Entry

_OUTPUTS = """\
from mlflow.models import infer_signature

example = X.head(5)
signature = infer_signature(example, model.predict(example))
mlflow.sklearn.log_model(model, name="model", signature=signature, input_example=example)"""
_FEATURE_STORE = """\
from mlflow.types import ColSpec, DataType, Schema

fe.log_model(
    model=model, artifact_path="model", flavor=mlflow.sklearn, training_set=training_set,
    infer_input_example=True,
    # double for regression and probabilities, long for classes and for anomalies (-1, 1)
    output_schema=Schema([ColSpec(DataType.double)]),
)"""

LOGGING: tuple[Entry, ...] = (
    Entry(
        name="inputs_only",
        pattern=r"signature that includes only inputs",
        cause="The signature declares what the model takes but not what it returns. Models trained without labels, "
        "such "
        "as anomaly detectors, end up so, because nothing says what their output is.",
        remedy="Declare the outputs too: infer the signature from an example and the predictions for it, or name an "
        "output schema. With a feature store client, give output_schema and infer_input_example.",
        lines=f"{_OUTPUTS}\n\n# with a feature store client\n{_FEATURE_STORE}",
    ),
    Entry(
        name="no_signature",
        pattern=r"did not contain any signature metadata",
        cause="The model was logged with neither a signature nor an output schema, and the registry demands one.",
        remedy="Log it again with a signature of inputs and outputs and an input example.",
        lines=f"{_OUTPUTS}\n\n# with a feature store client\n{_FEATURE_STORE}",
    ),
    Entry(
        name="signature_needs_both",
        pattern=r"signature must contain both input and output",
        cause="infer_signature was called with the example alone, so no outputs were inferred.",
        remedy="Call it with the example and the model's predictions for the same example.",
        lines=_OUTPUTS,
    ),
    Entry(
        name="missing_flavor",
        pattern=r"log_model\(\) missing \d+ required keyword-only arguments?:.*flavor",
        cause="A feature store client does not know which library the model is of unless it is told.",
        remedy="Name the flavor: the mlflow module of the library that trained the model.",
        lines=_FEATURE_STORE,
    ),
    Entry(
        name="inference_failed",
        pattern=r"Failed to infer the model signature from the input example",
        cause="MLflow called the model with the input example and it failed, so the model was logged without a "
        "signature.",
        remedy="Make model.predict(input_example) work first; the reason stands in the same message. Then log with an "
        "explicit signature, so that this can never fail in silence.",
        lines=_OUTPUTS,
    ),
    Entry(
        name="inferred_as_any",
        pattern=r"Failed to infer schema for (?P<side>inputs|outputs)",
        cause="MLflow could not tell the type of the $side, so it declared them as any, which checks nothing.",
        remedy="Declare the schema by hand, so that it is enforced.",
        lines="""\
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

signature = ModelSignature(
    inputs=Schema([ColSpec("double", "amount"), ColSpec("string", "country", required=False)]),
    outputs=Schema([ColSpec("long")]),
)""",
    ),
    Entry(
        name="integer_hint",
        pattern=r"Inferred schema contains integer column",
        cause="The example has whole numbers. Where such a column misses a value later, pandas holds it as float64, "
        "and "
        "MLflow will refuse it.",
        remedy="If the column can ever miss a value, declare it as double: make it float64 before the signature is "
        "inferred.",
        lines="example = X.head(5).astype({'COLUMN': 'float64'})\n"
        "signature = infer_signature(example, model.predict(example))",
    ),
    Entry(
        name="mixed_types_in_list",
        pattern=r"Expected all values in the list to be of the same type",
        cause="A list in the example holds values of several types, and MLflow infers only lists of one.",
        remedy="Make them one type, or declare the list as any by hand, which checks nothing.",
        lines="from mlflow.types.schema import AnyType, Array, ColSpec, Schema\n\n"
        'Schema([ColSpec(Array(AnyType()), "items")])',
    ),
    Entry(
        name="example_mismatch",
        pattern=r"Input example does not match the model signature",
        cause="The input example that was logged would itself be refused by the signature.",
        remedy="Infer the signature from the same object that is logged as the example.",
        lines=_OUTPUTS,
    ),
    Entry(
        name="type_hint_mismatch",
        pattern=r"Provided signature does not match the signature inferred from the Python model",
        cause="The predict function has type hints, and they say something else than the signature given.",
        remedy="Remove the signature argument and let the type hints speak, or correct the hints.",
    ),
    Entry(
        name="empty_schema",
        pattern=r"Creating Schema with empty inputs is not allowed",
        cause="A schema was made of no columns.",
        remedy="Name at least one column; leave the side out altogether where nothing is declared.",
    ),
    Entry(
        name="nothing_declared",
        pattern=r"At least one of inputs, outputs or params must be provided",
        cause="A signature was made of nothing, often because both the example and the predictions were None.",
        remedy="Give the example and the predictions.",
        lines=_OUTPUTS,
    ),
    Entry(
        name="partly_named",
        pattern=r"combination of named and unnamed inputs",
        cause="Some columns of the schema have names and some have none.",
        remedy="Name all columns; unnamed ones are taken by position, which hides a wrong order.",
    ),
    Entry(
        name="columns_and_tensors",
        pattern=r"Creating Schema with a combination of",
        cause="The schema mixes columns and tensors.",
        remedy="Use one of them: columns for tables, tensors for arrays.",
    ),
    Entry(
        name="unnamed_tensors",
        pattern=r"multiple unnamed TensorSpecs",
        cause="Several tensors stand in one schema without names.",
        remedy="Give each tensor a name.",
        lines='TensorSpec(np.dtype("float32"), (-1, 28, 28), name="image")',
    ),
    Entry(
        name="unnamed_optional",
        pattern=r"unnamed optional inputs",
        cause="A column without a name was declared optional, but unnamed columns are taken by position.",
        remedy="Name the columns, or make all of them required.",
    ),
    Entry(
        name="unknown_type",
        pattern=r"Unsupported type '(?P<type>[^']{1,80})', expected instance of",
        cause="MLflow has no type $type.",
        remedy="Use boolean, integer, long, float, double, string, binary or datetime, or an Array, Object, Map or "
        "AnyType.",
    ),
    Entry(
        name="sized_text_dtype",
        pattern=r"does not support size information in flexible numpy data types",
        cause="A tensor was declared with a text dtype of fixed length, such as U10.",
        remedy="Declare the dtype without its length.",
        lines='TensorSpec(np.dtype("str"), (-1,))',
    ),
    Entry(
        name="empty_object",
        pattern=r"Creating Object with empty properties",
        cause="The example holds an empty mapping, so nothing is known of its keys.",
        remedy="Give an example that holds the keys, or declare a Map of text to one type.",
        lines='from mlflow.types.schema import Map\n\nMap(value_type="double")',
    ),
)
