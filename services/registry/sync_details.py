"""Reading what a version's record does not say: the metrics of its run and logged model, and its signature.

Each model folder is read once. The versions that an alias or stage singles out come first, then the newest; what time
does not allow waits for the next sync. A folder that is gone or unreadable says so, and the rest goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.clock import Clock, from_micros, to_micros
from services.errors import Forbidden, GatehouseError, NotFound, Unauthenticated, Unreachable
from services.registry.index_rows import bounded_metrics, clean, run_facts
from services.registry.metrics import merge_metrics
from services.registry.port import RecordReader, RegistryReader
from services.registry.values import ModelVersion
from services.registry.wire import names_version
from services.store import Store
from services.store import registry_index as rows

VERSIONS_AT_ONCE = 50
OVERRUN_S = 2.0
MLMODEL = "MLmodel"
MAX_MLMODEL_BYTES = 8 * 1024 * 1024
# Ten thousand columns.
MAX_KEPT_BYTES = 1024 * 1024

GONE = "gone"
UNREADABLE = "unreadable"
# The registry answers, but not for this file: asked again at the next full sync.
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailsRead:
    """How far the reading got, and which models it was about."""

    models: frozenset[str]
    read: int
    pending: int


class DetailReader:
    """Reads details of one registry into one index."""

    def __init__(
        self,
        registry: RegistryReader,
        records: RecordReader,
        store: Store,
        *,
        clock: Clock,
        signature_state: Callable[[bytes], str],
    ) -> None:
        self._registry = registry
        self._records = records
        self._store = store
        self._clock = clock
        self._signature_state = signature_state

    def read(self, *, budget_s: float) -> DetailsRead:
        """Read what is still to be read, for about `budget_s`; nothing at all for none.

        Raises:
            Unreachable: the registry does not answer.
        """
        deadline = time.monotonic() + budget_s
        models: set[str] = set()
        count = 0
        while count == 0 or time.monotonic() < deadline:
            with self._store.read() as unit:
                todo = rows.list_undetailed(unit, VERSIONS_AT_ONCE) if budget_s > 0 else ()
            if not todo:
                break
            done = todo[: self._read_some(todo, until=deadline + OVERRUN_S)]
            models.update(row.model for row in done)
            count += len(done)
        with self._store.read() as unit:
            return DetailsRead(models=frozenset(models), read=count, pending=rows.count_undetailed(unit))

    def _read_some(self, todo: Sequence[Any], *, until: float) -> int:
        """Read the versions, or at least the first, and return how many: a store that hangs takes seconds a file."""
        versions = [self._resolved(row) for row in todo]
        run_ids = sorted({version.run_id for version in versions if version.run_id})
        model_ids = sorted({version.model_id for version in versions if version.model_id})
        runs = {run.run_id: run for run in self._records.list_runs(run_ids)}
        logged = {model.model_id: model.metrics for model in self._records.list_logged_models(model_ids)}
        details: list[dict[str, Any]] = []
        folders: dict[str, Mapping[str, Any]] = {}
        for row, version in zip(todo, versions, strict=True):
            if details and time.monotonic() > until:
                break
            run = runs.get(version.run_id or "")
            metrics = merge_metrics(run.metrics if run else {}, logged.get(version.model_id or "", {}))
            folder = version.model_id or clean(version.source)
            if folder not in folders and not (row.has_folder and row.folder == folder):
                folders[folder] = self._read_folder(version, folder)
            details.append(
                {
                    "b_model": row.model,
                    "b_version": row.version,
                    "model_id": version.model_id,
                    "folder": folder,
                    "is_detailed": True,
                    "metrics": bounded_metrics(metrics),
                    "facts": run_facts(run),
                }
            )
        with self._store.write() as unit:
            rows.lock_index(unit)
            rows.put_folders(unit, list(folders.values()))
            rows.update_versions(unit, details)
            unit.commit()
        return len(details)

    def _resolved(self, row: Any) -> ModelVersion:
        """Return the version of a row, with the logged model that a copied version leads to."""
        version = ModelVersion(
            name=row.model,
            version=row.version,
            created_at=from_micros(row.created_us),
            updated_at=from_micros(row.updated_us),
            source=row.source,
            run_id=row.run_id,
            model_id=row.model_id,
        )
        if version.model_id is None and names_version(version.source):
            try:
                return self._records.get_version(version.name, version.version)
            except NotFound:
                return version
        return version

    def _read_folder(self, version: ModelVersion, folder: str) -> Mapping[str, Any]:
        content: bytes | None = None
        try:
            content = self._registry.read_file(version, MLMODEL, max_bytes=MAX_MLMODEL_BYTES)
            state = self._signature_state(content)
        except NotFound:
            state = GONE
        except (Unreachable, Unauthenticated, Forbidden):
            # One file's store may be down or closed while the registry is up; if it is not, this raises.
            self._registry.ping()
            state = UNKNOWN
        except GatehouseError:
            state = UNREADABLE
        return {
            "folder": folder,
            "signature_state": state,
            "size_bytes": None if content is None else len(content),
            "mlmodel": None if content is None else _kept_text(content),
            "read_us": to_micros(self._clock()),
        }


def _kept_text(content: bytes) -> str | None:
    """Return the text of an MLmodel file as it is, or None where it is too large or no text that the store holds."""
    if len(content) > MAX_KEPT_BYTES or b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
