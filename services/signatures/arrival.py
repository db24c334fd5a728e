"""What becomes of the values of a request on their way to the model: refused, or taken and altered in silence."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from services.signatures.check import Data, Problem, ProblemKind
from services.signatures.nested_values import cast_value, find_refusal
from services.signatures.rules import shown
from services.signatures.values import Scalar, Type

CAST_ERRORS = (TypeError, ValueError, OverflowError, ArithmeticError, AttributeError)

_NUMBERS = frozenset({Scalar.INTEGER, Scalar.LONG, Scalar.FLOAT, Scalar.DOUBLE})


class RequestRefused(Exception):
    """The scoring server answers that the request is invalid."""

    def __init__(self, column: object, expected: object, found: str) -> None:
        super().__init__(found)
        self.problem = Problem(
            column=str(column),
            kind=ProblemKind.TYPE,
            expected=shown(expected),
            found=found,
            fix="Send it in a form that the scoring server can cast, or change what the model declares.",
        )


class Arrived(NamedTuple):
    """What the server hands to `predict`, and what was altered on the way."""

    data: Data
    altered: list[Problem]


def cast_cells(cells: Sequence[Any], label: object, of: Type, *, is_required: bool) -> list[Any]:
    """Return nested values as MLflow casts them; it will check the outcome once more.

    Raises:
        RequestRefused: one of the cells is not of the type.
    """
    for row, value in enumerate(cells):
        refusal = find_refusal(value, of, is_required=is_required)
        if refusal:
            dot = "" if refusal.path[:1] in {"", "[", "{"} else "."
            raise RequestRefused(f"{label}{dot}{refusal.path}", refusal.expected, f"{refusal.found} in row {row}")
    return [cast_value(value, of) for value in cells]


def tell_altered(name: object, of: Scalar, sent: Sequence[Any], arrived: Sequence[Any]) -> list[Problem]:
    """Return one problem, which is no refusal, if some value does not arrive as it was sent."""
    pairs = zip(sent, arrived, strict=True)
    lost = [(before, after) for before, after in pairs if not _is_as_sent(of, before, after)]
    if not lost:
        return []
    before, after = lost[0]
    more = f" (and {len(lost) - 1} more like it)" if len(lost) > 1 else ""
    return [
        Problem(
            column=str(name),
            kind=ProblemKind.TYPE,
            expected=of,
            found=f"{json.dumps(before, default=str)[:60]} arrives as {str(after)[:60]}{more}",
            fix=f"Send {of} values: the scoring server casts the rest without a word.",
            is_refusal=False,
        )
    ]


def _is_as_sent(of: Scalar, sent: Any, arrived: Any) -> bool:
    if sent is None or (isinstance(sent, float) and np.isnan(sent)):
        # A missing truth value arrives as true or false.
        return of is not Scalar.BOOLEAN
    if of is Scalar.BOOLEAN:
        return isinstance(sent, bool | np.bool_)
    if of is Scalar.BINARY:
        return isinstance(sent, str) and base64.b64encode(arrived).decode() == "".join(sent.split())
    return _is_number_as_sent(of, sent, arrived) if of in _NUMBERS else isinstance(sent, str)


def _is_number_as_sent(of: Scalar, sent: Any, arrived: Any) -> bool:
    if isinstance(sent, bool | np.bool_ | str):
        return False
    if of is Scalar.FLOAT:
        return bool(np.isfinite(arrived) or not np.isfinite(sent))
    if isinstance(sent, int | np.integer):
        return int(arrived) == sent
    return bool(arrived == sent)
