"""Every table of the store, for migrations to compare with: importing this module fills `metadata`."""

from services.store import (
    accounts,
    audit_log,
    changes,
    decisions,
    documents,
    gates,
    jobs,
    outbox,
    pins,
    ramps,
    registry_drift,
    registry_index,
    servers,
    sessions,
    standbys,
)
from services.store.metadata import metadata

__all__ = [
    "accounts",
    "audit_log",
    "changes",
    "decisions",
    "documents",
    "gates",
    "jobs",
    "metadata",
    "outbox",
    "pins",
    "ramps",
    "registry_drift",
    "registry_index",
    "servers",
    "sessions",
    "standbys",
]
