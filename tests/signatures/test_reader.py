"""Reading of MLmodel files: what MLflow reads we read alike, and what is malformed or hostile becomes a state."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.models import Model, infer_signature
from mlflow.models.signature import ModelSignature

from services.errors import InvalidInput, NotFound
from services.signatures.mlmodel import MAX_BYTES
from services.signatures.reader import read_reference_path, read_signature
from services.signatures.schema_json import MAX_DEPTH
from services.signatures.values import (
    AnyType,
    Array,
    Map,
    Scalar,
    Signature,
    SignatureReading,
    SignatureState,
    params_json,
    schema_json,
)
from tests.signatures.builders import array, columns, mapping, obj, param, tensor, tensors, unnamed
from tests.signatures.truth import mlmodel_text

SIGNATURES = {
    "all scalars": Signature(inputs=columns(**{of.value: of for of in Scalar}), outputs=columns(p="long")),
    "optional and nested": Signature(
        inputs=columns(
            a_="long", o=obj(x=array(obj(y_="double")), z=mapping("any")), v=Array(items=Scalar.DOUBLE, is_vector=True)
        )
    ),
    "unnamed": Signature(inputs=unnamed("double", array("long")), outputs=unnamed("any")),
    "one tensor": Signature(inputs=tensor("float32", -1, 28, 28, 1), outputs=tensor("str", -1)),
    "named tensors": Signature(inputs=tensors(a=("int8", (-1,)), b=("datetime64[ns]", (2, 3)))),
    "params": Signature(
        inputs=columns(a="long"),
        params=(
            param("t", "double", 0.5),
            param("k", "long", [1, 2], is_list=True),
            param("when", "datetime", "2024-01-01T00:00:00"),
            param("o", obj(a="long"), {"a": 1}),
            param("none", "string", None),
        ),
    ),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_what_mlflow_writes_is_read_without_mlflow(name: str) -> None:
    found = read_signature(mlmodel_text(SIGNATURES[name]))
    assert found.signature == SIGNATURES[name]
    assert found.mlflow_version == "3.17.2"


def test_a_signature_that_mlflow_inferred_is_read() -> None:
    frame = pd.DataFrame({"amount": [1.5], "country": ["US"], "seen": pd.to_datetime(["2024-01-01"])})
    signature = infer_signature(frame, np.array([1]), {"threshold": 0.5})
    found = read_signature(Model(signature=signature).to_yaml().encode())
    assert found.state is SignatureState.PRESENT
    assert found.signature is not None
    assert found.signature.inputs == columns(amount="double", country="string", seen="datetime")
    assert found.signature.outputs == tensor("int64", -1)
    assert found.signature.params == (param("threshold", "double", 0.5),)


def test_columns_labelled_with_numbers_keep_their_numbers() -> None:
    signature = infer_signature(pd.DataFrame([[1.5, 2.5]]))
    found = read_signature(Model(signature=signature).to_yaml().encode()).signature
    assert found is not None
    assert schema_json(found.inputs) == [
        {"name": 0, "type": "double", "required": True},
        {"name": 1, "type": "double", "required": True},
    ]


def of_texts(**texts: Any) -> bytes:
    return yaml.safe_dump({"flavors": {}, "signature": texts}).encode()


def of_inputs(*fields: Any) -> SignatureReading:
    return read_signature(of_texts(inputs=json.dumps(list(fields))))


STATES: list[tuple[bytes, str, str]] = [
    (b"flavors: {}\n", "absent", "without a signature"),
    (b"signature:\n", "absent", "without a signature"),
    (b"signature: null\n", "absent", "without a signature"),
    (of_texts(inputs='[{"type": "long"}]'), "inputs_only", "what the model returns"),
    (of_texts(outputs='[{"type": "long"}]'), "no_inputs", "what the model takes"),
    (of_texts(inputs="", outputs='[{"type": "long"}]'), "no_inputs", "what the model takes"),
    (of_texts(inputs='[{"type": "long"}]', outputs='[{"type": "long"}]'), "present", ""),
]


@pytest.mark.parametrize(("text", "state", "reason"), STATES)
def test_how_much_is_declared_is_told(text: bytes, state: str, reason: str) -> None:
    found = read_signature(text)
    assert found.state == state
    assert reason in found.reason


UNREADABLE: list[tuple[bytes, str]] = [
    (b"", "empty"),
    (b"- 1\n", "not one mapping"),
    (b"just text", "not one mapping"),
    (b"a: 1\n---\nb: 2\n", "several documents"),
    (b"a: [1\n", "line"),
    (b"\xff\xfe\xff", "UTF-8"),
    ('signature: {inputs: \'[{"type": "long"}]\'}\n'.encode("utf-16"), "UTF-8"),
    (b'? [a, {b: 1}]\n: 1\nsignature: {inputs: \'[{"type": "long"}]\'}\n', "a key that is no text"),
    (b'1: 2\nsignature: {inputs: \'[{"type": "long"}]\'}\n', "a key that is no text"),
    (b"a: !!python/object:os.system x\n", "tag"),
    (b"signature: text\n", "not a mapping"),
    (b"signature: {}\n", "neither inputs nor outputs nor params"),
    (b"signature: &a {inputs: '[]'}\nother: *a\nsignature: *a\n", "twice"),
    (b"x: &a {inputs: '[]'}\nsignature: *a\n", "another place"),
    (b"x: &a {b: 1}\n<<: *a\n", "merges"),
    (b"signature: {inputs: '[]', inputs: '[]'}\n", "twice"),
    (b"signature: {inputs: [1]}\n", "not written as JSON text"),
    (of_texts(inputs="["), "breaks off at character 1"),
    (of_texts(inputs="{}"), "not a list"),
    (of_texts(inputs="[]"), "empty"),
    (of_texts(inputs="[1]"), "not described by a mapping"),
    (of_texts(inputs='[{"name": "a"}]'), "unknown type"),
    (of_texts(inputs='[{"type": "decimal", "name": "a"}]'), "unknown type 'decimal'"),
    (of_texts(inputs='[{"type": ["long"]}]'), "unknown type"),
    (of_texts(inputs='[{"type": "long", "name": "a", "shape": 1}]'), "unknown key 'shape'"),
    (of_texts(inputs='[{"type": "long", "name": "a", "required": "no"}]'), "neither true nor false"),
    (of_texts(inputs='[{"type": "long", "name": "a"}, {"type": "long", "name": "a"}]'), "'a' stands there twice"),
    (of_texts(inputs='[{"type": "long", "name": "a"}, {"type": "long"}]'), "some are not"),
    (of_texts(inputs='[{"type": "long", "name": ""}]'), "mistakes for the position"),
    (of_texts(inputs='[{"type": "long", "name": 1}, {"type": "long", "name": 0}]'), "mistakes for the position"),
    (of_texts(inputs='[{"type": "long", "name": 1.5}]'), "neither text nor a whole number"),
    (of_texts(inputs='[{"type": "long", "required": false}]'), "unnamed column is optional"),
    (of_texts(inputs='[{"type": "array", "name": "a"}]'), "'items'"),
    (of_texts(inputs='[{"type": "map", "name": "a", "values": "long"}]'), "'values'"),
    (of_texts(inputs='[{"type": "object", "name": "a", "properties": {}}]'), "without properties"),
    (of_texts(inputs='[{"type": "object", "name": "a", "properties": {"b": 1}}]'), "not described by a mapping"),
    (of_texts(inputs='[{"type": "object", "name": "a", "properties": {"b": {"type": "sparkml_vector"}}}]'), "vector"),
    (of_texts(inputs='[{"type": "object", "properties": {"b": {"type": "long"}, "b": {"type": "long"}}}]'), "twice"),
    (of_texts(inputs='[{"type": "tensor"}]'), "'tensor-spec'"),
    (of_texts(inputs='[{"type": "tensor", "tensor-spec": {"dtype": "floaty", "shape": [1]}}]'), "unknown dtype"),
    (of_texts(inputs='[{"type": "tensor", "tensor-spec": {"dtype": "U5", "shape": [1]}}]'), "unknown dtype"),
    (of_texts(inputs='[{"type": "tensor", "tensor-spec": {"dtype": "i4,i4", "shape": [1]}}]'), "unknown dtype"),
    (of_texts(inputs='[{"type": "tensor", "tensor-spec": {"dtype": 5, "shape": [1]}}]'), "unknown dtype"),
    (of_texts(inputs='[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-2]}}]'), "whole numbers"),
    (of_texts(inputs='[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": "x"}}]'), "list of at most"),
    (
        of_texts(inputs='[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [1]}}, {"type": "long"}]'),
        "mixed",
    ),
    (
        of_texts(inputs=json.dumps([{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [1]}}] * 2)),
        "several tensors without names",
    ),
    (of_texts(params="[1]"), "lacks its name"),
    (of_texts(params='[{"name": "a", "type": "long"}]'), "lacks its name or its default"),
    (of_texts(params='[{"name": "a", "type": "binary", "default": null}]'), "cannot be of the type binary"),
    (of_texts(params='[{"name": "a", "type": "array", "default": null}]'), "items"),
    (of_texts(params='[{"name": "a", "type": "long", "default": 0.5}]'), "default that is not of its type"),
    (of_texts(params='[{"name": "a", "type": "long", "default": 1, "shape": [2]}]'), "flat list"),
    (of_texts(params='[{"name": "a", "type": "datetime", "default": "x"}]'), "default that is not of its type"),
    (of_texts(params=json.dumps([{"name": "a", "type": "long", "default": 1}] * 2)), "'a' stands there twice"),
    (
        of_texts(params='[{"name": "a", "type": "object", "properties": {"b": {"type": "long"}}, "default": {}}]'),
        "default that is not of its type",
    ),
]


@pytest.mark.parametrize(("text", "reason"), UNREADABLE)
def test_what_cannot_be_read_is_unreadable_with_its_reason(text: bytes, reason: str) -> None:
    found = read_signature(text)
    assert found.state is SignatureState.UNREADABLE
    assert found.signature is None
    assert reason in found.reason
    assert found.reason.endswith(".")


STRICTER_THAN_MLFLOW = (
    "twice",
    "another place",
    "merges",
    "mistakes",
    "neither true nor false",
    "nor a whole number",
    "whole numbers",
    "several documents",
    "unknown dtype",
    "list of at most",
    "unnamed column is optional",
    "not a mapping",
)


@pytest.mark.parametrize(
    "text", [text for text, reason in UNREADABLE if not any(part in reason for part in STRICTER_THAN_MLFLOW)]
)
def test_mlflow_cannot_read_it_either(text: bytes) -> None:
    with pytest.raises(Exception):  # noqa: B017 - MLflow raises whatever its parser meets
        # It opens the file as UTF-8.
        Model.from_dict(yaml.safe_load(text.decode()))


def test_other_spellings_of_dtypes_and_old_keys_are_read_as_mlflow_reads_them() -> None:
    texts = {
        "inputs": '[{"type": "tensor", "tensor-spec": {"dtype": "<f4", "shape": [-1]}}]',
        "params": '[{"name": "a", "dtype": "long", "default": 1, "shape": null}]',
    }
    found = read_signature(of_texts(**texts)).signature
    theirs = ModelSignature.from_dict(texts)
    assert found is not None
    assert theirs.inputs is not None
    assert (
        schema_json(found.inputs)
        == [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1]}}]
        == json.loads(json.dumps(theirs.inputs.to_dict()))
    )
    assert params_json(found.params) == [{"name": "a", "default": 1, "shape": None, "type": "long"}]


def test_a_nested_column_is_optional_unless_it_says_that_it_is_required() -> None:
    found = of_inputs(
        {"type": "any", "name": "a"}, {"type": "long", "name": "b"}, {"type": "long", "name": "c", "required": None}
    )
    assert found.signature is not None
    assert found.signature.inputs == columns(a_="any", b="long", c_="long")


def test_a_map_of_vectors_is_read_as_mlflow_reads_it() -> None:
    found = of_inputs({"type": "map", "name": "a", "values": {"type": "sparkml_vector"}, "required": True})
    assert found.signature is not None
    assert found.signature.inputs == columns(a=Array(items=Scalar.DOUBLE, is_vector=True))


def test_input_example_type_hints_and_declared_defaults_are_read() -> None:
    text = b"""
saved_input_example_info: {artifact_path: input_example.json, type: dataframe}
is_signature_from_type_hint: true
metadata:
  ? [odd, key]
  : 1
  shared: &shared {a: 1}
  again: *shared
  column_defaults: {user_age: 30, merchant_category: UNKNOWN}
signature: {inputs: '[{"type": "long"}]'}
"""
    found = read_signature(text)
    assert found.has_input_example
    assert found.is_from_type_hints
    assert found.column_defaults == {"user_age": 30, "merchant_category": "UNKNOWN"}


@pytest.mark.parametrize(
    "metadata", [b"metadata: text", b"metadata: {column_defaults: [1]}", b"metadata: {a: 1, a: 2}"]
)
def test_other_metadata_is_nobodys_business(metadata: bytes) -> None:
    found = read_signature(metadata + b'\nsignature: {inputs: \'[{"type": "long"}]\'}\n')
    assert (found.state, found.column_defaults) == (SignatureState.INPUTS_ONLY, {})


def test_equal_texts_have_equal_digests_and_others_have_not() -> None:
    one, other = (read_signature(mlmodel_text(SIGNATURES[name])).digest for name in ("unnamed", "params"))
    assert one == read_signature(mlmodel_text(SIGNATURES["unnamed"])).digest
    assert len({one, other, read_signature(b"a: 1").digest, read_signature(b"").digest}) == 4


def nested(depth: int) -> dict[str, Any]:
    of: dict[str, Any] = {"type": "long"}
    for _ in range(depth - 1):
        of = {"type": "array", "items": of}
    return of


def test_nesting_is_read_to_a_limit_and_told_beyond() -> None:
    assert of_inputs({**nested(MAX_DEPTH), "name": "a"}).state is SignatureState.INPUTS_ONLY
    for depth in (MAX_DEPTH + 1, 200, 900):
        found = of_inputs({**nested(depth), "name": "a"})
        assert (found.state, f"deeper than the {MAX_DEPTH} levels" in found.reason) == (SignatureState.UNREADABLE, True)


HOSTILE: dict[str, bytes] = {
    "ten megabytes of text": b"flavors: " + b"x" * 10_000_000,
    "ten megabytes of signature": b"signature: {inputs: '" + b"[" * 10_000_000 + b"'}",
    "brackets without end": b"a: " + b"[" * 1_000_000,
    "mappings without end": b"{a: " * 300_000,
    "json brackets without end": b"signature: {inputs: '" + b"[" * 1_000_000 + b"'}",
    "many values": b"a:\n" + b"- 1\n" * 1_900_000,
    "a bomb of aliases": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(f"{chr(98 + at)}: &{chr(98 + at)} [{','.join(['*' + chr(97 + at)] * 9)}]\n".encode() for at in range(9)),
    "too many fields": of_texts(inputs=json.dumps([{"type": "long", "name": f"c{index}"} for index in range(150_000)])),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_answered_in_bounded_time(name: str) -> None:
    began = time.process_time()
    found = read_signature(HOSTILE[name])
    assert time.process_time() - began < 10
    expected = SignatureState.ABSENT if name == "a bomb of aliases" else SignatureState.UNREADABLE
    assert found.state is expected
    assert len(found.reason) < 300


def test_ten_thousand_columns_are_read() -> None:
    found = of_inputs(*({"type": "double", "name": f"feature_{index}"} for index in range(10_000)))
    assert found.state is SignatureState.INPUTS_ONLY


def test_a_path_is_an_mlmodel_file_or_the_folder_that_holds_one(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_bytes(mlmodel_text(SIGNATURES["unnamed"]))
    assert read_reference_path(tmp_path) == read_reference_path(tmp_path / "MLmodel")
    assert read_reference_path(tmp_path).signature == SIGNATURES["unnamed"]


def test_a_path_that_holds_none_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no MLmodel file"):
        read_reference_path(tmp_path)
    with pytest.raises(NotFound):
        read_reference_path(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="is not a file"):
        read_reference_path(tmp_path / "pipe")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInput, match="cannot be opened"):
        read_reference_path(tmp_path / "file" / "MLmodel")


def test_a_path_to_a_file_that_is_too_large_is_unreadable(tmp_path: Path) -> None:
    with (tmp_path / "MLmodel").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "is larger than the 8,388,608 bytes" in read_reference_path(tmp_path).reason


def test_types_are_written_as_they_are_read() -> None:
    assert str(obj(a_="long", b=mapping(array("any")))) == "object{a?: long, b: map[array[any]]}"
    assert str(Map(values=AnyType())) == "map[any]"
    assert str(param("k", "long", [1], is_list=True)) == "long[]"
    assert schema_json(None) is None
    assert params_json(None) is None
