"""What the installed MLflow itself does: the truth that the services are held to. Only tests import MLflow here."""

from __future__ import annotations

import copy
import json
import logging
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models.signature import ModelSignature
from mlflow.models.utils import _enforce_params_schema, _enforce_schema
from mlflow.types.schema import ParamSchema
from mlflow.types.schema import Schema as MlflowSchema
from mlflow.utils.proto_json_utils import dataframe_from_parsed_json, parse_tf_serving_input

from services.signatures.values import Columns, Param, Schema, Signature, params_json, schema_json

# Ignored columns and params are warned about on every call.
logging.getLogger("mlflow").setLevel(logging.ERROR)

_CACHE: dict[Any, MlflowSchema] = {}


def mlflow_schema(schema: Schema) -> MlflowSchema:
    """Return MLflow's own schema for ours, by way of MLflow's own reader."""
    if schema not in _CACHE:
        _CACHE[schema] = MlflowSchema.from_json(json.dumps(schema_json(schema)))
    return _CACHE[schema]


def enforce(schema: Schema, data: Any) -> Any:
    """Return what MLflow's `predict` hands to the model; raises whatever MLflow raises."""
    return _enforce_schema(_copied(data), mlflow_schema(schema))


def _copied(data: Any) -> Any:
    """Return a copy down to the cells: MLflow writes into the objects it is given."""
    if not isinstance(data, pd.DataFrame):
        return copy.deepcopy(data)
    copied = data.copy()
    for at in range(len(data.columns)):
        cells: Any = data.iloc[:, at]
        if cells.dtype == np.dtype("object"):
            fresh: Any = pd.Series([copy.deepcopy(cell) for cell in cells], index=data.index, dtype=object)
            copied.isetitem(at, fresh)
    return copied


def accepts(schema: Schema, data: Any) -> bool:
    """Return whether MLflow's `predict` takes the data."""
    mlflow_schema(schema)
    try:
        enforce(schema, data)
    except Exception:  # noqa: BLE001 - some refusals of MLflow are bare errors of NumPy and pandas
        return False
    return True


def score_json(schema: Schema, request: dict[str, Any]) -> Any:
    """Return what the scoring server hands to the model for a JSON request; raises whatever MLflow raises."""
    parsed = json.loads(json.dumps(request))
    declared = mlflow_schema(schema)
    form = next(iter(parsed))
    with np.errstate(all="ignore"):
        return _enforce_schema(_parsed(form, parsed, declared), declared)


def _parsed(form: str, parsed: dict[str, Any], declared: MlflowSchema) -> Any:
    if form.startswith("dataframe_"):
        orient = form.removeprefix("dataframe_")
        return dataframe_from_parsed_json(parsed[form], orient, declared)  # type: ignore[no-untyped-call]
    return parse_tf_serving_input(parsed, declared)  # type: ignore[no-untyped-call]


def accepts_json(schema: Schema, request: dict[str, Any]) -> bool:
    """Return whether the scoring server takes the JSON request."""
    mlflow_schema(schema)
    try:
        score_json(schema, request)
    except Exception:  # noqa: BLE001 - as in `accepts`
        return False
    return True


def accepts_params(params: tuple[Param, ...], given: dict[str, Any]) -> bool:
    """Return whether MLflow's `predict` takes the params."""
    schema = ParamSchema.from_json(json.dumps(params_json(params)))
    try:
        _enforce_params_schema(given, schema)
    except Exception:  # noqa: BLE001 - as in `accepts`
        return False
    return True


def mlmodel_text(signature: Signature) -> bytes:
    """Return an MLmodel file as MLflow writes it for the signature."""
    from mlflow.models import Model

    texts = {
        "inputs": json.dumps(schema_json(signature.inputs)) if signature.inputs else None,
        "outputs": json.dumps(schema_json(signature.outputs)) if signature.outputs else None,
        "params": json.dumps(params_json(signature.params)) if signature.params else None,
    }
    return str(Model(signature=ModelSignature.from_dict(texts)).to_yaml()).encode()


def single(of: Any, *, is_required: bool = True) -> Columns:
    """Return the schema of one column `x`."""
    from services.signatures.values import Column

    return Columns(columns=(Column(name="x", type=of, is_required=is_required),))
