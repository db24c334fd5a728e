"""What a model is asked when it runs in the sandbox, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.jobs.confinement import Ending
from services.jobs.trials import MAX_TRIALS


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """Expect that adding `step` to a column moves predictions up, down or not at all; a tie offends nobody."""

    name: str
    column: str
    step: float
    direction: Literal["increases", "decreases", "stays"]
    kind: Literal["direction"] = "direction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Expect that a row, filled up from the first of the data, is predicted within bounds."""

    name: str
    row: Mapping[str, Any]
    at_least: float | None = None
    at_most: float | None = None
    kind: Literal["bounds"] = "bounds"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSpec:
    """How a model is measured.

    Args:
        rows: how many rows of the data are used.
        calls: predictions of one row that are timed.
        warm_up: predictions of one row before those.
        expectations: how predictions should behave.
    """

    rows: int = 200
    calls: int = 300
    warm_up: int = 20
    expectations: Sequence[Direction | Bounds] = ()


class Answer(BaseModel):
    """What the child says, parsed strictly."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Invariance(Answer):
    """Whether predictions are the same with the columns in reverse order."""

    is_invariant: bool
    detail: str = Field(max_length=600)


class Expected(Answer):
    """How far an expectation held, as the ratio of rows; None when it could not be checked."""

    name: str
    held_ratio: float | None = Field(ge=0, le=1)
    detail: str = Field(max_length=600)


class Tried(Answer):
    """What the model did with one request: `error` is empty where it took it."""

    name: str = Field(max_length=600)
    is_taken: bool
    is_made_up: bool
    is_refused_by_mlflow: bool
    error: str = Field(max_length=600)


class Trials(Answer):
    """What the model did with every request."""

    tried: tuple[Tried, ...] = Field(max_length=MAX_TRIALS)


class Probe(Answer):
    """What a model was measured at, in its own word. Percentiles are None when every call failed.

    Args:
        rows: of the data that was used.
        start_s: from the start of the process, through the libraries, to the loaded model.
        load_s: loading it once more, the libraries being in memory.
        cold_start_s: `load_s` and the first prediction: what a new worker of a running server takes.
        memory_bytes: the most the process has held.
        baseline_bytes: of which before the model was loaded.
    """

    rows: int = Field(gt=0)
    start_s: float = Field(ge=0)
    load_s: float = Field(ge=0)
    cold_start_s: float = Field(ge=0)
    memory_bytes: int = Field(ge=0)
    baseline_bytes: int = Field(ge=0)
    calls: int = Field(gt=0)
    failed_calls: int = Field(ge=0)
    errors: tuple[str, ...] = Field(max_length=5)
    p50_ms: float | None = Field(ge=0)
    p95_ms: float | None = Field(ge=0)
    p99_ms: float | None = Field(ge=0)
    column_order: Invariance
    expectations: tuple[Expected, ...]
    tried: tuple[Tried, ...] = Field(default=(), max_length=MAX_TRIALS)

    @property
    def error_ratio(self) -> float:
        """Failed calls of all calls."""
        return self.failed_calls / self.calls


class Predictions(Answer):
    """How many rows were predicted, and how many of them failed."""

    rows: int = Field(gt=0)
    failed_rows: int = Field(ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailure:
    """Why a model gave no answer: `reason` is a sentence, `stderr` the end of what it wrote there."""

    ending: Ending
    reason: str
    stderr: str


class Served(Answer):
    """How many requests a model answered before its channel was closed."""

    requests: int = Field(ge=0)
