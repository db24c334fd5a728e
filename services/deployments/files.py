"""Pins as files for serving platforms: the `models:` document of practice 4, Kubernetes, KServe, the environment.

Names are fitted to what each platform takes; two models that would fall together there are refused, never merged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from services.deployments.pins import PinSet
from services.deployments.ramp_values import Ramp
from services.errors import Conflict, InvalidInput

STORAGE_URI = "models:/{model}/{version}"
_MAX_KEY = 253
_MAX_LABEL = 63
_MAX_DATA_BYTES = 1024 * 1024
_PERCENT = 100


def to_yaml(pins: Mapping[str, PinSet]) -> str:
    """Return the `models:` document: current, previous and fallback of each model as integers."""
    models = {
        name: {"current": pinned.current, "previous": pinned.previous, "fallback": pinned.fallback}
        for name, pinned in sorted(pins.items())
    }
    return _dump({"models": models})


def to_configmap(pins: Mapping[str, PinSet], *, name: str = "model-versions", namespace: str = "default") -> str:
    """Return a Kubernetes v1 ConfigMap whose data maps each model to its current version, as text.

    Raises:
        Conflict: two models have the same key, or there are more than a ConfigMap holds.
    """
    keys = _fitted(pins, config_key, "ConfigMap key")
    data = {keys[model]: str(pinned.current) for model, pinned in sorted(pins.items())}
    if sum(len(key) + len(value) for key, value in data.items()) > _MAX_DATA_BYTES:
        raise Conflict(
            f"{len(data)} models are more than the 1 MiB that a ConfigMap holds.",
            next_step="Export them by model with `gatehouse pins export NAME`.",
        )
    metadata = {"name": name, "namespace": namespace}
    return _dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def to_kserve(
    pins: Mapping[str, PinSet],
    ramps: Mapping[str, Ramp] | None = None,
    *,
    namespace: str = "default",
    storage_uri: str = STORAGE_URI,
) -> str:
    """Return a KServe v1beta1 InferenceService a model, with the share of an open ramp as canary percentage.

    KServe gives the canary share to what the specification names and the rest to what was rolled out before, so during
    a ramp it names the candidate. It knows whole percent and no shadow: a smaller share names the champion alone.

    Args:
        storage_uri: where the cluster's storage initializer finds a version; `{model}` and `{version}` are put in.

    Raises:
        Conflict: two models have the same name.
        InvalidInput: the storage address does not say which version.
    """
    if "{version}" not in storage_uri:
        raise InvalidInput(
            f"The storage address {storage_uri!r} does not say where the version goes.",
            next_step="Write {version}, and {model} if it is needed, where they belong.",
        )
    names = _fitted(pins, service_name, "InferenceService name")
    documents = []
    for model, pinned in sorted(pins.items()):
        ramp = (ramps or {}).get(model)
        percent = 0 if ramp is None or ramp.champion != pinned.current else int(ramp.traffic_ratio * _PERCENT + 1e-9)
        version = ramp.candidate if ramp is not None and percent else pinned.current
        uri = storage_uri.replace("{model}", model).replace("{version}", str(version))
        served = {"modelFormat": {"name": "mlflow"}, "protocolVersion": "v2", "storageUri": uri}
        document = {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {"name": names[model], "namespace": namespace, "annotations": {"gatehouse/model": model}},
            "spec": {"predictor": {**({"canaryTrafficPercent": percent} if percent else {}), "model": served}},
        }
        documents.append(_dump(document))
    return "---\n".join(documents)


def to_env(pins: Mapping[str, PinSet]) -> str:
    """Return one `NAME_VERSION=n` a line, with every character that a shell name lacks replaced by `_`.

    Raises:
        Conflict: two models have the same name.
    """
    names = _fitted(pins, _shell_name, "variable")
    return "".join(f"{names[model]}_VERSION={pinned.current}\n" for model, pinned in sorted(pins.items()))


def config_key(model: str) -> str:
    """Return the ConfigMap key of a model: Kubernetes takes letters, digits, `-`, `_` and `.`.

    >>> config_key("risk.cards.fraud detector")
    'risk.cards.fraud_detector'
    """
    return re.sub(r"[^-._a-zA-Z0-9]", "_", model)[:_MAX_KEY]


def service_name(model: str) -> str:
    """Return the name of a model's service, a DNS label (RFC 1123) that begins with a letter.

    >>> service_name("risk.cards.Fraud_Detector"), service_name("3ds")
    ('risk-cards-fraud-detector', 'model-3ds')
    """
    label = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")
    if not label[:1].isalpha():
        label = f"model-{label}"
    return label[:_MAX_LABEL].strip("-")


def _shell_name(model: str) -> str:
    name = re.sub(r"[^A-Z0-9]", "_", model.upper())
    return f"_{name}" if name[0].isdigit() else name


def _fitted(pins: Mapping[str, PinSet], fit: Callable[[str], str], what: str) -> Mapping[str, str]:
    taken: dict[str, str] = {}
    for model in sorted(pins):
        fitted = fit(model)
        if fitted in taken:
            raise Conflict(
                f"{taken[fitted]} and {model} would both have the {what} {fitted}.",
                next_step="Export them by model with `gatehouse pins export NAME`, each under a name of its own.",
            )
        taken[fitted] = model
    return {model: fitted for fitted, model in taken.items()}


def _dump(document: Mapping[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
