"""Evidence: what is known about a version when its gates are judged, and whether it is known at all.

Judging is pure over evidence; whatever has to be fetched or measured is fetched by collectors before. Three things are
told apart: found, absent with a reason (a gate on it is inconclusive), and broken with a reason (its outcome is error).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from services.gates.kinds import BaseGate
from services.lineage.slices import SliceMetrics
from services.lineage.vocabulary import VOCABULARY, Vocabulary
from services.registry.values import ModelVersion, RegisteredModel, Stage
from services.signatures.trial_results import TrialResult
from services.signatures.values import SignatureReading

T = TypeVar("T")

TASK_TAG = "task"
TIER_TAG = "risk"


def tier_of(model: RegisteredModel, version: ModelVersion) -> str:
    """Return the risk tier of a model, or else of its version; the model's is what its owners agreed on."""
    return (model.tags.get(TIER_TAG) or version.tags.get(TIER_TAG, "")).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """Nothing is known, and why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """It could not be found out, and why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is judged, and against what.

    Args:
        champion: the version in production; None is the knowledge that there is none.
        gates: those in effect, so that a collector measures what they ask for.
    """

    candidate: ModelVersion
    model: RegisteredModel
    champion: ModelVersion | None
    stage: Stage
    gates: Sequence[BaseGate]

    def find_tag(self, name: str) -> str:
        """Return a tag of the version, or else of its model; empty where neither has it."""
        return self.candidate.tags.get(name) or self.model.tags.get(name, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Logged metrics; the champion's are None where there is no champion."""

    candidate: Mapping[str, float]
    champion: Mapping[str, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """Metrics of the candidate by slice."""

    parts: Sequence[SliceMetrics]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """What the prediction table of the candidate's run says.

    Args:
        demographic_parity: by column, None where fewer than two groups are large enough.
        calibration_psi: None where it has no scores and labels of two classes.
    """

    rows: int
    demographic_parity: Mapping[str, float | None]
    calibration_psi: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatures:
    """The signatures as they are read from the MLmodel files."""

    candidate: SignatureReading
    champion: SignatureReading | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Which parts of the story are there."""

    present: frozenset[str]
    missing: Mapping[str, str]

    @property
    def completeness(self) -> float:
        """Share of the parts that are there, from 0 to 1."""
        return len(self.present) / (len(self.present) + len(self.missing))


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Paths of the model's folder and of its run's artifacts."""

    model: frozenset[str]
    run: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecklistAnswers:
    """Answers by item: `yes`, `no` or `not_applicable`; and which items there are, by category."""

    items: Mapping[str, Sequence[str]]
    answers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How far an expectation held; None where it could not be checked."""

    ratio: float | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Probing:
    """What the model was measured at in the sandbox.

    Cold start is the time from the order to load until the first answer, in a process whose libraries are imported.
    """

    measures: Mapping[str, float | None]
    calls: int
    errors: Sequence[str]
    column_order: Held
    expectations: Mapping[str, Held]
    signature_tests: Sequence[TrialResult] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Queried:
    """Answers of Prometheus by gate: a number, or why there is none."""

    answers: Mapping[str, float | Absent | Broken]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowRecord:
    """How the candidate did beside the champion; `agreement` is over pairs with both predictions."""

    days: float
    pairs: int
    agreement: float
    agreement_low: float
    agreement_high: float
    candidate_error_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One side of an A/B test: how many, their mean, and the variance of one observation."""

    samples: int
    mean: float
    variance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AbTest:
    """The results of an A/B test on one business metric."""

    metric: str
    control: Arm
    treatment: Arm


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLevel:
    """Violations counted while the candidate served."""

    violations: int
    window: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLog:
    """Requests that the candidate answered in staging, and how many of them were recorded."""

    requests: int
    recorded: int


class EvidenceAbsent(Exception):
    """Raised inside a check that lacks what it needs."""


class EvidenceBroken(Exception):
    """Raised inside a check whose evidence could not be gathered."""


class Collector(Protocol):
    """Gathers one kind of evidence. The layer above chooses which collectors there are."""

    @property
    def kind(self) -> type[Any]:
        """The type of evidence that it gathers."""

    def collect(self, subject: Subject) -> Any:
        """Return the evidence, or an `Absent`.

        Raises:
            Exception: whatever goes wrong becomes a `Broken` with its reason.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything gathered for one subject."""

    subject: Subject
    items: Mapping[type[Any], Any] = field(default_factory=dict)
    vocabulary: Vocabulary = VOCABULARY

    def need(self, kind: type[T]) -> T:
        """Return the evidence of a kind.

        Raises:
            EvidenceAbsent: there is none.
            EvidenceBroken: it could not be gathered.
        """
        found = known(self.items.get(kind, Absent(reason=f"Nothing here gathers {_WORDS[kind]}.")))
        assert isinstance(found, kind)
        return found


def known(found: T | Absent | Broken) -> T:
    """Return what was found.

    Raises:
        EvidenceAbsent: nothing was.
        EvidenceBroken: it could not be found out.
    """
    if isinstance(found, Absent):
        raise EvidenceAbsent(found.reason)
    if isinstance(found, Broken):
        raise EvidenceBroken(found.reason)
    return found


_WORDS: Mapping[type[Any], str] = {
    Metrics: "metrics",
    Slices: "metrics by slice",
    Predictions: "a prediction table",
    Signatures: "signatures",
    Story: "the story",
    Files: "files",
    ChecklistAnswers: "answers to the checklist",
    Probing: "measurements in the sandbox",
    Queried: "answers of Prometheus",
    ShadowRecord: "a shadow comparison",
    AbTest: "results of an A/B test",
    ServiceLevel: "violations of a service level",
    RequestLog: "a record of requests",
}
