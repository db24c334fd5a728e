"""Telling webhooks of registrations, by whichever way a version came into the registry.

The body's fields are those of seed 004, the old ones and the new. It is written in the transaction that brings the
version into the index, so that no registration is told of twice and none is lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from services.errors import GatehouseError
from services.jobs.outbox import Outbox
from services.lineage import artifacts
from services.lineage.registration_record import uri_of, webhook_payload
from services.lineage.signature_lines import read_signature_lines
from services.registry.port import RegistryReader
from services.registry.values import ModelVersion
from services.registry.wire import model_id_of
from services.store import UnitOfWork

MAX_BYTES = 1024 * 1024
MLMODEL = "MLmodel"


class Announcements:
    """Reads what is told of a new version, and puts it into the outbox."""

    def __init__(self, registry: RegistryReader, outbox: Outbox) -> None:
        self._registry = registry
        self._outbox = outbox

    def describe(self, version: ModelVersion) -> Mapping[str, Any]:
        """Return the message's body; what cannot be read of the version is left out of it."""
        model_id = version.model_id or model_id_of(version.source)
        return webhook_payload(
            {
                "model_id": version.reference,
                "model_name": version.name,
                "version": str(version.version),
                "run_id": version.run_id,
                "model_uuid": model_id,
                "model_uri": self._find_uri(version, model_id),
                "signature": self._read_signature(version),
                "metadata": self._read_metadata(version),
                "baseline_id": version.tags.get(artifacts.BASELINE),
                "delta_metrics": self._read_deltas(version),
                "contributor": version.tags.get(artifacts.CONTRIBUTOR),
            }
        )

    def put(self, unit: UnitOfWork, version: ModelVersion, told: Mapping[str, Any]) -> None:
        """Write the message in the transaction that brings the version into the index."""
        self._outbox.put(
            unit,
            event="version.registered",
            subject=version.reference,
            text=f"{version.name} version {version.version} was registered",
            payload=told,
        )

    def _find_uri(self, version: ModelVersion, model_id: str | None) -> str:
        """Return the address below its run, as registration from training code tells it, or else its source."""
        try:
            found = self._registry.list_logged_models([model_id]) if model_id else []
        except GatehouseError:
            return version.source
        below = (uri_of(each.run_id, each.name) for each in found if each.run_id and each.run_id == version.run_id)
        return next(below, version.source)

    def _read_signature(self, version: ModelVersion) -> str:
        try:
            lines = read_signature_lines(self._registry.read_file(version, MLMODEL, max_bytes=MAX_BYTES)).by_side
        except GatehouseError:
            return ""
        told = [f"{side}: [{', '.join(lines[side])}]" for side in ("inputs", "outputs") if side in lines]
        return " -> ".join(told)

    def _read_metadata(self, version: ModelVersion) -> Any:
        if version.run_id is None:
            return None
        try:
            found = json.loads(
                self._registry.read_run_file(version.run_id, artifacts.METADATA, max_bytes=MAX_BYTES),
                parse_constant=lambda _word: None,
            )
        except (GatehouseError, ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def _read_deltas(self, version: ModelVersion) -> Mapping[str, float]:
        try:
            metrics = self._registry.get_metrics(version)
        except GatehouseError:
            return {}
        prefix = artifacts.DELTA_METRIC_PREFIX
        return {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}
