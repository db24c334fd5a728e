"""What the tracking server refuses to anybody but Gatehouse, endpoint by endpoint (measured on MLflow 3.17).

Rules are keyed by the name of MLflow's handler, which is the same for `/api`, `/ajax-api`, doubled slashes and escaped
paths, and read the request as the handler will. A handler that changes the registry and is not named here makes the
guard refuse to start, so that an upgrade cannot open a door.
"""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from services.registry.aliases import normalise_alias
from services.registry.names import quoted
from services.registry.stages import PROTECTED_ALIASES
from services.registry.tags import PROMPT_TAG, RESERVED_PREFIX


class GuardedRegistry(Protocol):
    """What the rules ask of the registry behind the server."""

    def find_model_protection(self, name: str) -> str | None:
        """Return why a model may not be deleted or renamed, as the end of a sentence, or None."""

    def find_version_protection(self, name: str, version: str) -> str | None:
        """Return why a version may not be deleted, as the end of a sentence, or None."""

    def is_prompt(self, name: str) -> bool:
        """Return whether a registered name holds prompts rather than models."""

    def find_signature_gap(self, source: str) -> str | None:
        """Return what is missing from the signature of the model at `source`, as the end of a sentence, or None."""

    def find_owner(self, path: str) -> str | None:
        """Return a registered version that the artifact path belongs to, or None."""

    def is_registered(self, model_id: str) -> str | None:
        """Return a version that holds the logged model, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, read: `message` is the handler's protobuf where it has one, `path` its parts of the address."""

    message: Any = None
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


Rule = Callable[[Asked, GuardedRegistry], str | None]


def refuse_alias(asked: Asked, _registry: GuardedRegistry) -> str | None:
    """Refuse aliases that stand for stages, in every spelling."""
    if normalise_alias(asked.message.alias) in PROTECTED_ALIASES:
        return f"the alias {quoted(asked.message.alias)} moves by an approved promotion or a rollback only"
    return None


def refuse_stage(asked: Asked, _registry: GuardedRegistry) -> str | None:
    """Refuse all moves of stages."""
    return f"stages of {quoted(asked.message.name)} move by an approved promotion only"


def refuse_tag(asked: Asked, _registry: GuardedRegistry) -> str | None:
    """Refuse reserved tags, and the one that makes MLflow hide a model among prompts."""
    return _reserved([asked.message.key]) or _hiding(asked.message.key)


def refuse_new_model(asked: Asked, _registry: GuardedRegistry) -> str | None:
    """Refuse reserved tags on a new name."""
    return _reserved(tag.key for tag in asked.message.tags)


def refuse_new_version(asked: Asked, registry: GuardedRegistry) -> str | None:
    """Refuse reserved tags, and models that do not say what they take and return."""
    message = asked.message
    refusal = _reserved(tag.key for tag in message.tags)
    tags = {tag.key: tag.value for tag in message.tags}
    if refusal is not None or (tags.get(PROMPT_TAG, "").lower() == "true" and registry.is_prompt(message.name)):
        return refusal
    gap = registry.find_signature_gap(message.source)
    return None if gap is None else f"a version of {quoted(message.name)} needs a full signature, and this one {gap}"


def refuse_model_loss(asked: Asked, registry: GuardedRegistry) -> str | None:
    """Refuse to delete or rename a model that serves, or may be gone back to."""
    why = registry.find_model_protection(asked.message.name)
    return None if why is None else f"{quoted(asked.message.name)} cannot be deleted or renamed: {why}"


def refuse_version_loss(asked: Asked, registry: GuardedRegistry) -> str | None:
    """Refuse to delete a version that serves, or may be gone back to."""
    why = registry.find_version_protection(asked.message.name, asked.message.version)
    reference = quoted(f"{asked.message.name}/{asked.message.version}")
    return None if why is None else f"{reference} cannot be deleted: {why}"


def refuse_logged_model_change(asked: Asked, registry: GuardedRegistry) -> str | None:
    """Refuse to reopen or delete a logged model that is registered."""
    return _frozen(registry.is_registered(asked.path["model_id"]))


def refuse_write(asked: Asked, registry: GuardedRegistry) -> str | None:
    """Refuse to write below a registered model's folder."""
    return _frozen(registry.find_owner(asked.path["artifact_path"]))


def refuse_multipart(asked: Asked, registry: GuardedRegistry) -> str | None:
    """Refuse the parts of an upload to a registered model's folder."""
    folder = asked.path["artifact_path"]
    names = (folder, posixpath.join(folder, asked.message.path))
    return _frozen(next(filter(None, map(registry.find_owner, names)), None))


def refuse_deletion(asked: Asked, registry: GuardedRegistry) -> str | None:
    """Refuse to delete a registered model's files, and folders too far up to tell what they hold."""
    path = asked.path["artifact_path"]
    if len([part for part in posixpath.normpath(path).split("/") if part not in {"", "."}]) <= _SHALLOW:
        return f"the folder {quoted(path)} may hold registered models"
    return _frozen(registry.find_owner(path))


def refuse_run_upload(asked: Asked, registry: GuardedRegistry) -> str | None:
    """Refuse the browser's upload into a registered folder of a run."""
    return _frozen(registry.find_owner(_in_run(asked.query.get("run_uuid", ""), asked.query.get("path", ""))))


def refuse_presigned(asked: Asked, registry: GuardedRegistry) -> str | None:
    """Refuse an address to upload to a registered model's folder past the server."""
    if asked.message.model_id:
        return _frozen(registry.is_registered(asked.message.model_id))
    return _frozen(registry.find_owner(_in_run(asked.message.run_id, asked.message.path)))


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "_set_registered_model_alias": refuse_alias,
        "_delete_registered_model_alias": refuse_alias,
        "_transition_stage": refuse_stage,
        "_set_registered_model_tag": refuse_tag,
        "_delete_registered_model_tag": refuse_tag,
        "_set_model_version_tag": refuse_tag,
        "_delete_model_version_tag": refuse_tag,
        "_create_registered_model": refuse_new_model,
        "_create_model_version": refuse_new_version,
        "_delete_registered_model": refuse_model_loss,
        "_rename_registered_model": refuse_model_loss,
        "_delete_model_version": refuse_version_loss,
        "_finalize_logged_model": refuse_logged_model_change,
        "_delete_logged_model": refuse_logged_model_change,
        "_upload_artifact": refuse_write,
        "_create_multipart_upload_artifact": refuse_multipart,
        "_complete_multipart_upload_artifact": refuse_multipart,
        "_abort_multipart_upload_artifact": refuse_multipart,
        "_delete_artifact_mlflow_artifacts": refuse_deletion,
        "serve_upload_artifact": refuse_run_upload,
        "_create_presigned_upload_url": refuse_presigned,
    }
)

MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        "_set_registered_model_alias": "SetRegisteredModelAlias",
        "_delete_registered_model_alias": "DeleteRegisteredModelAlias",
        "_transition_stage": "TransitionModelVersionStage",
        "_set_registered_model_tag": "SetRegisteredModelTag",
        "_delete_registered_model_tag": "DeleteRegisteredModelTag",
        "_set_model_version_tag": "SetModelVersionTag",
        "_delete_model_version_tag": "DeleteModelVersionTag",
        "_create_registered_model": "CreateRegisteredModel",
        "_create_model_version": "CreateModelVersion",
        "_delete_registered_model": "DeleteRegisteredModel",
        "_rename_registered_model": "RenameRegisteredModel",
        "_delete_model_version": "DeleteModelVersion",
        "_create_multipart_upload_artifact": "CreateMultipartUpload",
        "_complete_multipart_upload_artifact": "CompleteMultipartUpload",
        "_abort_multipart_upload_artifact": "AbortMultipartUpload",
        "_create_presigned_upload_url": "CreatePresignedUploadUrl",
    }
)
"""The protobuf that each of these handlers reads; the others are told by their address."""

HARMLESS = frozenset(
    {
        "_create_logged_model",
        "_delete_logged_model_tag",
        "_log_logged_model_params",
        "_set_logged_model_tags",
        "_search_logged_models",
        "_update_model_version",
        "_update_registered_model",
        "_get_latest_versions",
        "_create_presigned_download_url",
    }
)
"""Handlers that change, by method, something near the registry, and nothing that is protected."""

# An experiment, or its folder of logged models.
_SHALLOW = 2


def is_near_registry(rule: str) -> bool:
    """Return whether an address belongs to what the guard has to know every handler of."""
    return any(part in rule for part in ("/registered-models", "/model-versions", "/logged-models", "artifact"))


def _reserved(keys: Iterable[str]) -> str | None:
    for key in keys:
        if unicodedata.normalize("NFKC", key).strip().casefold().startswith(RESERVED_PREFIX):
            return f"tags that begin with {RESERVED_PREFIX} are written by Gatehouse only"
    return None


def _hiding(key: str) -> str | None:
    return f"the tag {PROMPT_TAG} would hide a model from its reviewers" if key == PROMPT_TAG else None


def _frozen(owner: str | None) -> str | None:
    return None if owner is None else f"the files of {quoted(owner)} are registered and stay as they are"


def _in_run(run_id: str, path: str) -> str:
    return posixpath.join(run_id, "artifacts", path.lstrip("/"))
