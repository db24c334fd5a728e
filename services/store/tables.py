"""Every table of the store, for migrations to compare with: importing this module fills `metadata`."""

from services.store import audit_log, changes, pins
from services.store.metadata import metadata

__all__ = ["audit_log", "changes", "metadata", "pins"]
