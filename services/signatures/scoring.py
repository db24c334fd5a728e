"""Checking a JSON request: what MLflow 3.17.2's scoring server makes of it before `predict` sees it.

The server casts every declared column or tensor, in silence: 0.5 sent to a long arrives as 0. So a request may be taken
and still not arrive as it was sent; that is told as a problem that is no refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from services.signatures.arrival import CAST_ERRORS, Arrived, RequestRefused
from services.signatures.check import CheckResult, Data, Problem, ProblemKind, check
from services.signatures.data_files import REQUEST_FORMS
from services.signatures.param_values import is_param_value
from services.signatures.scoring_arrays import arrive_as_arrays
from services.signatures.scoring_tables import arrive_as_table
from services.signatures.values import Schema, Signature


def check_request(signature: Signature, request: Mapping[str, Any]) -> CheckResult:
    """Return what the scoring server and then `predict` do with a JSON request; `ok` is whether they take it.

    Values that arrive as something else than was sent are told as problems that are no refusal.

    Raises:
        InvalidInput: the signature declares no inputs.
    """
    if signature.inputs is None:
        return check(signature, pd.DataFrame())
    try:
        arrived = _arrive(signature.inputs, request)
    except RequestRefused as refused:
        return CheckResult(problems=(refused.problem,))
    except CAST_ERRORS as error:
        found = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        problem = RequestRefused("*", "a request that can be read", found).problem
        return CheckResult(problems=(problem,))
    checked = check(signature, arrived.data)
    return CheckResult(problems=(*checked.problems, *arrived.altered, *_check_params(signature, request)))


def is_altered(result: CheckResult) -> bool:
    """Whether a request is taken but does not arrive as it was sent."""
    told = (problem for problem in result.problems if not problem.is_refusal)
    return result.ok and any(problem.kind is ProblemKind.TYPE for problem in told)


def find_arrived(signature: Signature, request: Mapping[str, Any]) -> Data | None:
    """Return what `predict` gets for a JSON request, or None if the server refuses it."""
    try:
        return _arrive(signature.inputs, request).data if signature.inputs else None
    except (RequestRefused, *CAST_ERRORS):
        return None


def _arrive(inputs: Schema, request: Mapping[str, Any]) -> Arrived:
    forms = sorted(request.keys() & REQUEST_FORMS)
    if len(forms) != 1:
        raise RequestRefused("*", "exactly one of the request forms", ", ".join(forms) or "none of them")
    arrive = arrive_as_table if forms[0].startswith("dataframe_") else arrive_as_arrays
    # What NumPy warns of, such as a number that becomes infinite, is told as altered.
    with np.errstate(all="ignore"):
        return arrive(inputs, forms[0], request[forms[0]])


def _check_params(signature: Signature, request: Mapping[str, Any]) -> list[Problem]:
    given = request.get("params")
    if given is None or signature.params is None:
        return []
    if not isinstance(given, dict):
        return [RequestRefused("params", "a mapping", type(given).__name__).problem]
    return [
        RequestRefused(f"params.{param.name}", param, type(given[param.name]).__name__).problem
        for param in signature.params
        if param.name in given and not is_param_value(param, given[param.name])
    ]
