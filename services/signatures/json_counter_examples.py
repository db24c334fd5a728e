"""Counter-examples for JSON callers: a request that the old model gets as meant, and the new one not."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from services.signatures.counter_examples import find_refused_param
from services.signatures.examples import MAX_VARIANTS
from services.signatures.scoring import check_request, find_arrived, is_altered
from services.signatures.values import (
    AnyType,
    Array,
    Columns,
    Map,
    Object,
    Scalar,
    Signature,
    Tensors,
    Type,
    column_by_label,
)

_SENT: Mapping[Scalar, tuple[Any, ...]] = {
    Scalar.BOOLEAN: (True,),
    Scalar.INTEGER: (7, 2**31 - 1),
    Scalar.LONG: (7, 2**40),
    Scalar.FLOAT: (0.5,),
    Scalar.DOUBLE: (0.5, 1e300),
    Scalar.STRING: ("text", "t\u00e9xt"),
    Scalar.BINARY: (base64.b64encode(b"bytes").decode(),),
    Scalar.DATETIME: ("2026-01-02T03:04:05",),
}
_SENT_NESTED: Mapping[Scalar, tuple[Any, ...]] = {
    **_SENT,
    Scalar.INTEGER: (),
    Scalar.LONG: (7,),
    Scalar.FLOAT: (0, 1),
    Scalar.DATETIME: (),
}
_ANYTHING: tuple[Any, ...] = ("text", 7, 0.5, True, [7], {"key": 7})
_BY_KIND: Mapping[str, tuple[Any, ...]] = {
    "b": (True,),
    "i": (-7, 100),
    "u": (7, 200),
    "U": ("text",),
    "M": ("2026-01-02",),
}
_KEY = "a key of nobody"


def find_json_counter_example(old: Signature, new: Signature) -> dict[str, Any] | None:
    """Return a request to the scoring server that works with the old model and not with the new, or None."""
    if old.inputs is None or new.inputs is None:
        return None
    sources = _tables(old.inputs, new) if isinstance(old.inputs, Columns) else _arrays(old.inputs)
    for request in sources:
        before, after = check_request(old, request), check_request(new, request)
        if before.ok and not is_altered(before) and (not after.ok or is_altered(after) or _differs(old, new, request)):
            return request
    params = find_refused_param(old, new, is_json=True)
    return {"params": params} if params else None


def _tables(old: Columns, new: Signature) -> Iterator[dict[str, Any]]:
    base: dict[Any, Any] = {}
    for index, column in enumerate(old.columns):
        cell = next(_cells(column.type), None)
        if cell is None and column.is_required:
            return
        if cell is not None:
            base[index if column.name is None else column.name] = cell
    yield _split(old, base)
    if not isinstance(new.inputs, Columns) or new.inputs.is_named != old.is_named:
        yield _split(old, {**base, _KEY: 1})
        yield _split(old, dict(reversed(base.items())))
        yield {"dataframe_split": {**_split(old, base)["dataframe_split"], "index": [1]}}
    now = column_by_label(new.inputs) if isinstance(new.inputs, Columns) else {}
    for label, column in column_by_label(old).items():
        if label not in base or now.get(label) == column:
            continue
        if not column.is_required:
            yield _split(old, {other: cell for other, cell in base.items() if other != label})
        for cell in islice(_cells(column.type), 1, MAX_VARIANTS):
            yield _split(old, {**base, label: cell})


def _split(declared: Columns, cells: dict[Any, Any]) -> dict[str, Any]:
    named = {"columns": list(cells)} if declared.is_named else {}
    return {"dataframe_split": {**named, "data": [list(cells.values())]}}


def _cells(of: Type) -> Iterator[Any]:
    yield from _SENT[of] if isinstance(of, Scalar) else _values(of)


def _values(of: Type) -> Iterator[Any]:
    match of:
        case AnyType():
            yield from _ANYTHING
        case Array():
            for value in _values(of.items):
                yield [value]
            yield []
        case Map():
            for value in _values(of.values):
                yield {_KEY: value}
            yield {}
        case Object():
            yield from _objects(of)
        case _:
            yield from _SENT_NESTED[of]


def _objects(of: Object) -> Iterator[dict[str, Any]]:
    plain: dict[str, Any] = {}
    for part in of.properties:
        value = next(_values(part.type), None)
        if value is None and part.is_required:
            return
        if value is not None:
            plain[part.name] = value
    yield plain
    for part in of.properties:
        if not part.is_required and part.name in plain:
            yield {name: value for name, value in plain.items() if name != part.name}
            yield {**plain, part.name: None}
        for value in _values(part.type):
            yield {**plain, part.name: value}


def _arrays(old: Tensors) -> Iterator[dict[str, Any]]:
    for length in (2, 3, 1):
        for which in range(2):
            sent = {}
            for tensor in old.tensors:
                shape = tuple(length if declared == -1 else declared for declared in tensor.shape)
                values = _BY_KIND.get(np.dtype(tensor.dtype).kind, (0.5, 1e300))
                sent[tensor.name] = np.full(shape, values[min(which, len(values) - 1)], dtype=object).tolist()
            yield {"inputs": sent if old.is_named else sent[None]}
    if not old.is_named:
        yield {"inputs": [[[0.5]]]}


def _differs(old: Signature, new: Signature, request: dict[str, Any]) -> bool:
    """Whether the two models get different values for the same request, in what the new one still takes."""
    before, after = find_arrived(old, request), find_arrived(new, request)
    if not (isinstance(before, pd.DataFrame) and isinstance(after, pd.DataFrame) and isinstance(new.inputs, Columns)):
        return False
    declared = column_by_label(new.inputs)
    kept = [label for label in before.columns if label in after.columns and label in declared]
    return any(before[label].tolist() != after[label].tolist() for label in kept)
