"""What of the readiness checklist the system can answer itself, from the registry and from the audit log.

Evidence answers yes or nothing: what is not seen here may still be so elsewhere, and then a person says where.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.audit import AuditLog, EventQuery
from services.clock import to_text
from services.lineage import artifacts
from services.lineage.completeness import StoryRecords
from services.lineage.telling import Stories
from services.registry.values import ModelVersion

_EVENTS: Mapping[str, str] = {
    "rollback_tested": "rollback:execution:completed",
    "release_strategy": "ramp:run:completed",
}
_FIRST_SPLIT, _SECOND_SPLIT = "training", frozenset({"testing", "test", "validation", "evaluation"})


class Readiness:
    """Answers items by what is there."""

    def __init__(self, stories: Stories, audit: AuditLog) -> None:
        self._stories = stories
        self._audit = audit

    def list_evidence(self, version: ModelVersion) -> Mapping[str, str]:
        """Return what was seen, in a sentence, by each item that it answers with yes.

        Raises:
            NotFound: the model is gone.
            Unreachable: the registry does not answer.
        """
        return {**_from_story(self._stories.read_records(version)), **self._from_log(version.name)}

    def _from_log(self, model: str) -> Mapping[str, str]:
        found = {}
        for item, action in _EVENTS.items():
            events = self._audit.list_events(EventQuery(model=model, action=action), newest_first=True, limit=1).events
            for event in events:
                found[item] = f"Done for {event.subject} at {to_text(event.at)} by {event.actor}."
        return found


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
