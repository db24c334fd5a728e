"""What happened to a version after it was made: from the audit log, and from the promotions that were asked for.

Events about a version carry its reference. Going back to another one is an event of that other version, and an incident
of this one. A name that was deleted and registered anew counts from 1 again: older events are about another version.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

from services.audit import AuditLog, Event, EventQuery
from services.changes import Change, Changes
from services.lineage.story import Happening, HappeningKind, Request
from services.registry.values import ModelVersion

_MOST_EVENTS: Final = 300
_MOST_REQUESTS: Final = 200
# The registry and this log have clocks of their own.
_SLACK: Final = timedelta(minutes=5)
_KINDS: Mapping[str, HappeningKind] = MappingProxyType(
    {
        "drift": HappeningKind.INCIDENT,
        "rollback": HappeningKind.DEPLOYMENT,
        "ramp": HappeningKind.DEPLOYMENT,
        "pins": HappeningKind.DEPLOYMENT,
        "execution": HappeningKind.DEPLOYMENT,
        "request": HappeningKind.DECISION,
        "approval": HappeningKind.DECISION,
        "waiver": HappeningKind.DECISION,
    }
)
_BAD_ENDS: Final = frozenset({"failed", "aborted", "rolled_back", "reverted"})


def list_happenings(audit: AuditLog, version: ModelVersion) -> tuple[Happening, ...]:
    """Return what happened to a version, oldest first; of very much, the newest."""
    about = audit.list_events(EventQuery(subject=version.reference), newest_first=True, limit=_MOST_EVENTS).events
    away = audit.list_events(
        EventQuery(model=version.name, action="rollback:execution:completed"), newest_first=True, limit=_MOST_EVENTS
    ).events
    left = [event for event in away if _left(event) == version.version]
    born = version.created_at - _SLACK
    found = [(event.seq, _to_happening(event)) for event in about if event.at >= born]
    found += [(event.seq, _to_incident(event)) for event in left if event.at >= born]
    return tuple(happening for _, happening in sorted(found, key=lambda pair: pair[0]))


def list_requests(changes: Changes, version: ModelVersion) -> tuple[Request, ...]:
    """Return the promotions that were asked for a version with the reasons that were given, oldest first."""
    found = changes.list_changes(kinds=["promotion"], model=version.name, limit=_MOST_REQUESTS)
    born = version.created_at - _SLACK
    mine = [each for each in found if each.payload["version"] == version.version and each.created_at >= born]
    return tuple(_to_request(change) for change in reversed(mine))


def _to_request(change: Change) -> Request:
    asked = {name: str(change.payload.get(name, "")) for name in ("improvements", "risks", "context", "plan")}
    said = [f"{each.actor} {each.decision.replace('_', ' ')}: {each.reason}" for each in change.decisions]
    return Request(
        id=change.id,
        stage=str(change.payload["to"]),
        state=change.state.value,
        requester=change.requester,
        reason=change.reason,
        decisions=tuple(said),
        **asked,
    )


def _to_happening(event: Event) -> Happening:
    words = event.action.split(":")
    kind = next((_KINDS[word] for word in words if word in _KINDS), HappeningKind.RECORD)
    if words[-1] in _BAD_ENDS:
        kind = HappeningKind.INCIDENT
    what = event.action.replace(":", " ").replace("_", " ").capitalize()
    return Happening(at=event.at, actor=event.actor, kind=kind, what=what, reason=event.reason)


def _to_incident(event: Event) -> Happening:
    what = f"Rolled back to version {_number(event.after)}"
    return Happening(at=event.at, actor=event.actor, kind=HappeningKind.INCIDENT, what=what, reason=event.reason)


def _left(event: Event) -> int | None:
    return _number(event.before)


def _number(told: Any) -> int | None:
    found = told.get("version") if isinstance(told, Mapping) else None
    return found if isinstance(found, int) else None
