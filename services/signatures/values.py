"""What a signature declares, as frozen values: columns with nested types, tensors, params, and how it could be read.

The types are those of MLflow 3.17.2 (`mlflow.types.schema`). Two rules of MLflow's reader are kept: a scalar column is
required unless it says otherwise, a nested one (array, object, map, any) only if it says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Scalar(StrEnum):
    """MLflow's plain data types."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    LONG = "long"
    FLOAT = "float"
    DOUBLE = "double"
    STRING = "string"
    BINARY = "binary"
    DATETIME = "datetime"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyType:
    """Anything: MLflow checks nothing."""

    def __str__(self) -> str:
        return "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """A list of one type; `is_vector` marks Spark ML's vector, which is enforced as a list of doubles."""

    items: Type
    is_vector: bool = False

    def __str__(self) -> str:
        return "sparkml_vector" if self.is_vector else f"array[{self.items}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """A mapping from any text to one type."""

    values: Type

    def __str__(self) -> str:
        return f"map[{self.values}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A named part of an object."""

    name: str
    type: Type
    is_required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """A mapping with declared keys, by name; unlike a column, an undeclared key is refused."""

    properties: tuple[Property, ...]

    def __str__(self) -> str:
        shown = (f"{part.name}{'' if part.is_required else '?'}: {part.type}" for part in self.properties)
        return f"object{{{', '.join(shown)}}}"


Type = Scalar | AnyType | Array | Map | Object


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table; unnamed ones are known by their position, and some frames are labelled with numbers."""

    name: str | int | None
    type: Type
    is_required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An array of one NumPy dtype; -1 in the shape stands for any length."""

    name: str | int | None
    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"tensor {self.dtype} {list(self.shape)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """A table's schema: all columns named, or none."""

    columns: tuple[Column, ...]

    @property
    def is_named(self) -> bool:
        """Whether columns are found by name rather than by position."""
        return self.columns[0].name is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensors:
    """The schema of one unnamed array, or of named ones."""

    tensors: tuple[Tensor, ...]

    @property
    def is_named(self) -> bool:
        """Whether the arrays come as a mapping by name."""
        return self.tensors[0].name is not None


Schema = Columns | Tensors


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A parameter of `predict`; `default` is as JSON has it, and applies where the caller gives none."""

    name: str
    type: Scalar | Object
    default: Any
    is_list: bool = False

    def __str__(self) -> str:
        return f"{self.type}[]" if self.is_list else str(self.type)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Inputs, outputs and params; None where that side is not declared."""

    inputs: Schema | None = None
    outputs: Schema | None = None
    params: tuple[Param, ...] | None = None


class SignatureState(StrEnum):
    """How much a model says of its signature. Unreadable is not absent."""

    PRESENT = "present"
    INPUTS_ONLY = "inputs_only"
    NO_INPUTS = "no_inputs"
    ABSENT = "absent"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureReading:
    """What an MLmodel file says about its signature.

    Args:
        reason: one sentence on why there is no whole signature; empty when there is.
        is_from_type_hints: the model validates its input by its own type hints, and MLflow enforces nothing of this.
        column_defaults: values that `metadata.column_defaults` declares for columns that a caller leaves out.
        digest: the same for the same signature text, and never the same for different ones; empty if unreadable.
    """

    state: SignatureState
    signature: Signature | None = None
    reason: str = ""
    has_input_example: bool = False
    is_from_type_hints: bool = False
    mlflow_version: str = ""
    column_defaults: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""


def type_json(of: Type) -> dict[str, Any]:
    """Return a type as MLflow writes it.

    >>> type_json(Array(items=Scalar.LONG))
    {'type': 'array', 'items': {'type': 'long'}}
    """
    match of:
        case Array(is_vector=True):
            return {"type": "sparkml_vector"}
        case Array():
            return {"type": "array", "items": type_json(of.items)}
        case Map():
            return {"type": "map", "values": type_json(of.values)}
        case Object():
            parts = {part.name: {**type_json(part.type), "required": part.is_required} for part in of.properties}
            return {"type": "object", "properties": parts}
        case _:
            return {"type": str(of)}


def schema_json(schema: Schema | None) -> list[dict[str, Any]] | None:
    """Return a schema as MLflow writes it, or None for none."""
    if schema is None:
        return None
    if isinstance(schema, Tensors):
        return [
            _named(tensor.name, {"type": "tensor", "tensor-spec": {"dtype": tensor.dtype, "shape": list(tensor.shape)}})
            for tensor in schema.tensors
        ]
    return [
        _named(column.name, {**type_json(column.type), "required": column.is_required}) for column in schema.columns
    ]


def params_json(params: tuple[Param, ...] | None) -> list[dict[str, Any]] | None:
    """Return params as MLflow writes them, or None for none."""
    if params is None:
        return None
    return [
        {
            "name": param.name,
            "default": param.default,
            "shape": [-1] if param.is_list else None,
            **type_json(param.type),
        }
        for param in params
    ]


def column_by_label(declared: Columns) -> dict[str | int, Column]:
    """Return the columns by name, or by position where they have none, in the declared order."""
    return {index if column.name is None else column.name: column for index, column in enumerate(declared.columns)}


def _named(name: str | int | None, declared: dict[str, Any]) -> dict[str, Any]:
    return declared if name is None else {"name": name, **declared}
