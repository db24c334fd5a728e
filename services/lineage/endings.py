"""Which versions of a model are deprecated, how long they have, and who still uses them.

It reads the index and what stands on versions here; a version that something names, or that another was made from, has
consumers who should move before its sunset.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from services.lineage import artifacts
from services.lineage.records import Mark, list_parents
from services.lineage.sunset import DEPRECATED, Sunset, find_sunset
from services.registry.entries import VersionEntry
from services.registry.index import Index


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A deprecated version.

    Args:
        days_left: 0 on the day of its sunset and less after it; None where no readable date is given.
        consumers: what uses it, such as `@production`, `pin current` or the version that was tuned from it.
    """

    version: VersionEntry
    sunset: Sunset
    days_left: int | None
    consumers: tuple[str, ...]

    @property
    def countdown(self) -> str:
        """How long it has, in words."""
        if self.days_left is None:
            return "no readable date"
        if self.days_left > 0:
            return f"in {self.days_left} day{'s' if self.days_left > 1 else ''}"
        return "today" if self.days_left == 0 else f"{-self.days_left} day{'s' if self.days_left < -1 else ''} ago"


def list_endings(index: Index, model: str, marks: Iterable[Mark], *, today: date) -> tuple[Ending, ...]:
    """Return the deprecated versions of a model, the nearest sunset first; one without a date counts as come."""
    stands = tuple(marks)
    made_from = index.list_tagged_versions(artifacts.TUNED_FROM)
    found = []
    for entry in index.list_tagged_versions(DEPRECATED, model=model):
        sunset = find_sunset(entry.name, entry.tags)
        if sunset is not None:
            consumers = _consumers(entry, stands, made_from)
            found.append(Ending(version=entry, sunset=sunset, days_left=sunset.days_left(today), consumers=consumers))
    return tuple(sorted(found, key=lambda each: (each.sunset.on or date.min, -each.version.version)))


def _consumers(entry: VersionEntry, marks: Sequence[Mark], made_from: Sequence[VersionEntry]) -> tuple[str, ...]:
    aliases = [f"@{alias}" for alias in entry.aliases]
    stands = [f"{mark.kind} {mark.label}" for mark in marks if (mark.name, mark.version) == (entry.name, entry.version)]
    children = [
        f"{child.reference} was tuned from it"
        for child in made_from
        if entry.reference in list_parents(child.tags, artifacts.TUNED_FROM)
    ]
    return (*aliases, *stands, *children)
