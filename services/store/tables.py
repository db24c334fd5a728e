"""Every table of the store, for migrations to compare with: importing this module fills `metadata`."""

from services.store.metadata import metadata

__all__ = ["metadata"]
