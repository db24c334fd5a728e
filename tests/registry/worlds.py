"""The three registries of the contract suite: in memory, a real server over REST, the same server's database."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from services.registry.direct import open_direct_registry
from services.registry.fake import FakeRegistry
from services.registry.port import RecordReader, Registry
from services.registry.rest import open_rest_registry
from services.registry.values import Dataset


class World(Protocol):
    """A registry to change and the reader under test, and what training code and other people do to it."""

    @property
    def registry(self) -> Registry: ...

    @property
    def records(self) -> RecordReader: ...

    def log_run(
        self,
        *,
        author: str = "ada",
        metrics: Mapping[str, float] | None = None,
        params: Mapping[str, str] | None = None,
        datasets: Sequence[Dataset] = (),
        files: Mapping[str, bytes] | None = None,
    ) -> str: ...

    def log_model(
        self, run_id: str, *, files: Mapping[str, bytes], metrics: Mapping[str, float] | None = None
    ) -> str: ...

    def add_model(self, name: str) -> None: ...

    def delete_version(self, name: str, version: int) -> None: ...

    def delete_model(self, name: str) -> None: ...

    def lose_files(self, source: str) -> None: ...

    def wait(self) -> None: ...


class FakeWorld:
    """The registry in memory."""

    def __init__(self) -> None:
        self._fake = FakeRegistry()

    @property
    def registry(self) -> Registry:
        return self._fake

    @property
    def records(self) -> RecordReader:
        return self._fake

    def log_run(self, *, author: str = "ada", params: Mapping[str, str] | None = None, **values: Any) -> str:
        return self._fake.add_run(uuid.uuid4().hex, author=author, params=dict(params or {}), **values).run_id

    def log_model(self, run_id: str, *, files: Mapping[str, bytes], metrics: Mapping[str, float] | None = None) -> str:
        return self._fake.add_logged_model(f"m-{uuid.uuid4().hex}", files=files, metrics=metrics, run_id=run_id)

    def add_model(self, name: str) -> None:
        self._fake.add_model(name)

    def delete_version(self, name: str, version: int) -> None:
        self._fake.remove_version(name, version)

    def delete_model(self, name: str) -> None:
        self._fake.remove_model(name)

    def lose_files(self, source: str) -> None:
        self._fake.remove_files_of(source)

    def wait(self) -> None:
        time.sleep(0.002)


class ServerWorld:
    """A real server, changed through MLflow's own client as other people would."""

    def __init__(self, url: str, folder: Path, *, is_direct: bool) -> None:
        from mlflow import MlflowClient

        self._rest = open_rest_registry(url)
        self._direct = open_direct_registry(f"sqlite:///{folder / 'mlflow.db'}") if is_direct else None
        self._client = MlflowClient(url)
        self._experiment = self._client.create_experiment(f"contract {uuid.uuid4().hex}")
        self._folder = folder

    @property
    def registry(self) -> Registry:
        return self._rest

    @property
    def records(self) -> RecordReader:
        return self._direct or self._rest

    def log_run(
        self,
        *,
        author: str = "ada",
        metrics: Mapping[str, float] | None = None,
        params: Mapping[str, str] | None = None,
        datasets: Sequence[Dataset] = (),
        files: Mapping[str, bytes] | None = None,
    ) -> str:
        from mlflow import entities

        run_id = str(self._client.create_run(self._experiment, tags={"mlflow.user": author}).info.run_id)
        for key, value in (metrics or {}).items():
            self._client.log_metric(run_id, key, value)
        for key, text in (params or {}).items():
            self._client.log_param(run_id, key, text)
        inputs = [
            entities.DatasetInput(
                entities.Dataset(dataset.name, dataset.digest, dataset.source_type, dataset.source),
                [entities.InputTag("mlflow.data.context", dataset.context)],
            )
            for dataset in datasets
        ]
        if inputs:
            self._client.log_inputs(run_id, inputs)
        for path, content in (files or {}).items():
            self._put(f"{self._experiment}/{run_id}/artifacts/{path}", content)
        self._client.set_terminated(run_id)
        return run_id

    def log_model(self, run_id: str, *, files: Mapping[str, bytes], metrics: Mapping[str, float] | None = None) -> str:
        model_id = str(self._client.create_logged_model(self._experiment, source_run_id=run_id).model_id)
        for path, content in files.items():
            self._put(f"{self._experiment}/models/{model_id}/artifacts/{path}", content)
        self._client.finalize_logged_model(model_id, "READY")
        for key, value in (metrics or {}).items():
            self._client.log_metric(run_id, key, value, model_id=model_id)
        return f"models:/{model_id}"

    def add_model(self, name: str) -> None:
        self._client.create_registered_model(name)

    def delete_version(self, name: str, version: int) -> None:
        self._client.delete_model_version(name, str(version))

    def delete_model(self, name: str) -> None:
        self._client.delete_registered_model(name)

    def lose_files(self, source: str) -> None:
        model_id = source.removeprefix("models:/")
        for place in (self._folder / "artifacts" / self._experiment / "models" / model_id / "artifacts").iterdir():
            place.unlink()

    def wait(self) -> None:
        time.sleep(0.002)

    def close(self) -> None:
        self._rest.close()
        if self._direct is not None:
            self._direct.close()

    def _put(self, place: str, content: bytes) -> None:
        target = self._folder / "artifacts" / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
