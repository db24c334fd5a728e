"""Evidence from the registry's records and from the model's folder."""

from __future__ import annotations

from services.errors import NotFound
from services.gates.evidence import Absent, Files, Metrics, Signatures, Subject
from services.registry.port import RegistryReader
from services.registry.values import ModelVersion
from services.signatures.mlmodel import MAX_BYTES
from services.signatures.reader import read_signature
from services.signatures.values import SignatureReading, SignatureState


class MetricsCollector:
    """Reads the metrics of candidate and champion."""

    kind = Metrics

    def __init__(self, registry: RegistryReader) -> None:
        self._registry = registry

    def collect(self, subject: Subject) -> Metrics:
        champion = subject.champion
        return Metrics(
            candidate=self._registry.get_metrics(subject.candidate),
            champion=None if champion is None else self._registry.get_metrics(champion),
        )


class SignaturesCollector:
    """Reads the signatures of candidate and champion from their MLmodel files."""

    kind = Signatures

    def __init__(self, registry: RegistryReader) -> None:
        self._registry = registry

    def collect(self, subject: Subject) -> Signatures:
        champion = subject.champion
        return Signatures(
            candidate=read_version_signature(self._registry, subject.candidate),
            champion=None if champion is None else read_version_signature(self._registry, champion),
        )


def read_version_signature(registry: RegistryReader, version: ModelVersion) -> SignatureReading:
    """Return the signature of a version; where its MLmodel file is gone, it is unreadable rather than absent."""
    try:
        return read_signature(registry.read_file(version, "MLmodel", max_bytes=MAX_BYTES))
    except NotFound as error:
        return SignatureReading(state=SignatureState.UNREADABLE, reason=error.message)


class FilesCollector:
    """Lists the files of the model's folder and of its run."""

    kind = Files

    def __init__(self, registry: RegistryReader) -> None:
        self._registry = registry

    def collect(self, subject: Subject) -> Files | Absent:
        run_id = subject.candidate.run_id
        run = [] if run_id is None else self._registry.list_run_files(run_id)
        model = self._registry.list_files(subject.candidate)
        return Files(
            model=frozenset(file.path for file in model if not file.is_folder),
            run=frozenset(file.path for file in run if not file.is_folder),
        )
