"""Every table of the store, for migrations to compare with: importing this module fills `metadata`."""

from services.store import accounts, audit_log, changes, decisions, documents, jobs, outbox, pins, sessions
from services.store.metadata import metadata

__all__ = [
    "accounts",
    "audit_log",
    "changes",
    "decisions",
    "documents",
    "jobs",
    "metadata",
    "outbox",
    "pins",
    "sessions",
]
