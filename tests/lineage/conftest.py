"""Training code speaks to the server that MLflow's own settings name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def tracking(mlflow_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import mlflow

    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(mlflow_url)
    mlflow.set_experiment("lineage tests")
    yield mlflow_url
    while mlflow.active_run() is not None:
        mlflow.end_run()
    mlflow.set_tracking_uri(before)
