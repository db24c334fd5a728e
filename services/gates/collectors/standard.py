"""The collectors of an installation, in one list: what gathers every kind of evidence that needs nobody's opinion."""

from __future__ import annotations

from pathlib import Path

from services.gates.checklists import ChecklistCollector, Checklists
from services.gates.collectors.measured_files import (
    MetricsFileCollector,
    PredictionsCollector,
    SlicesCollector,
    result_file_collectors,
)
from services.gates.collectors.probing import ProbeCollector
from services.gates.collectors.prometheus import PrometheusCollector
from services.gates.collectors.records import FilesCollector, MetricsCollector, SignaturesCollector
from services.gates.collectors.shadow import ShadowCollector
from services.gates.collectors.sources import FileSource, FolderFiles, RunFiles
from services.gates.collectors.story import StoryCollector
from services.gates.evidence import Collector
from services.gates.readiness import Readiness
from services.jobs.model_runner import ModelRunner
from services.lineage.telling import Stories
from services.registry.port import RegistryReader


def standard_collectors(
    registry: RegistryReader,
    checklists: Checklists,
    stories: Stories,
    readiness: Readiness,
    *,
    prometheus_url: str,
    shadow: ShadowCollector,
    evidence: Path | None = None,
    data: Path | None = None,
) -> list[Collector]:
    """Return the collectors.

    Args:
        evidence: a folder of result files that goes before the artifacts of the version's run, as CI fills it.
        data: a file that the sandbox measures on; the model's own input example unless given.
    """
    run, logged = RunFiles(registry), MetricsCollector(registry)
    files: FileSource = run if evidence is None else FolderFiles(evidence, run)
    return [
        logged if evidence is None else MetricsFileCollector(FolderFiles(evidence), logged),
        SignaturesCollector(registry),
        FilesCollector(registry),
        StoryCollector(stories),
        SlicesCollector(files),
        PredictionsCollector(files),
        *result_file_collectors(files),
        ProbeCollector(registry, ModelRunner(), data=data),
        PrometheusCollector(prometheus_url),
        shadow,
        ChecklistCollector(checklists, readiness),
    ]
