"""Gates as a policy writes them: one small closed type a kind, chosen by the key `kind`.

Every number that decides is in the document; a default here never lets anything through.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.lineage.vocabulary import VOCABULARY, Task
from services.signatures.requirements import RequirementName

Word = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]
Text = Annotated[str, Field(max_length=1000)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Ratio = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BaseGate(_Strict):
    """What every gate has.

    `tasks` limits it to models of these tasks, as the tag `task` says; a model that does not say is held to every gate.
    """

    gate: Word = Field(description="its name, unique within a stage")
    dry_run: bool = Field(default=False, description="report it without letting it decide")
    tasks: tuple[Task, ...] | None = Field(default=None, min_length=1)
    description: Text = ""


class BoundedGate(BaseGate):
    """A gate on a number: exactly one of `at_least` and `at_most`."""

    at_least: Number | None = None
    at_most: Number | None = None
    unit: Text = ""


class MetricGate(BoundedGate):
    """A logged metric against a threshold."""

    kind: Literal["metric"]
    metric: Text


class ChampionGate(BaseGate):
    """A logged metric against that of the version in production."""

    kind: Literal["champion"]
    metric: Text
    tolerance: Positive = Field(description="how much worse it may be")
    relative: bool = Field(default=False, description="the tolerance is a share of the champion's value")
    higher_is_better: bool | None = Field(default=None, description="by the metric's name unless given")
    without_champion: Literal["inconclusive", "measured"] = Field(
        default="inconclusive",
        description="what the first version of a model needs: `measured` is content with a finite value",
    )


class SliceGate(BoundedGate):
    """A metric on every slice of the evaluated data; the worst slice decides."""

    kind: Literal["slices"]
    metric: Text
    columns: tuple[Text, ...] | None = Field(default=None, min_length=1, description="all slices unless given")
    max_gap: Positive | None = Field(default=None, description="how much worse than overall, instead of a bound")
    min_rows: Annotated[int, Field(ge=1)] = Field(description="smaller slices are reported, and decide nothing")


class FairnessGate(BoundedGate):
    """Demographic parity difference, as logged or computed from the prediction table."""

    kind: Literal["fairness"]
    metric: Text = "demographic_parity"
    columns: tuple[Text, ...] | None = Field(default=None, min_length=1, description="groups; all slices unless given")
    min_rows: Annotated[int, Field(ge=1)]


class CalibrationGate(BoundedGate):
    """Calibration PSI, as logged or computed from the prediction table."""

    kind: Literal["calibration"]
    metric: Text = "calibration_psi"


class SignatureGate(BaseGate):
    """The signature against the champion's; without one, that it declares inputs and outputs."""

    kind: Literal["signature"]
    direction: Literal["backward", "forward", "full"]
    at_worst: Literal["identical", "compatible", "risky"] = Field(description="the worst verdict that still passes")
    callers: tuple[Literal["frame", "json"], ...] = Field(default=("frame", "json"), min_length=1)


class SignatureRequirementsGate(BaseGate):
    """What the signature has to have by itself, whatever the champion's is."""

    kind: Literal["signature_requirements"]
    required: tuple[RequirementName, ...] = Field(min_length=1)


class SignatureTestsGate(BaseGate):
    """The loaded model takes a valid example and refuses what its signature forbids, request by request."""

    kind: Literal["signature_tests"]


class NameGate(BaseGate):
    """The model's name is one for a product, not for a version."""

    kind: Literal["name"]


class TagsGate(BaseGate):
    """Standard tags are there, with values that the vocabulary allows; on the version or else on its model."""

    kind: Literal["tags"]
    required: tuple[Text, ...] = Field(min_length=1)


class MetricNamesGate(BaseGate):
    """Metrics are logged under their canonical names."""

    kind: Literal["metric_names"]


class StoryGate(BaseGate):
    """The story is complete: named parts of it, or a share of all."""

    kind: Literal["story"]
    required: tuple[Text, ...] = ()
    at_least: Ratio | None = None


class ArtifactsGate(BaseGate):
    """Files are there, in the model's folder or among its run's artifacts; `*` stands for any part of a name."""

    kind: Literal["artifacts"]
    paths: tuple[Text, ...] = Field(min_length=1)


class ChecklistGate(BaseGate):
    """Items of the readiness checklist are answered with yes, or with not applicable and why."""

    kind: Literal["checklist"]
    items: tuple[Text, ...] | None = Field(
        default=None, min_length=1, description="items or categories; all unless given"
    )
    at_least: Ratio = Field(default=1.0, description="share of the items")


class ProbeGate(BoundedGate):
    """What the model was measured at in the sandbox."""

    kind: Literal["probe"]
    measure: Literal["cold_start_s", "load_s", "p50_ms", "p95_ms", "p99_ms", "memory_mb", "error_rate"]


class ColumnOrderGate(BaseGate):
    """Predictions do not depend on the order of the columns."""

    kind: Literal["column_order"]


class DirectionGate(BaseGate):
    """Adding `step` to a column moves predictions one way, for a share of the rows."""

    kind: Literal["direction"]
    column: Text
    step: Number
    direction: Literal["increases", "decreases", "stays"]
    held_at_least: Ratio = 1.0


class ExampleGate(BoundedGate):
    """A known case is predicted within bounds; columns that it leaves out are filled from the input example."""

    kind: Literal["example"]
    row: dict[str, str | bool | int | float] = Field(min_length=1)


class LoggingGate(BoundedGate):
    """The share of requests in staging whose prediction was recorded."""

    kind: Literal["logging"]


class PrometheusGate(BoundedGate):
    """One number by a query; `{model}` and `{version}` stand for the candidate's, inside a quoted label."""

    kind: Literal["prometheus"]
    query: Annotated[str, Field(min_length=1, max_length=4000)]


class ShadowGate(BoundedGate):
    """How the candidate did beside the champion; of an agreement the lower end of its interval counts."""

    kind: Literal["shadow"]
    measure: Literal["days", "pairs", "agreement", "candidate_error_rate"]


class AbTestGate(BoundedGate):
    """An A/B test: relative lift, or the p-value of an always-valid test, which any number of looks leaves valid."""

    kind: Literal["ab_test"]
    measure: Literal["lift", "p_value"]
    planned_samples: Annotated[int, Field(ge=2)] | None = Field(
        default=None, description="for the p-value: the total at which the test is meant to be sharpest"
    )


class SlaGate(BoundedGate):
    """Violations of the service level while the candidate served."""

    kind: Literal["sla"]


class NotServingGate(BaseGate):
    """No protected alias points at the version, so retiring it takes nothing out of service."""

    kind: Literal["not_serving"]


Gate = Annotated[
    MetricGate
    | ChampionGate
    | SliceGate
    | FairnessGate
    | CalibrationGate
    | SignatureGate
    | SignatureRequirementsGate
    | SignatureTestsGate
    | NameGate
    | TagsGate
    | MetricNamesGate
    | StoryGate
    | ArtifactsGate
    | ChecklistGate
    | ProbeGate
    | ColumnOrderGate
    | DirectionGate
    | ExampleGate
    | LoggingGate
    | PrometheusGate
    | ShadowGate
    | AbTestGate
    | SlaGate
    | NotServingGate,
    Field(discriminator="kind"),
]


def find_contradiction(gate: Any) -> tuple[str, str] | None:
    """Return the key and what is wrong with a gate that its type cannot say, or None."""
    if isinstance(gate, SliceGate):
        bounds = [gate.at_least, gate.at_most, gate.max_gap]
        if sum(bound is not None for bound in bounds) != 1:
            return "metric", "write exactly one of at_least, at_most and max_gap"
    elif isinstance(gate, BoundedGate) and (gate.at_least is None) == (gate.at_most is None):
        return "kind", "write exactly one of at_least and at_most"
    if isinstance(gate, StoryGate) and not gate.required and gate.at_least is None:
        return "kind", "write required, at_least or both; a story gate without them would hold for anything"
    if isinstance(gate, ChampionGate | SliceGate) and _is_direction_unknown(gate):
        return "metric", f"{gate.metric!r} is not in the vocabulary, so it is not known which way is better"
    if isinstance(gate, AbTestGate) and (gate.measure == "p_value") != (gate.planned_samples is not None):
        return "measure", "planned_samples goes with the measure p_value"
    return None


def _is_direction_unknown(gate: ChampionGate | SliceGate) -> bool:
    is_needed = gate.higher_is_better is None if isinstance(gate, ChampionGate) else gate.max_gap is not None
    return is_needed and VOCABULARY.canonical_name(gate.metric) is None
