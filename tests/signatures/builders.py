"""Builders of signatures, and hypothesis strategies for random ones with data that they take."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

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
    Signature,
    SignatureReading,
    SignatureState,
    Tensor,
    Tensors,
    Type,
)

DTYPES = {
    Scalar.BOOLEAN: "bool",
    Scalar.INTEGER: "int32",
    Scalar.LONG: "int64",
    Scalar.FLOAT: "float32",
    Scalar.DOUBLE: "float64",
    Scalar.STRING: "str",
    Scalar.BINARY: "object",
    Scalar.DATETIME: "datetime64[ns]",
}


def array(items: Type | str) -> Array:
    return Array(items=as_type(items))


def mapping(values: Type | str) -> Map:
    return Map(values=as_type(values))


def obj(**properties: Type | str) -> Object:
    """An object; a name that ends in `_` is optional."""
    parts = (
        Property(name=name.rstrip("_"), type=as_type(of), is_required=not name.endswith("_"))
        for name, of in sorted(properties.items())
    )
    return Object(properties=tuple(parts))


def as_type(of: Type | str) -> Type:
    if of == "any":
        return AnyType()
    return Scalar(of) if isinstance(of, str) else of


def columns(**types: Type | str) -> Columns:
    """Named columns; a name that ends in `_` is optional."""
    return Columns(
        columns=tuple(
            Column(name=name.rstrip("_"), type=as_type(of), is_required=not name.endswith("_"))
            for name, of in types.items()
        )
    )


def unnamed(*types: Type | str) -> Columns:
    return Columns(columns=tuple(Column(name=None, type=as_type(of)) for of in types))


def tensor(dtype: str, *shape: int, name: str | None = None) -> Tensors:
    return Tensors(tensors=(Tensor(name=name, dtype=dtype, shape=shape),))


def tensors(**declared: tuple[str, tuple[int, ...]]) -> Tensors:
    return Tensors(
        tensors=tuple(Tensor(name=name, dtype=dtype, shape=shape) for name, (dtype, shape) in declared.items())
    )


def param(name: str, of: str | Object, default: Any, *, is_list: bool = False) -> Param:
    return Param(name=name, type=of if isinstance(of, Object) else Scalar(of), default=default, is_list=is_list)


def _reason(inputs: Schema | None, outputs: Schema | None) -> str:
    if inputs is None:
        return "The signature does not declare what the model takes."
    return "" if outputs else "The signature does not declare what the model returns."


def reading(
    inputs: Schema | None = None, outputs: Schema | None = None, params: tuple[Param, ...] | None = None
) -> SignatureReading:
    """A reading as the reader would make it."""
    signature = Signature(inputs=inputs, outputs=outputs, params=params)
    state = SignatureState.PRESENT if outputs else SignatureState.INPUTS_ONLY
    return SignatureReading(
        state=state if inputs else SignatureState.NO_INPUTS,
        signature=signature,
        reason=_reason(inputs, outputs),
        digest=repr(signature),
    )


scalars = st.sampled_from(list(Scalar))
names = st.sampled_from(["a", "b", "c", "d"])


def _objects(inner: st.SearchStrategy[Type]) -> st.SearchStrategy[Object]:
    parts = st.dictionaries(names, st.tuples(inner, st.booleans()), min_size=2, max_size=3)
    return parts.map(
        lambda found: Object(
            properties=tuple(
                Property(name=name, type=of, is_required=required) for name, (of, required) in sorted(found.items())
            )
        )
    )


types: st.SearchStrategy[Type] = st.recursive(
    st.one_of(scalars, scalars, st.just(AnyType())),
    lambda inner: st.one_of(
        inner.map(lambda of: Array(items=of)), inner.map(lambda of: Map(values=of)), _objects(inner)
    ),
    max_leaves=5,
)


@st.composite
def schemas(draw: st.DrawFn) -> Columns:
    """Named columns of random nested types."""
    found = draw(st.dictionaries(names, st.tuples(types, st.booleans()), min_size=1, max_size=3))
    return Columns(columns=tuple(Column(name=name, type=of, is_required=req) for name, (of, req) in found.items()))


@st.composite
def mutated(draw: st.DrawFn, old: Columns) -> Columns:
    """`old` with one or two columns changed, added or taken away."""
    kept = list(old.columns)
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(kept) - 1))
        column = kept[at]
        match draw(st.sampled_from(["retype", "inside", "require", "remove", "add", "order"])):
            case "retype":
                kept[at] = Column(name=column.name, type=draw(types), is_required=column.is_required)
            case "inside":
                inside = draw(mutated_types(column.type))
                kept[at] = Column(name=column.name, type=inside, is_required=column.is_required)
            case "require":
                kept[at] = Column(name=column.name, type=column.type, is_required=not column.is_required)
            case "remove" if len(kept) > 1:
                kept.pop(at)
            case "add":
                name = f"new_{len(kept)}"
                kept.append(Column(name=name, type=draw(types), is_required=draw(st.booleans())))
            case "order":
                kept.insert(0, kept.pop())
            case _:
                pass
    return Columns(columns=tuple(kept))


@st.composite
def mutated_types(draw: st.DrawFn, of: Type) -> Type:
    """`of` with something changed inside."""
    match of:
        case Array():
            return Array(items=draw(mutated_types(of.items)))
        case Map():
            return Map(values=draw(mutated_types(of.values)))
        case Object():
            parts = list(of.properties)
            at = draw(st.integers(0, len(parts) - 1))
            match draw(st.sampled_from(["retype", "require", "remove", "add"])):
                case "retype":
                    inside = draw(mutated_types(parts[at].type))
                    parts[at] = Property(name=parts[at].name, type=inside, is_required=parts[at].is_required)
                case "require":
                    parts[at] = Property(
                        name=parts[at].name, type=parts[at].type, is_required=not parts[at].is_required
                    )
                case "remove" if len(parts) > 1:
                    parts.pop(at)
                case _:
                    parts.append(Property(name="z", type=draw(scalars), is_required=draw(st.booleans())))
            return Object(properties=tuple(sorted(parts, key=lambda part: part.name)))
        case _:
            return draw(scalars)


_integers = {
    Scalar.INTEGER: st.integers(-(2**31), 2**31 - 1),
    Scalar.LONG: st.integers(-(2**63), 2**63 - 1),
}
_texts = st.text(max_size=5)
_moments = st.integers(0, 2**33).map(lambda second: np.datetime64(second, "s").astype("datetime64[ns]"))


def nested_values(of: Type, *, is_required: bool = True) -> st.SearchStrategy[Any]:
    """Values that MLflow mostly takes as nested fields of the type; tests ask MLflow whether it does."""
    match of:
        case AnyType():
            return st.one_of(st.none(), st.booleans(), st.integers(-5, 5), _texts, st.lists(st.integers(), max_size=2))
        case Array():
            return _lists(of, is_required=is_required)
        case Map():
            return st.dictionaries(_texts, nested_values(of.values, is_required=is_required), max_size=2)
        case Object():
            required = {part.name: nested_values(part.type) for part in of.properties if part.is_required}
            optional = {
                part.name: st.one_of(st.none(), nested_values(part.type, is_required=False))
                for part in of.properties
                if not part.is_required
            }
            return st.fixed_dictionaries(required, optional=optional)
        case _:
            return _nested_scalars(of)


def _lists(of: Array, *, is_required: bool) -> st.SearchStrategy[Any]:
    items = st.lists(nested_values(of.items, is_required=is_required), max_size=3)
    if isinstance(of.items, Scalar) and of.items not in {Scalar.STRING, Scalar.BINARY}:
        dtype = DTYPES[of.items]
        return st.one_of(items, items.map(lambda found: np.array(found, dtype=dtype)))
    if of.items == Array(items=Scalar.LONG):
        return st.one_of(items, st.just(np.array([[1, 2], [3, 4]])))
    return items


def _nested_scalars(of: Scalar) -> st.SearchStrategy[Any]:
    return {
        Scalar.BOOLEAN: st.booleans(),
        Scalar.INTEGER: _integers[Scalar.INTEGER].map(np.int32),
        Scalar.LONG: st.one_of(_integers[Scalar.LONG], st.integers(0, 1)),
        Scalar.FLOAT: st.floats(width=32).map(np.float32),
        Scalar.DOUBLE: st.one_of(st.floats(), st.integers(0, 1)),
        Scalar.STRING: _texts,
        Scalar.BINARY: st.binary(max_size=5),
        Scalar.DATETIME: _moments,
    }[of]


@st.composite
def frames(draw: st.DrawFn, declared: Columns) -> pd.DataFrame:
    """Tables that MLflow mostly takes for the columns; tests ask MLflow whether it does."""
    rows = draw(st.integers(1, 2))
    series = {}
    for index, column in enumerate(declared.columns):
        if not column.is_required and draw(st.booleans()):
            continue
        label = index if column.name is None else column.name
        series[label] = draw(_cells(column, rows))
    return pd.DataFrame(series, index=range(rows))


@st.composite
def _cells(draw: st.DrawFn, column: Column, rows: int) -> pd.Series[Any]:
    of = column.type
    if isinstance(of, Scalar):
        dtype = draw(st.sampled_from(_SOURCES[of]))
        values = [draw(_of_dtype(dtype)) for _ in range(rows)]
        return pd.Series(values, dtype=dtype)
    values = [draw(nested_values(of, is_required=column.is_required)) for _ in range(rows)]
    if isinstance(of, AnyType) and draw(st.booleans()):
        return pd.Series([1.5] * rows)
    cells = np.empty(rows, dtype=object)
    for row, value in enumerate(values):
        cells[row] = value
    return pd.Series(cells)


def json_values(of: Type, *, is_nested: bool = False) -> st.SearchStrategy[Any]:
    """Values that a JSON caller may send for the type, and some that do not fit."""
    match of:
        case AnyType():
            return st.one_of(st.none(), st.booleans(), st.integers(-5, 5), _texts, st.lists(st.integers(), max_size=2))
        case Array():
            return st.lists(json_values(of.items, is_nested=True), max_size=3)
        case Map():
            return st.dictionaries(_texts, json_values(of.values, is_nested=True), max_size=2)
        case Object():
            required = {part.name: json_values(part.type, is_nested=True) for part in of.properties if part.is_required}
            optional = {
                part.name: st.one_of(st.none(), json_values(part.type, is_nested=True))
                for part in of.properties
                if not part.is_required
            }
            return st.fixed_dictionaries(required, optional=optional)
        case _:
            return st.one_of(_json_scalars(of), _json_scalars(of), st.none(), st.integers(-3, 3), _texts)


def _json_scalars(of: Scalar) -> st.SearchStrategy[Any]:
    match of:
        case Scalar.BOOLEAN:
            return st.booleans()
        case Scalar.INTEGER | Scalar.LONG:
            return st.one_of(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1), st.integers(0, 1))
        case Scalar.FLOAT | Scalar.DOUBLE:
            return st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 1))
        case Scalar.BINARY:
            return st.binary(max_size=5).map(lambda found: base64.b64encode(found).decode())
        case Scalar.DATETIME:
            return _moments.map(str)
        case _:
            return _texts


@st.composite
def requests(draw: st.DrawFn, declared: Columns) -> dict[str, Any]:
    """JSON requests in one of the two table forms."""
    rows = draw(st.integers(1, 2))
    kept = [column for column in declared.columns if column.is_required or draw(st.booleans())]
    data = [[draw(json_values(column.type)) for column in kept] for _ in range(rows)]
    names = [column.name for column in kept]
    if draw(st.booleans()):
        return {"dataframe_split": {"columns": names, "data": data}}
    return {"dataframe_records": [dict(zip(names, row, strict=True)) for row in data]}


_SOURCES: dict[Scalar, list[str]] = {
    Scalar.BOOLEAN: ["bool", "object"],
    Scalar.INTEGER: ["int8", "int16", "int32", "uint8", "uint16", "Int32"],
    Scalar.LONG: ["int32", "int64", "uint32", "Int64"],
    Scalar.FLOAT: ["float16", "float32", "Float32"],
    Scalar.DOUBLE: ["float64", "float32", "int32", "Int32", "Float64"],
    Scalar.STRING: ["str", "string", "object"],
    Scalar.BINARY: ["object", "str"],
    Scalar.DATETIME: ["datetime64[ns]", "datetime64[s]"],
}


def _of_dtype(dtype: str) -> st.SearchStrategy[Any]:
    name = dtype.lower()
    if name.startswith("datetime"):
        return _moments
    if name == "bool":
        return st.booleans()
    if name == "object":
        return st.one_of(_texts, st.binary(max_size=4), st.booleans())
    if name in {"str", "string"}:
        return _texts
    if name.startswith("float"):
        return st.floats(width=16)
    bits = int(name.removeprefix("u").removeprefix("int"))
    return st.integers(0, 2**bits - 1) if name.startswith("u") else st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
