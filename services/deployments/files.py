"""Pins as files: the `models:` document of practice 4, a Kubernetes ConfigMap, and environment variables.

Written atomically and read back, so that a serving platform never sees half a file.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from services.deployments.pins import PinSet
from services.errors import Conflict


def to_yaml(pins: Mapping[str, PinSet]) -> str:
    """Return the `models:` document: current, previous and fallback of each model as integers."""
    models = {
        name: {"current": pinned.current, "previous": pinned.previous, "fallback": pinned.fallback}
        for name, pinned in sorted(pins.items())
    }
    return _dump({"models": models})


def to_configmap(pins: Mapping[str, PinSet], *, name: str = "model-versions", namespace: str = "default") -> str:
    """Return a Kubernetes v1 ConfigMap whose data maps each model to its current version, as text."""
    document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": {config_key(model): str(pinned.current) for model, pinned in sorted(pins.items())},
    }
    return _dump(document)


def to_env(pins: Mapping[str, PinSet]) -> str:
    """Return one `NAME_VERSION=n` a line, with every character that a shell name lacks replaced by `_`."""
    lines = [f"{_shell_name(model)}_VERSION={pinned.current}" for model, pinned in sorted(pins.items())]
    return "".join(f"{line}\n" for line in lines)


def config_key(model: str) -> str:
    """Return the ConfigMap key of a model: Kubernetes takes letters, digits, `-`, `_` and `.`.

    >>> config_key("risk.cards.fraud detector")
    'risk.cards.fraud_detector'
    """
    return re.sub(r"[^-._a-zA-Z0-9]", "_", model)


def write_pins_file(path: Path, pins: Mapping[str, PinSet]) -> None:
    """Put the `models:` document in place of `path` and read it back.

    Raises:
        Conflict: what was read back is not what was written.
    """
    text = to_yaml(pins)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if path.read_text(encoding="utf-8") != text:
        raise Conflict(f"{path} does not hold what was written to it.", next_step="Check who else writes to it.")


def _shell_name(model: str) -> str:
    name = re.sub(r"[^A-Z0-9]", "_", model.upper())
    return f"_{name}" if name[0].isdigit() else name


def _dump(document: Mapping[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
