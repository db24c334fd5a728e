"""What a Unity Catalog asks of a version (seed 001): a name of three levels, and inputs and outputs both declared.

It has no stages; an alias says what would be one.
"""

from __future__ import annotations

from typing import Any

from services.errors import InvalidInput
from services.registry.name_lint import LEVELS
from services.registry.names import check_model_name, quoted
from services.settings import is_catalog_uri, load_settings


def is_unity_catalog() -> bool:
    """Return whether training code registers in a Unity Catalog: as MLflow's registry URI says, or our settings."""
    import mlflow

    return is_catalog_uri(mlflow.get_registry_uri()) or load_settings().is_unity_catalog


def check_new_version(name: str) -> str:
    """Return the name under which training code registers a version, if it can.

    Raises:
        InvalidInput: no registry can hold it, or this is a Unity Catalog and it has not three levels.
    """
    check_model_name(name)
    if is_unity_catalog():
        check_catalog_name(name)
    return name


def check_declared(name: str, signature: Any) -> None:
    """Let pass what a version of training code declares: in a Unity Catalog, inputs and outputs; elsewhere anything.

    Raises:
        InvalidInput: this is a Unity Catalog, and the signature is missing or lacks a side.
    """
    if is_unity_catalog():
        _check_whole(name, signature)


def check_catalog_name(name: str) -> None:
    """Let pass only a name of three levels.

    Raises:
        InvalidInput: it is none.
    """
    if name.count(".") != LEVELS - 1 or not all(name.split(".")):
        raise InvalidInput(
            f"{quoted(name)} is no name of a Unity Catalog, which has three levels.",
            next_step="Write it as catalog.schema.model, such as ml.risk.fraud_detector.",
        )


def _check_whole(name: str, signature: Any) -> None:
    sides = {"inputs": getattr(signature, "inputs", None), "outputs": getattr(signature, "outputs", None)}
    missing = [side for side, schema in sides.items() if schema is None]
    if missing:
        raise InvalidInput(
            f"A version of {quoted(name)} in a Unity Catalog declares inputs and outputs, and this one lacks its "
            f"{' and '.join(missing)}.",
            next_step="Give input_example, or a signature of both as mlflow.models.infer_signature makes it.",
        )
