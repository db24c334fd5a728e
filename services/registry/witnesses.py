"""Checkpoints of the audit log that stand in the registry: a forger of the log would have to own that as well.

Every move of a stage leaves one on the version it moves to, so the versions that aliases point at hold the newest.
"""

from __future__ import annotations

from services.registry.port import RecordReader
from services.registry.tags import CHECKPOINT_TAG


def list_notes(registry: RecordReader) -> list[str]:
    """Return the signed checkpoints on versions of every model that an alias stands for.

    Raises:
        Unreachable: the registry does not answer.
    """
    names = [model.name for model in registry.list_models() if model.aliases]
    versions = registry.list_versions(names) if names else ()
    return [note for version in versions if (note := version.tags.get(CHECKPOINT_TAG)) is not None]
