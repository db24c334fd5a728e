"""The story of a version: who made it, from what, how good it is, why it exists, what happened to it, what it lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.lineage import artifacts
from services.lineage.attachments import Attachment
from services.lineage.completeness import Completeness, StoryRecords
from services.lineage.signature_lines import SignatureLines
from services.lineage.vocabulary import Vocabulary, is_higher_better
from services.registry.values import ModelVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricLine:
    """A metric beside the champion's; `canonical` is None for a model's own metric."""

    name: str
    canonical: str | None
    value: float
    champion: float | None = None

    @property
    def difference(self) -> float | None:
        """By how much it differs from the champion's."""
        return None if self.champion is None else self.value - self.champion

    @property
    def is_better(self) -> bool | None:
        """Whether it is better than the champion's; None where that cannot be said."""
        if not self.difference or self.canonical is None:
            return None
        return (self.difference > 0) == is_higher_better(self.canonical)


class HappeningKind(StrEnum):
    """What a happening means for the version."""

    DECISION = "decision"
    DEPLOYMENT = "deployment"
    INCIDENT = "incident"
    RECORD = "record"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that was done with the version: an approval, a deployment, an incident."""

    at: datetime
    actor: str
    what: str
    reason: str = ""
    kind: HappeningKind = HappeningKind.RECORD


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A promotion that was asked for, with the decision context that was given; `decisions` are sentences."""

    id: int
    stage: str
    state: str
    requester: str
    reason: str
    improvements: str = ""
    risks: str = ""
    context: str = ""
    plan: str = ""
    decisions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All of it.

    Args:
        attachments: the run's artifacts, pictures and tables ready to be shown.
        card: the model card as it was written; empty for none.
        problems: a sentence for each thing that could not be read.
    """

    records: StoryRecords
    champion: ModelVersion | None
    metrics: tuple[MetricLine, ...]
    signature: SignatureLines
    card: str
    attachments: tuple[Attachment, ...]
    completeness: Completeness
    requests: tuple[Request, ...] = ()
    happenings: tuple[Happening, ...] = ()
    problems: tuple[str, ...] = ()


def list_metric_lines(
    metrics: Mapping[str, float], champion: Mapping[str, float], vocabulary: Vocabulary
) -> tuple[MetricLine, ...]:
    """Return the metrics of the whole data, canonical ones first in the vocabulary's order; slices are elsewhere."""
    order = {name: place for place, name in enumerate(name for names in vocabulary.metrics.values() for name in names)}
    theirs = {vocabulary.canonical_name(name) or name: value for name, value in champion.items()}
    lines = []
    for name, value in metrics.items():
        if not name.startswith(f"{artifacts.SLICE_METRIC_PREFIX}/"):
            canonical = vocabulary.canonical_name(name)
            line = MetricLine(name=name, canonical=canonical, value=value, champion=theirs.get(canonical or name))
            lines.append(line)
    return tuple(sorted(lines, key=lambda line: (order.get(line.canonical or "", len(order)), line.name)))
