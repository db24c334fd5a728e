"""The catalogue of errors, tried on messages that the installed MLflow really raises and on those of the seeds."""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models.signature import ModelSignature
from mlflow.models.utils import _enforce_params_schema
from mlflow.types.schema import ColSpec, Object, ParamSchema, ParamSpec, Schema, TensorSpec

from services.signatures.catalogue import CATALOGUE
from services.signatures.explain import find_explanation
from tests.signatures.builders import array, columns, mapping, obj, tensor, tensors, unnamed
from tests.signatures.truth import enforce, score_json, single


def raised(call: Callable[[], Any]) -> str:
    with pytest.raises((MlflowException, TypeError, ValueError)) as caught:
        call()
    return str(caught.value)


def frame(**cells: Any) -> pd.DataFrame:
    return pd.DataFrame({name: [value] for name, value in cells.items()})


MISSING = "Model passed for registration"
OF_MLFLOW: dict[str, Callable[[], Any]] = {
    "missing_inputs": lambda: enforce(columns(country="string"), frame(country_code="US")),
    "missing_by_count": lambda: enforce(unnamed("long", "long"), frame(a=1)),
    "missing_values_in_integers": lambda: enforce(columns(x="long"), pd.DataFrame({"x": [1.0, np.nan]})),
    "bool_to_number": lambda: enforce(columns(x="double"), frame(x=True)),
    "int_to_float": lambda: enforce(columns(x="double"), frame(x=5)),
    "double_to_float": lambda: enforce(columns(x="float"), frame(x=0.5)),
    "float_to_bool": lambda: enforce(columns(x="boolean"), frame(x=0.5)),
    "category": lambda: enforce(columns(x="long"), pd.DataFrame({"x": pd.Series(["a"], dtype="category")})),
    "incompatible_types": lambda: enforce(columns(x="double"), frame(x="text")),
    "time_zone": lambda: enforce(columns(x="datetime"), frame(x=pd.Timestamp("2024-01-01", tz="UTC"))),
    "missing_properties": lambda: enforce(single(obj(zip="string")), frame(x={})),
    "invalid_properties": lambda: enforce(single(obj(zip="string")), frame(x={"zip": "x", "odd": 1})),
    "key_of_other_type": lambda: enforce(single(obj(zip="string")), frame(x={"zip": 5})),
    "no_list": lambda: enforce(single(array("long")), frame(x="text")),
    "no_mapping": lambda: enforce(single(mapping("long")), frame(x="text")),
    "no_scalar": lambda: enforce(single(mapping("long")), frame(x={"a": None})),
    "map_keys": lambda: enforce(single(mapping("long")), frame(x={1: 1})),
    "value_of_other_type": lambda: enforce(single(mapping("long")), frame(x={"a": 0.5})),
    "tensor_shape": lambda: enforce(tensor("float32", -1, 3), np.zeros((2, 4), dtype="float32")),
    "tensor_dtype": lambda: enforce(tensor("float32", -1), np.zeros(2)),
    "tensor_by_name": lambda: enforce(tensors(x=("float32", (-1,))), {"x": [1.0]}),
    "tensor_without_name": lambda: enforce(tensor("float32", -1), {"x": np.zeros(2)}),
    "tensor_table_shape": lambda: enforce(tensor("float32", 2), frame(x=0.5)),
    "tensor_table_width": lambda: enforce(tensor("float32", -1, 3), frame(x=0.5, y=0.5)),
    "tensor_table_values": lambda: enforce(tensor("float32", -1, 3), frame(x=0.5)),
    "empty_table": lambda: enforce(tensor("float32", -1), pd.DataFrame({"x": []})),
    "request_form": lambda: _infer_request({"a": 1}),
    "request_cast": lambda: score_json(columns(a="long"), {"dataframe_records": [{"a": "x"}]}),
    "records_form": lambda: score_json(columns(a="long"), {"dataframe_records": {"a": 1}}),
    "split_form": lambda: score_json(columns(a="long"), {"dataframe_split": [1]}),
    "frame_form": lambda: score_json(columns(a="long"), {"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}),
    "column_lengths": lambda: score_json(columns(a="long", b="long"), {"instances": [{"a": 1, "b": 2}, {"a": 1}]}),
    "unnamed_array": lambda: score_json(tensor("float64", -1), {"inputs": {"a": 1}}),
    "instances_or_inputs": lambda: score_json(columns(a="long"), {"inputs": [1], "instances": [1]}),
    "param_type": lambda: _params("x"),
    "param_scalar": lambda: _params([0.5]),
    "param_list": lambda: ParamSpec("k", "long", 5, (-1,)),
    "param_binary": lambda: ParamSpec("k", "binary", b"x"),
    "empty_schema": lambda: Schema([]),
    "nothing_declared": ModelSignature,
    "partly_named": lambda: Schema([ColSpec("long", "a"), ColSpec("long")]),
    "columns_and_tensors": lambda: Schema([ColSpec("long", "a"), TensorSpec(np.dtype("int8"), (-1,), "b")]),
    "unnamed_tensors": lambda: Schema([TensorSpec(np.dtype("int8"), (-1,))] * 2),
    "unnamed_optional": lambda: Schema([ColSpec("long", required=False)]),
    "unknown_type": lambda: ColSpec("decimal", "a"),
    "sized_text_dtype": lambda: TensorSpec(np.dtype("U10"), (-1,)),
    "empty_object": lambda: Object([]),
}


def _params(value: Any) -> Any:
    return _enforce_params_schema({"t": value}, ParamSchema([ParamSpec("t", "double", 0.5)]))


def _infer_request(request: dict[str, Any]) -> Any:
    from mlflow.pyfunc.scoring_server import infer_and_parse_data

    return infer_and_parse_data(request)


@pytest.mark.parametrize("name", OF_MLFLOW)
def test_a_message_that_mlflow_raises_is_explained(name: str) -> None:
    found = find_explanation(raised(OF_MLFLOW[name]))
    assert found is not None
    assert found.name == name
    assert not re.search(r"\$[a-z]", found.cause + found.lines)


def test_a_message_is_found_inside_what_predict_wraps_around_it() -> None:
    inner = raised(OF_MLFLOW["incompatible_types"])
    found = find_explanation(
        f"Failed to enforce schema of data '   x\n0  text' with schema '['x': double (required)]'. Error: {inner}"
    )
    assert found is not None
    assert found.name == "incompatible_types"
    assert "frame['x'] = frame['x'].astype('float64')" in found.lines


OF_SEEDS = {
    "Model passed for registration contained a signature that includes only inputs": "inputs_only",
    "Model passed for registration did not contain any signature metadata": "no_signature",
    "Model signature must contain both input and output": "signature_needs_both",
    "FeatureEngineeringClient.log_model() missing 1 required keyword-only argument: 'flavor'": "missing_flavor",
    "unsupported operand type(s) for -: 'decimal.Decimal' and 'float'": "decimal",
    "Incompatible input types": "incompatible_types_generic",
    "Incompatible input types for column property_type": "incompatible_types_generic",
    "Cannot safely convert bool to float64": "bool_to_number",
    "Cannot safely convert int64 to float64": "int_to_float",
    "Cannot safely convert float64 to float32": "double_to_float",
    "Cannot safely convert float64 to bool": "float_to_bool",
    "ValueError: Model expected columns: ['amount', 'hour'] But received: ['amount', 'day']": "expected_columns",
}


@pytest.mark.parametrize("text", OF_SEEDS)
def test_every_error_of_the_seeds_is_explained(text: str) -> None:
    found = find_explanation(text)
    assert found is not None
    assert found.name == OF_SEEDS[text]
    assert found.lines


OTHERS = {
    "Failed to infer the model signature from the input example. Reason: x": "inference_failed",
    "Failed to infer schema for outputs. Setting schema to `Schema([ColSpec(type=AnyType())]`": "inferred_as_any",
    "UserWarning: Hint: Inferred schema contains integer column(s).": "integer_hint",
    "Expected all values in the list to be of the same type.": "mixed_types_in_list",
    "Input example does not match the model signature. x": "example_mismatch",
    "Provided signature does not match the signature inferred from the Python model's": "type_hint_mismatch",
    "The input column 'x' is required by the model signature but missing": "missing_column",
    "Input schema validation failed. Mismatched or missing input(s).": "missing_undisclosed",
    "Failed to convert column x from type object to datetime.": "cannot_convert_column",
    "ValueError: X has 3 features, but RandomForestClassifier is expecting 4 features as input.": "feature_count",
    "The feature names should match those that were passed during fit.": "feature_names",
    "Found extra inputs in the model input that are not defined": "extra_inputs",
    "Expected input to be DataFrame. Found: str": "no_dataframe",
    "Unrecognized params ['x'] are ignored for inference.": "unknown_params",
    "`params` can only be specified at inference time if the model signature defines": "no_params_declared",
    "Invalid parameters found: {('a', 'b')}": "invalid_params",
    "Ensure that input is a valid JSON formatted string.": "request_json",
    "This predictor only supports the following content types: Types": "content_type",
}


@pytest.mark.parametrize("text", OTHERS)
def test_other_known_messages_are_explained(text: str) -> None:
    found = find_explanation(text)
    assert found is not None
    assert found.name == OTHERS[text]


def test_every_entry_is_tried_and_its_names_are_unique() -> None:
    names = [entry.name for entry in CATALOGUE]
    assert len(set(names)) == len(names)
    assert set(names) == {*OF_MLFLOW, *OF_SEEDS.values(), *OTHERS.values()}


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_every_entry_names_only_what_its_pattern_finds(entry: Any) -> None:
    known = set(re.compile(entry.pattern).groupindex)
    for text in (entry.cause, entry.lines):
        used = {found["named"] for found in string.Template.pattern.finditer(text) if found["named"]}
        assert {name.removesuffix("_text") for name in used} <= known
    assert entry.cause.endswith(".")
    assert entry.remedy.endswith(".")


def test_what_is_unknown_is_not_explained() -> None:
    assert find_explanation("Segmentation fault") is None
    assert find_explanation("") is None


def test_hostile_text_is_answered_quickly_and_shown_short() -> None:
    assert find_explanation("Model is missing inputs [" * 20_000) is None
    found = find_explanation("The input column 'x; import os' is required" + "x" * 1_000_000)
    assert found is not None
    found = find_explanation(f"Model is missing inputs [{'a' * 1900}].")
    assert found is not None
    assert len(found.cause) < 600
    found = find_explanation("Incompatible input types for column it's. Can not safely convert str to float64.")
    assert found is not None
    assert """frame["it's"]""" in found.lines


def test_the_json_has_the_lines_one_by_one() -> None:
    found = find_explanation("signature that includes only inputs")
    assert found is not None
    assert found.to_json()["lines"][0] == "from mlflow.models import infer_signature"
