"""The ramp plan: by which steps a candidate takes traffic over, how long each lasts, and what stops it (practice 7).

The first steps may be shadow, which gives callers nothing of the candidate. Shares only grow, and the last is all.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from services.documents.kind import DocumentKind, Fault

Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Text = Annotated[str, Field(max_length=1000)]

_ALL = 100
BUILT_IN = ("error_rate", "latency_p99", "agreement")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StepText(_Strict):
    """One step: the share of requests that get the candidate's answer, and for how long at least."""

    traffic_percent: Annotated[float, Field(ge=0, le=100)] = Field(description="0 is shadow: callers get none of it")
    minutes: Annotated[float, Field(gt=0, le=60 * 24 * 90)]

    @property
    def ratio(self) -> float:
        """The share as a ratio."""
        return self.traffic_percent / 100

    @property
    def duration(self) -> timedelta:
        """How long the step lasts at least."""
        return timedelta(minutes=self.minutes)


class GuardrailsText(_Strict):
    """What the candidate has to keep, measured on every request since the step began."""

    max_error_rate: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="ratio of requests that the candidate gave no answer to"
    )
    max_latency_p99_ms: Annotated[float, Field(gt=0)] = Field(description="99 of 100 answers come within it")
    min_agreement: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="ratio of requests that both versions answered alike"
    )
    min_pairs: Annotated[int, Field(ge=1)] = Field(description="fewer requests decide nothing")


class QueryText(_Strict):
    """A guardrail over one number from Prometheus; `{model}` and `{version}` are the candidate's."""

    guardrail: Word
    query: Annotated[str, Field(min_length=1, max_length=4000)]
    at_most: float | None = None
    at_least: float | None = None
    unit: Text = ""


class RampPlanText(_Strict):
    """The whole document."""

    kind: Literal["ramp_plan"]
    description: Text = ""
    check_seconds: Annotated[float, Field(ge=1, le=3600)] = 30
    steps: tuple[StepText, ...] = Field(min_length=1, max_length=50)
    guardrails: GuardrailsText
    queries: tuple[QueryText, ...] = ()

    def time_under_traffic(self, *, after: int = -1) -> timedelta:
        """Return how long the steps last, after one, that give callers answers of the candidate."""
        return sum((step.duration for step in self.steps[after + 1 :] if step.ratio), timedelta())


def find_faults(plan: RampPlanText) -> Iterator[Fault]:
    """Yield what the schema cannot say."""
    for index, (before, step) in enumerate(zip(plan.steps, plan.steps[1:], strict=False), 1):
        if step.traffic_percent <= before.traffic_percent:
            yield Fault(
                location=("steps", index, "traffic_percent"),
                message=f"each step gives more than the one before, which gives {before.traffic_percent:g} %",
                rests_on=(("steps", index - 1),),
            )
    if plan.steps[-1].traffic_percent != _ALL:
        where = ("steps", len(plan.steps) - 1, "traffic_percent")
        yield Fault(location=where, message="the last step gives 100 %", rests_on=(("steps",),))
    seen = set(BUILT_IN)
    for index, query in enumerate(plan.queries):
        if query.guardrail in seen:
            where = ("queries", index, "guardrail")
            yield Fault(location=where, message=f"there is a guardrail {query.guardrail!r} already")
        seen.add(query.guardrail)
        if (query.at_most is None) == (query.at_least is None):
            yield Fault(location=("queries", index), message="write one of at_most and at_least")


RAMP_PLAN: DocumentKind[Any] = DocumentKind(
    name="ramp_plan",
    title="Ramp plan",
    adapter=TypeAdapter(RampPlanText),
    find_faults=find_faults,
    default_file=("services.deployments", "defaults/ramp_plan.yaml"),
)
