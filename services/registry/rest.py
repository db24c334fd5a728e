"""The registry over MLflow's REST API, in plain HTTP: importing mlflow would cost 1.5 s and 163 MiB (docs/decisions).

The contract suite holds it to a real server. Reading records is in `rest_records`, artifacts in `rest_files`; here is
writing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.errors import InvalidInput, NotFound
from services.registry.names import check_model_name
from services.registry.rest_files import RestFiles
from services.registry.rest_records import API
from services.registry.transport import Transport
from services.registry.values import ModelVersion, RegisteredModel, Stage
from services.registry.wire import model_id_of, read_version
from services.registry.writes import Announce, RegistryWrite, Watched, tell_nobody


class RestRegistry(RestFiles):
    """The `Registry` port against an MLflow server. Safe to share between threads.

    Args:
        announce: a context around each write of an alias, a stage or a version's tag.
    """

    def __init__(self, transport: Transport, *, announce: Announce = tell_nobody) -> None:
        super().__init__(transport)
        self._announce = announce

    def create_model(
        self, name: str, *, description: str = "", tags: Mapping[str, str] | None = None
    ) -> RegisteredModel:
        """Register a name, or return the model that has it."""
        check_model_name(name)
        body = {"name": name, "description": description, "tags": _tag_list(tags)}
        try:
            self.transport.call("POST", f"{API}/registered-models/create", body=body)
        except InvalidInput as refused:
            try:
                return self.get_model(name)
            except (NotFound, InvalidInput):
                raise refused from None
        return self.get_model(name)

    def create_version(
        self, name: str, *, source: str, run_id: str | None, description: str, tags: Mapping[str, str] | None = None
    ) -> ModelVersion:
        """Add a version to a model; not idempotent, so never sent twice."""
        body: dict[str, Any] = {"name": name, "source": source, "description": description, "tags": _tag_list(tags)}
        if run_id is not None:
            body["run_id"] = run_id
        if (model_id := model_id_of(source)) is not None:
            body["model_id"] = model_id
        answer = self.transport.call("POST", f"{API}/model-versions/create", body=body, is_idempotent=False)
        created = self._read(read_version, answer, "model_version")
        return self.get_version(created.name, created.version)

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version."""
        write = RegistryWrite(kind=Watched.ALIAS, model=name, version=version, key=alias, value=version)
        with self._announce(write):
            body = {"name": name, "alias": alias, "version": str(version)}
            self.transport.call("POST", f"{API}/registered-models/alias", body=body)

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias; absent is fine."""
        write = RegistryWrite(kind=Watched.ALIAS, model=name, version=None, key=alias)
        with self._announce(write):
            self.transport.call("DELETE", f"{API}/registered-models/alias", body={"name": name, "alias": alias})

    def set_stage(self, name: str, version: int, stage: Stage) -> None:
        """Move a version to one of MLflow's legacy stages, leaving the other versions where they are."""
        write = RegistryWrite(kind=Watched.STAGE, model=name, version=version, value=stage.value)
        with self._announce(write):
            body = {"name": name, "version": str(version), "stage": stage.value, "archive_existing_versions": False}
            self.transport.call("POST", f"{API}/model-versions/transition-stage", body=body)

    def set_version_tag(self, name: str, version: int, key: str, value: str) -> None:
        """Write a tag on a version."""
        write = RegistryWrite(kind=Watched.TAG, model=name, version=version, key=key, value=value)
        with self._announce(write):
            body = {"name": name, "version": str(version), "key": key, "value": value}
            self.transport.call("POST", f"{API}/model-versions/set-tag", body=body)

    def delete_version_tag(self, name: str, version: int, key: str) -> None:
        """Remove a tag; absent is fine."""
        write = RegistryWrite(kind=Watched.TAG, model=name, version=version, key=key)
        with self._announce(write):
            body = {"name": name, "version": str(version), "key": key}
            self.transport.call("DELETE", f"{API}/model-versions/delete-tag", body=body)

    def set_model_tag(self, name: str, key: str, value: str) -> None:
        """Write a tag on a model."""
        body = {"name": name, "key": key, "value": value}
        self.transport.call("POST", f"{API}/registered-models/set-tag", body=body)

    def set_version_description(self, name: str, version: int, description: str) -> None:
        """Replace a version's description."""
        body = {"name": name, "version": str(version), "description": description}
        self.transport.call("PATCH", f"{API}/model-versions/update", body=body)

    def close(self) -> None:
        """Give back the connections."""
        self.transport.close()


def open_rest_registry(address: str, *, token: str | None = None, announce: Announce = tell_nobody) -> RestRegistry:
    """Return the registry at `address`; nothing is sent yet.

    Raises:
        InvalidInput: it is not the address of a server.
    """
    return RestRegistry(Transport(address, token=token), announce=announce)


def _tag_list(tags: Mapping[str, str] | None) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in (tags or {}).items()]
