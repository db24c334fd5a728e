"""What the fake registry holds, and what tests and other people do to it past the port."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.clock import Clock
from services.errors import InvalidInput, NotFound
from services.registry.names import quoted
from services.registry.tags import AUTHOR_TAG
from services.registry.values import Dataset, LoggedModel, ModelVersion, RegisteredModel, Run, Stage
from services.registry.wire import follow_source, model_id_of, names_version
from services.untrusted.paths import check_relative


class FakeContents:
    """Models, versions, runs, logged models and files; `add_*` and `remove_*` announce nothing and never fail."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._models: dict[str, RegisteredModel] = {}
        self._versions: dict[str, dict[int, ModelVersion]] = {}
        self._last_version: dict[str, int] = {}
        self._runs: dict[str, Run] = {}
        self._files: dict[str, dict[str, bytes]] = {}
        self._logged: dict[str, LoggedModel] = {}
        self._origins: dict[tuple[str, int], str] = {}

    def add_model(self, name: str, *, description: str = "", tags: Mapping[str, str] | None = None) -> RegisteredModel:
        """Register a name, whatever it looks like, or return the model that has it."""
        if name not in self._models:
            now = self._now()
            self._models[name] = RegisteredModel(
                name=name, created_at=now, updated_at=now, description=description, tags=dict(tags or {})
            )
            self._versions[name], self._last_version[name] = {}, 0
        return self._models[name]

    def add_run(
        self,
        run_id: str,
        *,
        metrics: Mapping[str, float] | None = None,
        files: Mapping[str, bytes] | None = None,
        datasets: Sequence[Dataset] = (),
        **values: Any,
    ) -> Run:
        """Log a run; further keywords are fields of `Run`."""
        run = Run(run_id=run_id, metrics=dict(metrics or {}), datasets=tuple(datasets), **values)
        self._runs[run_id] = run
        self._files[f"runs:/{run_id}"] = dict(files or {})
        return run

    def add_logged_model(
        self,
        model_id: str,
        *,
        files: Mapping[str, bytes] | None = None,
        metrics: Mapping[str, float] | None = None,
        run_id: str | None = None,
        name: str = "model",
    ) -> str:
        """Log a model folder and return its source, `models:/m-…`."""
        self._files[f"models:/{model_id}"] = dict(files or {})
        self._logged[model_id] = LoggedModel(
            model_id=model_id,
            name=name,
            status="READY",
            run_id=run_id,
            created_at=self._now(),
            metrics=dict(metrics or {}),
        )
        return f"models:/{model_id}"

    def add_version(
        self,
        name: str,
        *,
        metrics: Mapping[str, float] | None = None,
        files: Mapping[str, bytes] | None = None,
        mlmodel: str = "",
        run_id: str | None = None,
        author: str = "ada",
        description: str = "",
        tags: Mapping[str, str] | None = None,
        aliases: Sequence[str] = (),
        stage: Stage = Stage.NONE,
    ) -> ModelVersion:
        """Register a version with its own logged model (and run), creating the model where it is missing."""
        number = self._last_version.get(name, 0) + 1
        slug = hashlib.sha256(f"{name}/{number}/{len(self._files)}".encode()).hexdigest()[:32]
        run_id = run_id or self.add_run(f"r{slug[:31]}", author=author, experiment_id="1").run_id
        content = dict(files or {})
        if mlmodel:
            content["MLmodel"] = mlmodel.encode()
        source = self.add_logged_model(f"m-{slug}", files=content, metrics=metrics, run_id=run_id)
        self.add_model(name)
        version = self._create(name, source, run_id, description, tags)
        self._versions[name][version.version] = dataclasses.replace(version, stage=stage)
        model = self._models[name]
        self._models[name] = dataclasses.replace(
            model, aliases={**model.aliases, **dict.fromkeys(aliases, version.version)}
        )
        return self._filled(name, version.version)

    def remove_version(self, name: str, version: int) -> None:
        """Delete a version as somebody else would: its aliases go with it."""
        self._version(name, version)
        del self._versions[name][version]
        model = self._models[name]
        aliases = {alias: target for alias, target in model.aliases.items() if target != version}
        self._models[name] = dataclasses.replace(model, aliases=aliases, updated_at=self._now())

    def remove_model(self, name: str) -> None:
        """Delete a model and every version of it; the name is free again and counts from 1."""
        self._model(name)
        del self._models[name], self._versions[name], self._last_version[name]

    def remove_files(self, version: ModelVersion) -> None:
        """Lose a version's artifacts, which leaves its record as it was."""
        self.remove_files_of(self._folder(version))

    def remove_files_of(self, source: str) -> None:
        """Lose the artifacts of a logged model (`models:/m-…`) or of a run's folder."""
        self._files.pop(source, None)

    def put_file(self, version: ModelVersion, path: str, content: bytes) -> None:
        """Write into a version's model folder, as somebody with access to the artifact store can."""
        self._files.setdefault(self._folder(version), {})[path] = content

    # What the port asks.

    def _now(self) -> datetime:
        moment = self._clock()
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def _model(self, name: str) -> RegisteredModel:
        if name not in self._models:
            raise NotFound(
                f"The model {quoted(name)} is not in the registry.",
                next_step="See the names with `gatehouse models list`.",
            )
        return self._models[name]

    def _version(self, name: str, version: int) -> ModelVersion:
        self._model(name)
        if version not in self._versions[name]:
            raise NotFound(
                f"{quoted(name)} has no version {version}.",
                next_step=f"See its versions with `gatehouse models show {name}`.",
            )
        return self._versions[name][version]

    def _create(
        self, name: str, source: str, run_id: str | None, description: str, tags: Mapping[str, str] | None
    ) -> ModelVersion:
        model, now = self._model(name), self._now()
        number = self._last_version[name] = self._last_version[name] + 1
        created = ModelVersion(
            name=name,
            version=number,
            created_at=now,
            updated_at=now,
            author=(tags or {}).get(AUTHOR_TAG, ""),
            description=description,
            source=source,
            run_id=run_id,
            model_id=model_id_of(source),
            tags=dict(tags or {}),
        )
        self._versions[name][number] = created
        self._origins[name, number] = follow_source(source, self._find_source)
        self._models[name] = dataclasses.replace(model, updated_at=now)
        return created

    def _filled(self, name: str, version: int) -> ModelVersion:
        found = self._version(name, version)
        run = self._runs.get(found.run_id or "")
        return dataclasses.replace(
            found,
            model_id=found.model_id or model_id_of(self._folder(found)),
            author=found.author or (run.author if run else ""),
            aliases=tuple(sorted(a for a, target in self._models[name].aliases.items() if target == version)),
        )

    def _find_source(self, name: str, version: int) -> str | None:
        found = self._versions.get(name, {}).get(version)
        return found.source if found else None

    def _folder(self, version: ModelVersion) -> str:
        source = follow_source(version.source, self._find_source)
        # MLflow keeps where the files of a copy are, beside what it was copied from.
        return self._origins.get((version.name, version.version), source) if names_version(source) else source

    def _files_in(self, folder: str) -> Mapping[str, bytes]:
        if not folder.startswith("runs:/"):
            return self._files.get(folder, {})
        run_id, _, inside = folder.removeprefix("runs:/").partition("/")
        prefix = f"{inside}/" if inside else ""
        held = self._files.get(f"runs:/{run_id}", {})
        return {path.removeprefix(prefix): content for path, content in held.items() if path.startswith(prefix)}

    def _content(self, folder: str) -> Mapping[str, bytes]:
        files = self._files_in(folder)
        if not files:
            raise NotFound(
                f"The files of {quoted(folder)} are gone.", next_step="Restore them in the registry's artifact store."
            )
        return files

    def _read(self, folder: str, path: str, max_bytes: int) -> bytes:
        content = self._files_in(folder).get(str(check_relative(path)))
        if content is None:
            raise NotFound(
                f"The file {quoted(path)} of {quoted(folder)} is gone.",
                next_step="Restore it in the registry's artifact store.",
            )
        if len(content) > max_bytes:
            raise InvalidInput(
                f"The file {quoted(path)} is larger than {max_bytes} bytes.", next_step="Look at it in MLflow itself."
            )
        return content
