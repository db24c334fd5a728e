"""What the documentation shows training code to write does what it says, on a real MLflow server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def test_the_examples_for_training_code_run(mlflow_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(mlflow_url)
    examples = re.findall(r"```python\n(.*?)```", (DOCS / "lineage.md").read_text(), re.DOTALL)
    assert len(examples) == 2
    told: dict[str, Any] = {}
    try:
        for example in examples:
            exec(compile(example, "lineage.md", "exec"), told)
    finally:
        mlflow.set_tracking_uri(before)
    assert (told["story"].name, told["story"].version) == ("payment_fraud_checker", 1)
    assert told["found"]["model_id"] == told["body"]["model_id"] == told["improved"]["model_id"]
    text = (DOCS / "lineage.md").read_text()
    assert [field for field in told["improved"] if f"`{field}`" not in text] == []
