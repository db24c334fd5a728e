"""What gates found before: reports by version, the newest of each, one gate over time, gates against versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.clock import from_micros
from services.errors import NotFound
from services.gates.outcomes import GateResult
from services.gates.reports import GateReport, to_report, to_result
from services.registry.values import Stage
from services.store import Store, UnitOfWork
from services.store import gates as rows


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendPoint:
    """One result of a gate in its course over versions."""

    version: int
    report: int
    at: datetime
    result: GateResult


@dataclass(frozen=True, slots=True, kw_only=True)
class GateMatrix:
    """Gates against versions: the newest result of each, None where a version's report lacks the gate."""

    gates: tuple[str, ...]
    reports: tuple[GateReport, ...]
    cells: Mapping[tuple[str, int], GateResult]


class GateHistory:
    """Reading reports."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get_report(self, report_id: int) -> GateReport:
        """Return one report.

        Raises:
            NotFound: there is none with this number.
        """
        with self._store.read() as unit:
            row = rows.find_report(unit, report_id)
            if row is None:
                raise NotFound(f"There is no gate report {report_id}.", next_step="Run the gates of the version again.")
            return _with_results(unit, [row])[0]

    def list_reports(
        self,
        *,
        model: str | None = None,
        version: int | None = None,
        stage: Stage | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[GateReport]:
        """Return reports, newest first; the next page begins before the last id."""
        with self._store.read() as unit:
            found = rows.list_reports(
                unit,
                model=model,
                version=version,
                stage=None if stage is None else stage.value,
                before_id=before_id,
                limit=limit,
            )
            return _with_results(unit, found)

    def list_newest(
        self,
        stage: Stage,
        *,
        models: Sequence[str] | None = None,
        after: tuple[str, int] | None = None,
        limit: int = 100,
    ) -> list[GateReport]:
        """Return the newest report of every version for a stage, by model and version, above `after`."""
        with self._store.read() as unit:
            found = rows.list_newest_reports(unit, stage=stage.value, models=models, after=after, limit=limit)
            return _with_results(unit, found)

    def list_trend(self, model: str, stage: Stage, gate: str, *, limit: int = 100) -> list[TrendPoint]:
        """Return the newest results of one gate, oldest first."""
        with self._store.read() as unit:
            found = rows.list_trend(unit, model=model, stage=stage.value, gate=gate, limit=limit)
        return [
            TrendPoint(
                version=row["version"], report=row["report_id"], at=from_micros(row["at_us"]), result=to_result(row)
            )
            for row in found
        ]

    def get_matrix(self, model: str, stage: Stage, *, versions: int = 20) -> GateMatrix:
        """Return the gates of a stage against the newest versions of a model, in the order of the newest report."""
        with self._store.read() as unit:
            found = rows.list_newest_of_model(unit, model=model, stage=stage.value, limit=versions)
            reports = _with_results(unit, found)
        gates = dict.fromkeys(result.gate for report in reports for result in report.results)
        cells = {(result.gate, report.version): result for report in reports for result in report.results}
        return GateMatrix(gates=tuple(gates), reports=tuple(reports), cells=cells)


def _with_results(unit: UnitOfWork, found: Sequence[Mapping[str, object]]) -> list[GateReport]:
    results = rows.list_results(unit, [int(str(row["id"])) for row in found])
    return [to_report(row, results[int(str(row["id"]))]) for row in found]
