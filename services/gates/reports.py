"""Reports: the results of a stage's gates on one version, and what the digest of their evidence covers.

The digest covers `bound` (who the version is, its bytes and signature, the champion), every result as it was recorded,
and the policy revision. `bound` can be read again at any time and must then be the same; measurements are kept as they
were recorded, since no two runs of a stopwatch agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.changes.records import digest_evidence
from services.clock import from_micros, to_micros, to_text
from services.gates.outcomes import GateResult, Outcome
from services.registry.values import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """What the gates of a stage found about a version.

    Args:
        id: its number in the store.
        champion: the version that it was compared with, if there was one.
        bound: what can be read again to see whether the report still speaks of the same things.
        is_sweep: judged on records alone, for an overview; it never passes.
    """

    id: int | None
    model: str
    version: int
    version_created_at: datetime
    stage: Stage
    tier: str
    champion: int | None
    outcome: Outcome
    results: tuple[GateResult, ...]
    policy_revision: str
    bound: Mapping[str, Any]
    evidence_digest: str
    actor: str
    at: datetime
    is_sweep: bool = False

    @property
    def reference(self) -> str:
        """`NAME/VERSION`."""
        return f"{self.model}/{self.version}"

    @property
    def is_passed(self) -> bool:
        """Whether the version may move to the stage, as far as gates go."""
        return self.outcome is Outcome.PASSED and not self.is_sweep

    @property
    def obstacles(self) -> tuple[GateResult, ...]:
        """The results that stand in the way, worst first."""
        held = [result for result in self.results if result.is_deciding and result.outcome is not Outcome.PASSED]
        return tuple(sorted(held, key=lambda result: -result.outcome.rank))

    def to_json(self) -> dict[str, Any]:
        """Return the report as the public interface prints it."""
        return {
            "outcome": self.outcome.value,
            "gates": [result.to_json() for result in self.results],
            "evidence_digest": self.evidence_digest,
            "policy_revision": self.policy_revision,
            "model": self.model,
            "version": self.version,
            "to": self.stage.value.lower(),
            "champion": self.champion,
            "report": self.id,
            "at": to_text(self.at),
        }


def digest_report(bound: Mapping[str, Any], results: Sequence[GateResult], policy_revision: str) -> str:
    """Return `sha256:…` over everything that an approval on these results covers."""
    return digest_evidence(bound, {"results": [result.to_json() for result in results]}, policy_revision)


def report_columns(report: GateReport) -> dict[str, Any]:
    """Return the row of a report."""
    return {
        "model": report.model,
        "version": report.version,
        "version_created_us": to_micros(report.version_created_at),
        "stage": report.stage.value,
        "tier": report.tier,
        "champion": report.champion,
        "outcome": report.outcome.value,
        "policy_revision": report.policy_revision,
        "bound": dict(report.bound),
        "evidence_digest": report.evidence_digest,
        "actor": report.actor,
        "at_us": to_micros(report.at),
    }


def to_report(row: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> GateReport:
    """Return the value of a row with its results."""
    same = ("id", "model", "version", "tier", "champion", "policy_revision", "bound", "evidence_digest", "actor")
    return GateReport(
        **{key: row[key] for key in same},
        version_created_at=from_micros(row["version_created_us"]),
        stage=Stage(row["stage"]),
        outcome=Outcome(row["outcome"]),
        results=tuple(to_result(result) for result in results),
        at=from_micros(row["at_us"]),
    )


def to_result(row: Mapping[str, Any]) -> GateResult:
    """Return the value of a row of results."""
    same = ("gate", "kind", "observed", "threshold", "unit", "message", "remedy", "dry_run", "waived", "details")
    return GateResult(**{key: row[key] for key in same}, outcome=Outcome(row["outcome"]))
