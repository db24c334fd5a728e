"""The audit log: a Merkle tree of events with signed checkpoints, proofs, exports and backups."""

from services.audit.canonical import Personal
from services.audit.events import JSON, Acting, Event
from services.audit.log import AuditLog
from services.audit.queries import EventPage, EventQuery

__all__ = ["JSON", "Acting", "AuditLog", "Event", "EventPage", "EventQuery", "Personal"]
