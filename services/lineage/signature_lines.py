"""The signature of a model as lines to show, read from its MLmodel file without loading the model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.errors import InvalidInput
from services.lineage.signature_text import describe_fields
from services.untrusted.yaml_reader import read_yaml

_SIDES = ("inputs", "outputs", "params")
_MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureLines:
    """One line a field, by side; a side that is not there is not described."""

    by_side: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def sides(self) -> frozenset[str]:
        """Which of `inputs`, `outputs` and `params` are described."""
        return frozenset(self.by_side)


def read_signature_lines(mlmodel: bytes) -> SignatureLines:
    """Return the lines of an MLmodel file.

    Raises:
        InvalidInput: it is no MLmodel file, or its signature is none.
    """
    document = read_yaml(mlmodel, max_bytes=_MAX_BYTES).data
    signature: Any = document.get("signature") if isinstance(document, Mapping) else None
    if not isinstance(signature, Mapping):
        return SignatureLines()
    try:
        sides = {side: json.loads(signature[side]) for side in _SIDES if signature.get(side)}
        return SignatureLines(by_side={side: describe_fields(fields) for side, fields in sides.items()})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidInput(
            "The signature in the MLmodel file cannot be read.", next_step="Log the model again."
        ) from error
