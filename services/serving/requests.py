"""What a request to the scoring server says, read on this side of the sandbox.

The model's process parses each request by itself. What a decision policy, a slice or a refusal needs of it is read here
again, because the word of a model is not to be taken for what its caller sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import pandas as pd

from services.errors import InvalidInput
from services.serving.process import Invocation
from services.signatures.check import check
from services.signatures.data_files import REQUEST_FORMS
from services.signatures.scoring import check_request, find_arrived, is_altered
from services.signatures.series_check import NUMPY_DTYPES
from services.signatures.values import Columns, Scalar, Signature

MAX_TOLD = 20
_FORMS = ", ".join(sorted(REQUEST_FORMS))


def read_frame(invocation: Invocation, signature: Signature | None) -> pd.DataFrame | None:
    """Return the rows of a request as the model gets them, or None where it has no rows."""
    try:
        if _mime_type(invocation) == "text/csv":
            return _read_csv(invocation.body, signature)
        if _mime_type(invocation) != "application/json":
            return pd.read_parquet(BytesIO(invocation.body))
        request = _read_json(invocation.body)
        if signature is not None and signature.inputs is not None:
            arrived = find_arrived(signature, request)
            return arrived if isinstance(arrived, pd.DataFrame) else None
        return _plain_frame(request)
    except (ValueError, TypeError, KeyError, OSError):
        return None


def explain_refusal(invocation: Invocation, signature: Signature | None) -> dict[str, Any] | None:
    """Return what is wrong with a request: a sentence, and every problem; None where it does not show from here."""
    if _mime_type(invocation) == "application/json" and (malformed := _find_malformed(invocation.body)):
        return {"message": malformed, "problems": []}
    if signature is None or signature.inputs is None:
        return None
    try:
        if _mime_type(invocation) == "application/json":
            result = check_request(signature, _read_json(invocation.body))
        else:
            frame = read_frame(invocation, signature)
            if frame is None:
                return None
            result = check(signature, frame)
    except (ValueError, TypeError, InvalidInput):
        return None
    refusals = [problem for problem in result.problems if problem.is_refusal]
    if not refusals:
        return None
    first = refusals[0]
    more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
    where = "The request" if first.column == "*" else f"The column {first.column!r}"
    return {
        "message": f"{where} is not as the model's signature says: expected {first.expected}, "
        f"found {first.found}{more}. {first.fix}".strip(),
        "problems": [problem.to_json() for problem in refusals[:MAX_TOLD]],
    }


def explain_alteration(invocation: Invocation, signature: Signature | None) -> dict[str, Any] | None:
    """Return which values of a request would reach the model as something else than was sent, or None."""
    if signature is None or signature.inputs is None or _mime_type(invocation) != "application/json":
        return None
    try:
        result = check_request(signature, _read_json(invocation.body))
    except (ValueError, TypeError):
        return None
    if not is_altered(result):
        return None
    told = [problem for problem in result.problems if not problem.is_refusal]
    return {
        "message": f"Values of {told[0].column!r} would reach the model as something else than was sent: "
        f"expected {told[0].expected}, found {told[0].found}. {told[0].fix}".strip(),
        "problems": [problem.to_json() for problem in told[:MAX_TOLD]],
    }


def _find_malformed(body: bytes) -> str | None:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        return f"The request is not valid JSON ({str(error)[:100]})."
    forms = sorted(request.keys() & REQUEST_FORMS) if isinstance(request, dict) else []
    if len(forms) != 1:
        found = " and ".join(forms) or "none of them"
        return f"The request has to be a JSON object with exactly one of {_FORMS}, and has {found}."
    return None


def _mime_type(invocation: Invocation) -> str:
    return invocation.content_type.partition(";")[0].strip()


def _read_json(body: bytes) -> Mapping[str, Any]:
    try:
        request = json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(request, dict):
        raise TypeError("no JSON object")
    return request


def _read_csv(body: bytes, signature: Signature | None) -> pd.DataFrame:
    inputs = signature.inputs if signature is not None else None
    types: dict[Any, Any] = {}
    if isinstance(inputs, Columns) and inputs.is_named:
        # As MLflow's server reads it: by the declared types, times as text.
        types = {
            column.name: NUMPY_DTYPES[column.type]
            for column in inputs.columns
            if isinstance(column.type, Scalar) and column.type in NUMPY_DTYPES and column.type is not Scalar.DATETIME
        }
    return pd.read_csv(BytesIO(body), dtype=types)


def _plain_frame(request: Mapping[str, Any]) -> pd.DataFrame | None:
    form = next(iter(request.keys() & REQUEST_FORMS), None)
    sent = request.get(form or "")
    if form == "dataframe_split" and isinstance(sent, dict):
        return pd.DataFrame(sent["data"], columns=sent.get("columns"))
    if isinstance(sent, list | dict) and sent:
        return pd.DataFrame(sent)
    return None
