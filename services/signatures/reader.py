"""Reading of a signature from the MLmodel file alone: no model is loaded, MLflow is not imported, nothing raises.

Whatever is wrong with the text becomes the state `unreadable` with its reason: unknown is not absent.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from services.errors import InvalidInput, NotFound
from services.signatures.mlmodel import MAX_BYTES, MlmodelUnreadable, read_parts
from services.signatures.schema_json import SchemaUnreadable, read_params, read_schema
from services.signatures.values import Schema, Signature, SignatureReading, SignatureState

_SIDES = ("inputs", "outputs", "params")


def read_signature(mlmodel: bytes) -> SignatureReading:
    r"""Return what an MLmodel file says of its signature.

    >>> read_signature(b"flavors: {}\n").state
    <SignatureState.ABSENT: 'absent'>
    """
    try:
        parts = read_parts(mlmodel)
    except MlmodelUnreadable as error:
        return _unreadable(f"The MLmodel file cannot be read: {error}.")
    texts = parts.get("signature")
    if texts is None:
        return _reading(parts, None)
    if not isinstance(texts, dict):
        return _unreadable("The MLmodel file has a signature that is not a mapping of inputs, outputs and params.")
    try:
        signature = _signature(texts)
    except SchemaUnreadable as error:
        return _unreadable(f"The signature cannot be read: {error}.")
    return _reading(parts, signature, digest=_digest(texts))


def read_reference_path(path: Path) -> SignatureReading:
    """Return the signature of an `MLmodel` file, or of the folder that holds one.

    Raises:
        NotFound: there is no such file.
        InvalidInput: it cannot be opened, or is larger than an MLmodel file may be.
    """
    file = path / "MLmodel" if path.is_dir() else path
    if file.exists() and not file.is_file():
        raise InvalidInput(
            f"{str(file)!r} is not a file.", next_step="Name an MLmodel file or the folder that holds it."
        )
    try:
        with file.open("rb") as opened:
            text = opened.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFound(
            f"There is no MLmodel file at {str(file)!r}.", next_step="Name an MLmodel file or the folder that holds it."
        ) from error
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"{str(file)!r} cannot be opened.", next_step="Check the path and its permissions."
        ) from error
    return read_signature(text)


def _signature(texts: dict[str, Any]) -> Signature:
    for side in _SIDES:
        if texts.get(side) and not isinstance(texts[side], str):
            raise SchemaUnreadable(f"its {side} are not written as JSON text")
    inputs, outputs, params = (texts.get(side) or None for side in _SIDES)
    if inputs is None and outputs is None and params is None:
        raise SchemaUnreadable("it declares neither inputs nor outputs nor params")
    return Signature(
        inputs=_side(inputs, "inputs"),
        outputs=_side(outputs, "outputs"),
        params=read_params(params) if params else None,
    )


def _side(text: str | None, side: str) -> Schema | None:
    try:
        return read_schema(text) if text else None
    except SchemaUnreadable as error:
        raise SchemaUnreadable(f"in its {side}, {error}") from error


def _digest(texts: dict[str, Any]) -> str:
    joined = "\0".join(texts.get(side) or "" for side in _SIDES)
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()


def _unreadable(reason: str) -> SignatureReading:
    return SignatureReading(state=SignatureState.UNREADABLE, reason=reason)


def _reading(parts: dict[str, Any], signature: Signature | None, *, digest: str = "absent") -> SignatureReading:
    state, reason = _state(signature)
    metadata = parts.get("metadata")
    defaults = metadata.get("column_defaults") if isinstance(metadata, dict) else None
    return SignatureReading(
        state=state,
        signature=signature,
        reason=reason,
        has_input_example=isinstance(parts.get("saved_input_example_info"), dict),
        is_from_type_hints=parts.get("is_signature_from_type_hint") is True,
        mlflow_version=str(parts.get("mlflow_version") or ""),
        column_defaults=defaults if isinstance(defaults, dict) else {},
        digest=digest,
    )


def _state(signature: Signature | None) -> tuple[SignatureState, str]:
    if signature is None:
        return SignatureState.ABSENT, "The model was logged without a signature."
    if signature.inputs is None:
        return SignatureState.NO_INPUTS, "The signature does not declare what the model takes."
    if signature.outputs is None:
        return SignatureState.INPUTS_ONLY, "The signature does not declare what the model returns."
    return SignatureState.PRESENT, ""
