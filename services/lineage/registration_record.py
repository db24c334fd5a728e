"""What a registration is told as: result fields, look-up by UUID, and the body of the webhook.

The fields are the user's (seed 004), the old ones and the new ones. The UUID is MLflow's id of the logged model
(`m-…`): it never changes, whichever names the model is registered under.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from services.clock import from_micros, to_text
from services.lineage import artifacts
from services.lineage.signature_text import describe_signature
from services.registry.stages import alias_of
from services.registry.values import Stage

_UUID = re.compile(r"m-[0-9a-f]{32}")


def registration_fields(
    name: str, version: int, run_id: str | None, info: Any, registered_at: datetime
) -> dict[str, Any]:
    """Return the fields that every registration has; `info` is MLflow's `ModelInfo`."""
    logged_as = info.name or artifacts.MODEL
    return {
        "model_id": f"{name}/{version}",
        "model_name": name,
        "version": str(version),
        "run_id": run_id,
        "registration_timestamp": to_text(registered_at),
        "model_uri": uri_of(info.run_id, logged_as) if info.run_id == run_id else info.model_uri,
        "model_uuid": info.model_id,
        "artifact_path": logged_as,
        "flavors": sorted(info.flavors),
        "signature": describe_signature(info.signature),
        "mlflow_version": info.mlflow_version,
    }


def uri_of(run_id: str, logged_as: str) -> str:
    """Return the URI of the model that a run logged under a name."""
    return f"runs:/{run_id}/{logged_as}"


def get_model_by_uuid(model_uuid: str) -> dict[str, Any] | None:
    """Return what is registered under a model's UUID, or None; of several registrations, the first.

    The fields are those of a registration, `stage` and `aliases`; where there are no stages, as in a Unity Catalog,
    the alias says which it is.
    """
    from mlflow import MlflowClient
    from mlflow.models import get_model_info

    if not _UUID.fullmatch(model_uuid):
        return None
    client = MlflowClient()
    found = client.search_model_versions(f"source_path = 'models:/{model_uuid}'")
    if not found:
        return None
    first = min(found, key=lambda version: (version.creation_timestamp, int(version.version)))
    info = get_model_info(f"models:/{model_uuid}")
    metrics = client.get_run(first.run_id).data.metrics if first.run_id else {}
    prefix = artifacts.DELTA_METRIC_PREFIX
    facts = {
        "model_type": first.tags.get(artifacts.MODEL_TYPE, first.name),
        "is_baseline": first.tags.get(artifacts.IS_BASELINE) == "true",
        "baseline_id": first.tags.get(artifacts.BASELINE),
        "delta_metrics": {
            name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)
        },
        "contributor": first.tags.get(artifacts.CONTRIBUTOR),
    }
    aliases = sorted(client.get_model_version(first.name, first.version).aliases)
    created = from_micros(first.creation_timestamp * 1000)
    return {
        **registration_fields(first.name, int(first.version), first.run_id, info, created),
        **{name: value for name, value in facts.items() if value not in (None, {})},
        "metadata": _read_metadata(first.run_id),
        "stage": _stage(first.current_stage, aliases),
        "aliases": aliases,
    }


def webhook_payload(registration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that tells consumers of a registration: the old keys always, the new ones where known.

    >>> webhook_payload({"model_id": "m/3", "model_name": "m", "version": "3", "run_id": "r", "model_uuid": "m-1"})
    ... # doctest: +NORMALIZE_WHITESPACE
    {'model_id': 'm/3', 'model_name': 'm', 'version': '3', 'model_version': '3', 'mlflow_run_id': 'r',
     'model_uuid': 'm-1'}
    """
    optional = ("model_uuid", "model_uri", "signature", "metadata", "baseline_id", "delta_metrics", "contributor")
    return {
        "model_id": registration["model_id"],
        "model_name": registration["model_name"],
        "version": registration["version"],
        "model_version": registration["version"],
        "mlflow_run_id": registration["run_id"],
        **{name: registration[name] for name in optional if registration.get(name)},
    }


def _stage(legacy: str | None, aliases: Collection[str]) -> str:
    """Return the stage that an alias stands for, or else MLflow's own."""
    by_alias = (stage.value for stage in (Stage.PRODUCTION, Stage.STAGING) if alias_of(stage) in aliases)
    return next(by_alias, legacy or Stage.NONE.value)


def _read_metadata(run_id: str | None) -> dict[str, Any]:
    from mlflow.artifacts import load_dict
    from mlflow.exceptions import MlflowException

    try:
        found = load_dict(f"runs:/{run_id}/{artifacts.METADATA}") if run_id else {}
    except (MlflowException, OSError):
        # A version that was not registered here has no such file.
        return {}
    return dict(found)
