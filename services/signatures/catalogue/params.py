"""Errors met with the params of `predict`."""

from __future__ import annotations

from services.signatures.catalogue.entry import Entry

PARAMS: tuple[Entry, ...] = (
    Entry(
        name="param_type",
        pattern=r"Can not safely convert `(?P<found>[^`]{1,100})` to `(?P<expected>[^`]{1,40})` for value",
        cause="A param is a $found where $expected is declared. Only narrower numbers become wider ones: no fraction "
        "becomes whole, no text a number, no truth value a number.",
        remedy="Send the declared type.",
        lines='model.predict(frame, params={"threshold": 0.5})',
    ),
    Entry(
        name="unknown_params",
        pattern=r"Unrecognized params \[(?P<extra>[^\]]{0,1000})\] are ignored",
        cause="Params that the signature does not declare were given, and MLflow leaves them out: $extra.",
        remedy="Declare them when logging the model, with their defaults; until then they change nothing.",
        lines='signature = infer_signature(example, model.predict(example), params={"threshold": 0.5})',
    ),
    Entry(
        name="no_params_declared",
        pattern=r"`params` can only be specified at inference time if the model signature",
        cause="Params were given to a model whose signature declares none, and MLflow leaves them out.",
        remedy="Declare them when logging the model, with their defaults.",
        lines='signature = infer_signature(example, model.predict(example), params={"threshold": 0.5})',
    ),
    Entry(
        name="param_scalar",
        pattern=r"Value must be a scalar for type",
        cause="A list was given for a param that is declared as one value.",
        remedy="Give one value, or log the model with a list as the default.",
    ),
    Entry(
        name="param_list",
        pattern=r"Value must be a 1D array with shape \(-1,\)",
        cause="One value, or a nested list, was given for a param that is declared as a flat list.",
        remedy="Give a flat list, also for one value.",
    ),
    Entry(
        name="param_binary",
        pattern=r"Binary type is not supported for parameters",
        cause="A param was declared as bytes, which MLflow does not allow.",
        remedy="Declare it as text and send base64.",
    ),
    Entry(
        name="invalid_params",
        pattern=r"Invalid parameters found",
        cause="A param is not of its declared type; the message names which.",
        remedy="Send the declared types: `gatehouse signature show NAME/VERSION` lists them.",
        lines="gatehouse signature show NAME/VERSION",
    ),
)
