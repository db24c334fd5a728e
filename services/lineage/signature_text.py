"""A signature in one line, in the user's form: `inputs: [age: long] -> outputs: [prediction: long]`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def describe_signature(signature: Any | None) -> str:
    """Return one line for an MLflow `ModelSignature`; empty for none.

    An optional column ends in `?`, a tensor shows its shape.
    """
    if signature is None:
        return ""
    sides = {side: json.loads(text) for side, text in signature.to_dict().items() if text}
    shown = [f"{side}: [{', '.join(describe_fields(fields))}]" for side, fields in sides.items()]
    return " -> ".join(part for part in shown if not part.startswith("params")) + "".join(
        f", {part}" for part in shown if part.startswith("params")
    )


def describe_fields(fields: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each field of one side.

    Raises:
        KeyError, TypeError, AttributeError: it is no side of a signature.
    """
    return [_field(field) for field in fields]


def _field(field: Mapping[str, Any]) -> str:
    if field["type"] == "tensor":
        described = f"{field['tensor-spec']['dtype']} {tuple(field['tensor-spec']['shape'])}"
    else:
        described = str(field["type"])
    name = f"{field['name']}: " if field.get("name") else ""
    return f"{name}{described}{'' if field.get('required', True) else '?'}"
