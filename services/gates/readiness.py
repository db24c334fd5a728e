"""What of the readiness checklist the system can answer itself, from the registry, gate reports and the audit log.

Evidence answers yes or nothing: what is not seen here may still be so elsewhere, and then a person says where.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from services.audit import AuditLog, Event, EventQuery
from services.clock import Clock, to_text
from services.gates.history import GateHistory
from services.gates.outcomes import Outcome
from services.lineage import artifacts
from services.lineage.completeness import StoryRecords
from services.lineage.telling import Stories
from services.registry.values import ModelVersion

_EVENTS: Mapping[str, str] = {
    "rollback_tested": "rollback:execution:completed",
    "release_strategy": "ramp:run:completed",
}
_GATES: Mapping[str, frozenset[str]] = {
    "release_strategy": frozenset({"shadow"}),
    "quality_tests": frozenset({"column_order", "direction"}),
    "regression_tests": frozenset({"champion"}),
}
"""The kinds of gates that a version has to have passed, every one, for an item; a champion only where there was one."""

BACKUP_DAYS = 30
"""How long a backup of the store speaks for there being backups."""
_REPORTS_READ = 20
_FIRST_SPLIT, _SECOND_SPLIT = "training", frozenset({"testing", "test", "validation", "evaluation"})


class Readiness:
    """Answers items by what is there."""

    def __init__(self, stories: Stories, audit: AuditLog, history: GateHistory, *, clock: Clock) -> None:
        self._stories = stories
        self._audit = audit
        self._history = history
        self._clock = clock

    def list_evidence(self, version: ModelVersion) -> Mapping[str, str]:
        """Return what was seen, in a sentence, by each item that it answers with yes.

        Raises:
            NotFound: the model is gone.
            Unreachable: the registry does not answer.
        """
        story = _from_story(self._stories.read_records(version))
        return {**story, **dict(self._from_gates(version)), **dict(self._from_log(version.name))}

    def _from_gates(self, version: ModelVersion) -> Iterator[tuple[str, str]]:
        found = self._history.list_reports(model=version.name, version=version.version, limit=_REPORTS_READ)
        # A name that was made again begins at version 1 again: what was found of the other one says nothing of this.
        reports = [report for report in found if report.version_created_at == version.created_at]
        newest = {
            result.kind: report
            for report in reversed(reports)
            for result in report.results
            if result.kind != "champion" or report.champion is not None
        }
        for item, kinds in _GATES.items():
            results = [each for kind in kinds & newest.keys() for each in newest[kind].results if each.kind == kind]
            if kinds <= newest.keys() and all(each.outcome is Outcome.PASSED for each in results):
                gates = ", ".join(sorted(each.gate for each in results))
                at = max(newest[kind].at for kind in kinds)
                yield item, f"Gates that passed for {version.reference} until {to_text(at)}: {gates}."

    def _from_log(self, model: str) -> Iterator[tuple[str, str]]:
        for item, action in _EVENTS.items():
            event = self._find_event(EventQuery(model=model, action=action))
            if event is not None:
                yield item, f"Done for {event.subject} at {to_text(event.at)} by {event.actor}."
        backup = self._find_event(EventQuery(action="store:backup:created"))
        if backup is not None and self._clock() - backup.at <= timedelta(days=BACKUP_DAYS):
            yield "data_backup", f"The record was backed up at {to_text(backup.at)} by {backup.actor}."

    def _find_event(self, query: EventQuery) -> Event | None:
        return next(iter(self._audit.list_events(query, newest_first=True, limit=1).events), None)


def _from_story(records: StoryRecords) -> Mapping[str, str]:
    run, files = records.run, records.files
    datasets = run.datasets if run else ()
    contexts = {data.context for data in datasets}
    digests = ", ".join(f"{data.name} {data.digest}" for data in datasets if data.digest)
    importance = next((path for path in (artifacts.IMPORTANCE_PLOT, artifacts.IMPORTANCE_TABLE) if path in files), "")
    told = {
        "data_lineage": digests and all(data.source for data in datasets) and f"Sources are logged of {digests}.",
        "data_versioning": digests and f"Digests are logged: {digests}.",
        "experiment_tracking": run and f"It was trained in the run {run.run_id}.",
        "model_versioning": f"It is {records.version.reference}.",
        "data_split": _FIRST_SPLIT in contexts
        and contexts & _SECOND_SPLIT
        and f"Data sets are logged for {', '.join(sorted(contexts))}.",
        "feature_importance": importance and f"{importance} is logged.",
        "interpretability": artifacts.SHAP_PLOT in files and f"{artifacts.SHAP_PLOT} is logged.",
        "input_validation": "inputs" in records.signature_sides and "Its signature declares its inputs.",
        "model_card": artifacts.MODEL_CARD in files and f"{artifacts.MODEL_CARD} is logged.",
    }
    return {item: text for item, text in told.items() if isinstance(text, str) and text}
