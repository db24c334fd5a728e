"""Small models in MLflow's format: a folder with an MLmodel file and the code that it names."""

from __future__ import annotations

import json
from pathlib import Path

SIGNATURE = """
signature:
  inputs: '[{"type": "double", "name": "a", "required": true}, {"type": "double", "name": "b", "required": true}]'
  outputs: '[{"type": "double", "required": true}]'
  params: null
"""
EXAMPLE = """
saved_input_example_info:
  artifact_path: input_example.json
  pandas_orient: split
  type: dataframe
"""
SUM = """
class Model:
    def predict(self, data):
        return (data["a"] + data["b"]).to_numpy() / 2
"""
POSITIONAL = """
class Model:
    def predict(self, data):
        return data.iloc[:, 0].to_numpy()
"""
LABELS = """
class Model:
    def predict(self, data):
        return ["high" if a > 0.5 else "low" for a in data["a"]]
"""
LOADER = """

def _load_pyfunc(path):
    return Model()
"""


def write_model(
    folder: Path, source: str = SUM, *, signature: bool = True, example: bool = True, loads: str = LOADER
) -> Path:
    """Write a model whose code is `source`, which defines `Model`, and return its folder."""
    code = folder / "code"
    code.mkdir(parents=True)
    (code / "gatehouse_test_model.py").write_text(source + loads)
    flavor = "flavors:\n  python_function:\n    loader_module: gatehouse_test_model\n    code: code\n"
    (folder / "MLmodel").write_text(flavor + SIGNATURE * signature + EXAMPLE * example)
    rows = [[0.1 * row, 1 - 0.1 * row] for row in range(5)]
    (folder / "input_example.json").write_text(json.dumps({"columns": ["a", "b"], "data": rows}))
    return folder
