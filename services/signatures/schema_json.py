"""Reading of the JSON in which MLflow writes a schema, with the same strictness as MLflow 3.17.2, and limits.

Three differences, all to the strict side: a name twice, the name 0 anywhere but first, and an empty name are refused,
because MLflow takes one column for another there. The limits are on nesting and on the number of fields.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from services.signatures.param_values import is_param_value
from services.signatures.values import (
    AnyType,
    Array,
    Column,
    Columns,
    Map,
    Object,
    Param,
    Property,
    Scalar,
    Schema,
    Tensor,
    Tensors,
    Type,
)

MAX_DEPTH = 100
MAX_FIELDS = 100_000
MAX_RANK = 64

_NESTED = frozenset({"array", "object", "map", "any", "sparkml_vector"})
_SCALARS = {scalar.value: scalar for scalar in Scalar}
_SCALAR_COLUMN_KEYS = frozenset({"type", "name", "required"})
# What NumPy itself names dtypes: no import of NumPy is needed for these.
_PLAIN_DTYPES = frozenset(
    {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
    | {"float16", "float32", "float64", "complex64", "complex128", "object", "str", "bytes"}
)


class SchemaUnreadable(ValueError):
    """A schema that MLflow, or we, cannot read; the text is one clause on why."""


def read_schema(text: str) -> Schema:
    """Read the inputs or outputs of a signature.

    Raises:
        SchemaUnreadable: the text is not such a schema.
    """
    fields = _read_list(text)
    if not fields:
        raise SchemaUnreadable("the list of inputs or outputs is empty")
    is_tensor = [isinstance(field, dict) and field.get("type") == "tensor" for field in fields]
    if all(is_tensor):
        return _check_tensors(tuple(_tensor(field, index) for index, field in enumerate(fields)))
    if any(is_tensor):
        raise SchemaUnreadable("columns and tensors are mixed")
    budget = _Budget()
    return _check_columns(tuple(_column(field, index, budget) for index, field in enumerate(fields)))


def read_params(text: str) -> tuple[Param, ...]:
    """Read the params of a signature.

    Raises:
        SchemaUnreadable: the text is not a list of params.
    """
    budget = _Budget()
    params = tuple(_param(field, index, budget) for index, field in enumerate(_read_list(text)))
    _check_distinct([param.name for param in params], "param")
    return params


class _Budget:
    """Counts fields down, so that a hostile text cannot make an endless signature."""

    def __init__(self) -> None:
        self.left = MAX_FIELDS

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise SchemaUnreadable(f"it declares more than {MAX_FIELDS:,} fields")


def _read_list(text: str) -> list[Any]:
    try:
        fields = json.loads(text, object_pairs_hook=_distinct_keys)
    except RecursionError:
        raise SchemaUnreadable(f"it nests deeper than the {MAX_DEPTH} levels that are read") from None
    except json.JSONDecodeError as error:
        raise SchemaUnreadable(f"its JSON breaks off at character {error.pos} ({error.msg.lower()})") from error
    except ValueError as error:
        raise SchemaUnreadable(str(error)) from error
    if not isinstance(fields, list):
        raise SchemaUnreadable("its JSON is not a list")
    return fields


def _distinct_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        _check_distinct([key for key, _ in pairs], "key")
    return mapping


def _check_distinct(names: Sequence[str | int | None], what: str) -> None:
    if len(set(names)) != len(names):
        seen: set[str | int | None] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise SchemaUnreadable(f"the {what} {twice!r} stands there twice")


def _column(field: Any, index: int, budget: _Budget) -> Column:
    where = f"column {index}"
    kind = _kind(field, where)
    where = f"column {field.get('name', index)!r}"
    if kind not in _NESTED and not field.keys() <= _SCALAR_COLUMN_KEYS:
        unknown = min(field.keys() - _SCALAR_COLUMN_KEYS)
        raise SchemaUnreadable(f"{where} carries the unknown key {unknown!r}")
    return Column(
        name=_name(field.get("name"), index, where),
        type=_type(field, where, budget, 1),
        is_required=_required(field, where, default=kind not in _NESTED),
    )


def _check_columns(columns: tuple[Column, ...]) -> Columns:
    _check_names([column.name for column in columns])
    if columns[0].name is not None:
        return Columns(columns=columns)
    if any(not column.is_required and isinstance(column.type, Scalar) for column in columns):
        raise SchemaUnreadable("an unnamed column is optional")
    # MLflow passes unnamed columns through as required, whatever they say.
    return Columns(columns=tuple(Column(name=None, type=column.type) for column in columns))


def _check_tensors(tensors: tuple[Tensor, ...]) -> Tensors:
    _check_names([tensor.name for tensor in tensors])
    if len(tensors) > 1 and tensors[0].name is None:
        raise SchemaUnreadable("it declares several tensors without names")
    return Tensors(tensors=tensors)


def _check_names(names: Sequence[str | int | None]) -> None:
    unnamed = sum(name is None for name in names)
    if unnamed and unnamed != len(names):
        raise SchemaUnreadable("some inputs or outputs are named and some are not")
    if not unnamed:
        _check_distinct(names, "column")


def _name(name: Any, index: int, where: str) -> str | int | None:
    if name is None or (isinstance(name, str) and name) or (type(name) is int and (name or not index)):
        return name
    if name in ("", 0) and not isinstance(name, bool | float):
        raise SchemaUnreadable(f"{where} has a name that MLflow mistakes for the position {index}")
    raise SchemaUnreadable(f"{where} has a name that is neither text nor a whole number")


def _kind(field: Any, where: str) -> str:
    if not isinstance(field, dict):
        raise SchemaUnreadable(f"{where} is not described by a mapping")
    kind = field.get("type")
    if not isinstance(kind, str) or (kind not in _SCALARS and kind not in _NESTED):
        raise SchemaUnreadable(f"{where} has the unknown type {str(kind)[:60]!r}")
    return kind


def _required(field: dict[str, Any], where: str, *, default: bool) -> bool:
    required = field.get("required", default)
    if required is None:
        return False
    if not isinstance(required, bool):
        raise SchemaUnreadable(f"{where} says required: {str(required)[:60]!r}, which is neither true nor false")
    return required


def _type(field: Any, where: str, budget: _Budget, depth: int) -> Type:
    budget.spend()
    if depth > MAX_DEPTH:
        raise SchemaUnreadable(f"it nests deeper than the {MAX_DEPTH} levels that are read")
    match _kind(field, where):
        case "array":
            return Array(items=_type(_part(field, "items", where), f"{where}[]", budget, depth + 1))
        case "map":
            values = _part(field, "values", where)
            inner = _type(values, f"{where}{{}}", budget, depth + 1)
            # MLflow reads a map of vectors as one vector.
            return inner if values["type"] == "sparkml_vector" else Map(values=inner)
        case "object":
            return _object(field, where, budget, depth)
        case "sparkml_vector":
            return Array(items=Scalar.DOUBLE, is_vector=True)
        case "any":
            return AnyType()
        case kind:
            return _SCALARS[kind]


def _part(field: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    part = field.get(key)
    if not isinstance(part, dict):
        raise SchemaUnreadable(f"{where} has no {key!r} that describe its type")
    return part


def _object(field: dict[str, Any], where: str, budget: _Budget, depth: int) -> Object:
    parts = _part(field, "properties", where)
    if not parts:
        raise SchemaUnreadable(f"{where} is an object without properties")
    properties = []
    for name, part in sorted(parts.items()):
        inside = f"{where}.{name}"
        if isinstance(part, dict) and part.get("type") == "sparkml_vector":
            raise SchemaUnreadable(f"{inside} is a Spark vector, which MLflow cannot read inside an object")
        properties.append(
            Property(
                name=name,
                type=_type(part, inside, budget, depth + 1),
                is_required=_required(part, inside, default=True),
            )
        )
    return Object(properties=tuple(properties))


def _tensor(field: dict[str, Any], index: int) -> Tensor:
    where = f"tensor {field.get('name', index)!r}"
    info = _part(field, "tensor-spec", where)
    return Tensor(
        name=_name(field.get("name"), index, where),
        dtype=_dtype(info.get("dtype"), where),
        shape=_shape(info.get("shape"), where),
    )


def _dtype(name: Any, where: str) -> str:
    if isinstance(name, str) and name in _PLAIN_DTYPES:
        return name
    import numpy as np

    try:
        dtype = np.dtype(name) if isinstance(name, str) else None
    except (TypeError, ValueError, SyntaxError):
        dtype = None
    if dtype is None or dtype.kind not in "biufcOSUmM" or (dtype.kind in "SU" and dtype.itemsize):
        raise SchemaUnreadable(f"{where} has the unknown dtype {str(name)[:60]!r}")
    return dtype.name


def _shape(shape: Any, where: str) -> tuple[int, ...]:
    if not isinstance(shape, list) or len(shape) > MAX_RANK:
        raise SchemaUnreadable(f"{where} has no list of at most {MAX_RANK} lengths as its shape")
    if any(type(length) is not int or length < -1 for length in shape):
        raise SchemaUnreadable(f"{where} has the shape {str(shape)[:60]}; lengths are whole numbers, -1 for any")
    return tuple(shape)


def _param(field: Any, index: int, budget: _Budget) -> Param:
    where = f"param {index}"
    if not isinstance(field, dict) or "name" not in field or "default" not in field:
        raise SchemaUnreadable(f"{where} lacks its name or its default")
    where = f"param {field['name']!r}"
    kind = field.get("type") or field.get("dtype")
    if kind == "object":
        of: Type = _object(field, where, budget, 1)
    else:
        of = _type({"type": kind}, where, budget, 1)
    is_list = field.get("shape") is not None
    if is_list and field["shape"] != [-1]:
        raise SchemaUnreadable(f"{where} has the shape {str(field['shape'])[:60]}; only a flat list, [-1], is possible")
    if of is Scalar.BINARY or not isinstance(of, Scalar | Object) or (is_list and isinstance(of, Object)):
        raise SchemaUnreadable(f"{where} cannot be of the type {of}{' list' if is_list else ''}")
    param = Param(name=str(field["name"]), type=of, default=field["default"], is_list=is_list)
    if not is_param_value(param, param.default):
        raise SchemaUnreadable(f"{where} has a default that is not of its type {param}")
    return param
