"""Artifacts over an MLflow server: where a version's folder is, what it holds, and its bytes.

A folder is reached by the route of what it belongs to (logged model, run, or the artifact proxy), so that the server
fetches from whatever store it has and this process needs none of its credentials.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from services.errors import InvalidInput, NotFound, Unavailable
from services.registry.digest import digest_folder
from services.registry.names import quoted
from services.registry.rest_records import API, RestRecords
from services.registry.values import ArtifactFile, ModelVersion
from services.registry.wire import model_id_of, read_file_entry
from services.untrusted.paths import check_relative, resolve_under

MAX_FILES = 10_000
_PROXY = "/api/2.0/mlflow-artifacts/artifacts"
_RUNS = "runs:/"
_PROXIED = "mlflow-artifacts:/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """Where a folder of artifacts is, as requests to the server; `prefix` is its own path in the listing's terms."""

    name: str
    list_path: str
    list_query: Callable[[str], Mapping[str, str]]
    file_request: Callable[[str], tuple[str, Mapping[str, str]]]
    prefix: str = ""


class RestFiles(RestRecords):
    """The artifact half of the `RegistryReader` port."""

    def read_file(self, version: ModelVersion, path: str, *, max_bytes: int) -> bytes:
        """Return one file of the version's model folder, such as `MLmodel`."""
        return self._read_bounded(self._folder_of(version), path, max_bytes)

    def list_files(self, version: ModelVersion) -> Sequence[ArtifactFile]:
        """Return every file of the version's model folder, by path."""
        return self._list_present(self._folder_of(version))

    def read_run_file(self, run_id: str, path: str, *, max_bytes: int) -> bytes:
        """Return one artifact of a run."""
        return self._read_bounded(_run_folder(run_id), path, max_bytes)

    def list_run_files(self, run_id: str) -> Sequence[ArtifactFile]:
        """Return every artifact of a run, by path."""
        return self._list(_run_folder(run_id))

    def download(self, version: ModelVersion, folder: Path) -> Path:
        """Copy the version's model folder into `folder` and return where it is."""
        source, target = self._folder_of(version), folder / "model"
        for file in self._list_present(source):
            place = resolve_under(target, file.path)
            place.parent.mkdir(parents=True, exist_ok=True)
            with self._open(source, file.path) as pieces, place.open("xb") as output:
                output.writelines(pieces)
        return target

    def get_artifact_digest(self, version: ModelVersion) -> str:
        """Return `sha256:…` over the names and bytes of the version's model folder."""
        source = self._folder_of(version)
        digests = {}
        for file in self._list_present(source):
            total = hashlib.sha256()
            with self._open(source, file.path) as pieces:
                for piece in pieces:
                    total.update(piece)
            digests[file.path] = total.digest()
        return digest_folder(digests)

    def _folder_of(self, version: ModelVersion) -> Folder:
        source = self._find_origin(version)
        model_id = model_id_of(source)
        if model_id is not None:
            return _logged_model_folder(model_id)
        if source.startswith(_RUNS):
            run_id, _, path = source.removeprefix(_RUNS).partition("/")
            return _run_folder(run_id, path)
        if source.startswith(_PROXIED):
            return _proxied_folder(source.removeprefix(_PROXIED).lstrip("/"))
        return self._folder_in_run(version, source)

    def _folder_in_run(self, version: ModelVersion, source: str) -> Folder:
        """Find a folder in another store by its place in the run's own artifacts."""
        if version.run_id is not None:
            answer = self.transport.call("GET", f"{API}/runs/get", query={"run_id": version.run_id})
            root = self._read(lambda run: str(run["info"]["artifact_uri"]), answer, "run").rstrip("/")
            if source.startswith(f"{root}/"):
                return _run_folder(version.run_id, source.removeprefix(f"{root}/"))
        raise Unavailable(
            f"The files of {version.reference} are at {quoted(source)}, which the registry's server does not serve.",
            next_step="Register the version from a run or a logged model.",
        )

    def _list_present(self, folder: Folder) -> Sequence[ArtifactFile]:
        files = self._list(folder)
        if not files:
            raise NotFound(
                f"The files of {folder.name} are gone.", next_step="Restore them in the registry's artifact store."
            )
        return files

    def _list(self, folder: Folder) -> Sequence[ArtifactFile]:
        found: dict[str, ArtifactFile] = {}
        to_visit, visited = [folder.prefix], 0
        while to_visit:
            inside, visited = to_visit.pop(), visited + 1
            for entry in self._list_once(folder, inside):
                path = str(check_relative(entry.path))
                if entry.is_folder:
                    to_visit.append(path)
                    continue
                own = path.removeprefix(f"{folder.prefix}/") if folder.prefix else path
                found[own] = ArtifactFile(path=own, size_bytes=entry.size_bytes)
            if len(found) + len(to_visit) + visited > MAX_FILES:
                raise InvalidInput(
                    f"{folder.name} holds more than {MAX_FILES} files and folders.",
                    next_step="Look at it in MLflow itself.",
                )
        return [found[path] for path in sorted(found)]

    def _list_once(self, folder: Folder, inside: str) -> Iterator[ArtifactFile]:
        query = folder.list_query(inside)
        for entry in self._pages(folder.list_path, query, "files", read_file_entry):
            # The artifact proxy names entries relative to the folder that was asked for.
            if folder.list_path == _PROXY:
                yield ArtifactFile(
                    path=f"{inside}/{entry.path}" if inside else entry.path,
                    size_bytes=entry.size_bytes,
                    is_folder=entry.is_folder,
                )
            elif entry.path != inside:
                yield entry

    @contextmanager
    def _open(self, folder: Folder, path: str) -> Iterator[Iterator[bytes]]:
        check_relative(path)
        url, query = folder.file_request(f"{folder.prefix}/{path}" if folder.prefix else path)
        try:
            with self.transport.open_file(url, query=query) as pieces:
                yield pieces
        except NotFound as error:
            raise NotFound(
                f"The file {quoted(path)} of {folder.name} is gone.",
                next_step="Restore it in the registry's artifact store, or register the version again.",
            ) from error

    def _read_bounded(self, folder: Folder, path: str, max_bytes: int) -> bytes:
        content = bytearray()
        with self._open(folder, path) as pieces:
            for piece in pieces:
                content += piece
                if len(content) > max_bytes:
                    raise InvalidInput(
                        f"The file {quoted(path)} of {folder.name} is larger than {max_bytes} bytes.",
                        next_step="Look at it in MLflow itself.",
                    )
        return bytes(content)


def _logged_model_folder(model_id: str) -> Folder:
    return Folder(
        name=model_id,
        list_path=f"{API}/logged-models/{model_id}/artifacts/directories",
        list_query=lambda inside: {"artifact_directory_path": inside} if inside else {},
        file_request=lambda path: (
            f"/ajax-api/2.0/mlflow/logged-models/{model_id}/artifacts/files",
            {"artifact_file_path": path},
        ),
    )


def _run_folder(run_id: str, path: str = "") -> Folder:
    return Folder(
        name=f"run {quoted(run_id)}",
        list_path=f"{API}/artifacts/list",
        list_query=lambda inside: {"run_id": run_id, "path": inside} if inside else {"run_id": run_id},
        file_request=lambda file: ("/get-artifact", {"run_id": run_id, "path": file}),
        prefix=path.strip("/"),
    )


def _proxied_folder(path: str) -> Folder:
    return Folder(
        name=quoted(path),
        list_path=_PROXY,
        list_query=lambda inside: {"path": inside},
        file_request=lambda file: (f"{_PROXY}/{quote(file)}", {}),
        prefix=path.strip("/"),
    )
