"""Evidence from files: slices, the prediction table, and results that came from elsewhere as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.errors import InvalidInput
from services.gates.collectors.sources import FileSource
from services.gates.evidence import (
    Absent,
    AbTest,
    Arm,
    Metrics,
    Predictions,
    RequestLog,
    ServiceLevel,
    Slices,
    Subject,
)
from services.lineage import artifacts
from services.lineage.slices import read_slices

T = TypeVar("T")

METRICS_FILE = "metrics.json"
AB_TEST_FILE = "ab_test.json"
SLA_FILE = "sla.json"
REQUEST_LOG_FILE = "request_log.json"


class MetricsFileCollector:
    """Metrics of `metrics.json`, a mapping of names to numbers, laid over those that another collector reads."""

    kind = Metrics

    def __init__(self, source: FileSource, inner: Any) -> None:
        self._source = source
        self._inner = inner

    def collect(self, subject: Subject) -> Metrics:
        logged: Metrics = self._inner.collect(subject)
        content = self._source.find(subject, METRICS_FILE)
        if content is None:
            return logged
        given = _parse(_MetricsText, content, METRICS_FILE).root_metrics()
        return Metrics(candidate={**logged.candidate, **given}, champion=logged.champion)


class SlicesCollector:
    """Metrics by slice: of `slices.json`, or else computed from the prediction table."""

    kind = Slices

    def __init__(self, source: FileSource) -> None:
        self._source = source

    def collect(self, subject: Subject) -> Slices | Absent:
        content = self._source.find(subject, artifacts.SLICES)
        if content is not None:
            return Slices(parts=read_slices(content))
        # Brings in pandas and scipy, which commands that measure nothing have no use for.
        from services.gates.collectors.prediction_table import find_table, measure_slices

        table = find_table(self._source, subject)
        if table is None:
            return Absent(reason=f"The run has neither {artifacts.SLICES} nor {artifacts.PREDICTIONS}.")
        return Slices(parts=tuple(measure_slices(table)))


class PredictionsCollector:
    """Fairness and calibration of the prediction table."""

    kind = Predictions

    def __init__(self, source: FileSource) -> None:
        self._source = source

    def collect(self, subject: Subject) -> Predictions | Absent:
        from services.gates.collectors.prediction_table import find_table, measure_fairness

        table = find_table(self._source, subject)
        if table is None:
            return Absent(reason=f"The run has no {artifacts.PREDICTIONS}.")
        return measure_fairness(table, subject)


class _Text(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _ArmText(_Text):
    samples: Annotated[int, Field(ge=0)]
    mean: float
    variance: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="of one observation; of a rate it follows from the mean"
    )

    def to_arm(self) -> Arm:
        if self.variance is None and not 0 <= self.mean <= 1:
            raise InvalidInput(
                f"An arm of the A/B test has the mean {self.mean:g} and no variance.",
                next_step=f"Write the variance of one observation into {AB_TEST_FILE}; only a rate can do without.",
            )
        variance = self.mean * (1 - self.mean) if self.variance is None else self.variance
        return Arm(samples=self.samples, mean=self.mean, variance=variance)


class AbTestText(_Text):
    """`ab_test.json`: one business metric, both arms."""

    metric: Annotated[str, Field(min_length=1, max_length=200)]
    control: _ArmText
    treatment: _ArmText

    def to_evidence(self) -> AbTest:
        return AbTest(metric=self.metric, control=self.control.to_arm(), treatment=self.treatment.to_arm())


class SlaText(_Text):
    """`sla.json`: violations of the service level, and over which window they were counted."""

    violations: Annotated[int, Field(ge=0)]
    window: Annotated[str, Field(min_length=1, max_length=200)]

    def to_evidence(self) -> ServiceLevel:
        return ServiceLevel(violations=self.violations, window=self.window)


class RequestLogText(_Text):
    """`request_log.json`: requests answered in staging, and how many of them were recorded."""

    requests: Annotated[int, Field(ge=0)]
    recorded: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _check_share(self) -> Self:
        if self.recorded > self.requests:
            raise ValueError("more requests are recorded than were answered")
        return self

    def to_evidence(self) -> RequestLog:
        return RequestLog(requests=self.requests, recorded=self.recorded)


class _MetricsText(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, float]

    def root_metrics(self) -> Mapping[str, float]:
        return dict(self.__pydantic_extra__ or {})


class ResultFileCollector(Generic[T]):
    """Reads one JSON file of results.

    Args:
        kind: the type of evidence.
        name: the file.
        text: how it is written, with `to_evidence`.
    """

    def __init__(self, source: FileSource, *, kind: type[T], name: str, text: type[Any]) -> None:
        self.kind = kind
        self._source = source
        self._name = name
        self._text = text

    def collect(self, subject: Subject) -> T | Absent:
        content = self._source.find(subject, self._name)
        if content is None:
            return Absent(reason=f"The run has no {self._name}.")
        found: T = _parse(self._text, content, self._name).to_evidence()
        return found


def result_file_collectors(source: FileSource) -> list[ResultFileCollector[Any]]:
    """Return the collectors of A/B test, service level and request log."""
    return [
        ResultFileCollector(source, kind=AbTest, name=AB_TEST_FILE, text=AbTestText),
        ResultFileCollector(source, kind=ServiceLevel, name=SLA_FILE, text=SlaText),
        ResultFileCollector(source, kind=RequestLog, name=REQUEST_LOG_FILE, text=RequestLogText),
    ]


def _parse(text: type[Any], content: bytes, name: str) -> Any:
    try:
        return text.model_validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise InvalidInput(
            f"{name} is not as it should be: {where or 'the file'}: {first['msg']}.",
            next_step=f"Write {name} as docs/gates.md says, and run the gates again.",
        ) from error
