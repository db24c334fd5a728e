"""The parts of a version's story, as lineage measures them."""

from __future__ import annotations

from services.gates.evidence import Story, Subject
from services.lineage.completeness import measure_completeness
from services.lineage.telling import Stories


class StoryCollector:
    """Reads which parts of the candidate's story are there."""

    kind = Story

    def __init__(self, stories: Stories) -> None:
        self._stories = stories

    def collect(self, subject: Subject) -> Story:
        """Return the parts by name, with how to add those that are missing."""
        found = measure_completeness(self._stories.read_records(subject.candidate))
        return Story(
            present=frozenset(part.name for part in found.present),
            missing={part.name: part.how_to_add for part in found.missing},
        )
