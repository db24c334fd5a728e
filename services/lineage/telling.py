"""Telling a story: a bounded number of live reads, of which any may fail without ending the story.

What cannot be read, such as a deleted run or artifacts that are gone, is a sentence among the problems.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from services.errors import GatehouseError, NotFound, Unreachable
from services.lineage import artifacts
from services.lineage.attachments import Attachment, AttachmentKind, limit_of, read_attachment
from services.lineage.completeness import StoryRecords, measure_completeness
from services.lineage.signature_lines import SignatureLines, read_signature_lines
from services.lineage.story import Happening, Request, Story, list_metric_lines
from services.lineage.vocabulary import VOCABULARY, Vocabulary
from services.registry.port import RegistryReader
from services.registry.values import ArtifactFile, ModelVersion

_MAX_ATTACHMENTS: Final = 40
_MAX_MLMODEL_BYTES: Final = 4 * 1024 * 1024
_AT_ONCE: Final = 4
_FIRST: Final = frozenset({artifacts.MODEL_CARD, artifacts.DECISION_CONTEXT, artifacts.LINEAGE})
_Value = TypeVar("_Value")


class Stories:
    """Tells stories from one registry."""

    def __init__(
        self, registry: RegistryReader, *, read_vocabulary: Callable[[], Vocabulary] = lambda: VOCABULARY
    ) -> None:
        self._registry = registry
        self._read_vocabulary = read_vocabulary

    def tell(
        self,
        version: ModelVersion,
        *,
        champion: ModelVersion | None = None,
        requests: Sequence[Request] = (),
        happenings: Sequence[Happening] = (),
    ) -> Story:
        """Read the story of a version, measured against the champion where there is one.

        Raises:
            NotFound: the model itself is gone.
            Unreachable: the registry does not answer.
        """
        reading = _Reading(self._registry)
        attachments = reading.run_files(version.run_id)
        signature = reading.signature(version)
        metrics = reading.metrics(version)
        records = self._records(version, reading, attachments, signature, metrics)
        card = attachments.get(artifacts.MODEL_CARD)
        return Story(
            records=records,
            champion=champion,
            metrics=list_metric_lines(metrics, reading.metrics(champion) if champion else {}, records.vocabulary),
            signature=signature,
            card=card.text if card else "",
            attachments=tuple(attachments.values()),
            completeness=measure_completeness(records),
            requests=tuple(requests),
            happenings=tuple(happenings),
            problems=tuple(dict.fromkeys(reading.problems)),
        )

    def read_records(self, version: ModelVersion) -> StoryRecords:
        """Read what completeness is measured on, without the artifacts that only are shown.

        Raises:
            NotFound: the model itself is gone.
            Unreachable: the registry does not answer.
        """
        reading = _Reading(self._registry)
        attachments = reading.run_files(version.run_id, only=_FIRST)
        return self._records(version, reading, attachments, reading.signature(version), reading.metrics(version))

    def _records(
        self,
        version: ModelVersion,
        reading: _Reading,
        attachments: Mapping[str, Attachment],
        signature: SignatureLines,
        metrics: Mapping[str, float],
    ) -> StoryRecords:
        logged = self._registry.list_logged_models([version.model_id]) if version.model_id else ()
        run_id = version.run_id
        return StoryRecords(
            version=version,
            model=self._registry.get_model(version.name),
            run=reading.attempt(lambda: self._registry.get_run(run_id)) if run_id else None,
            logged=next(iter(logged), None),
            metrics=metrics,
            signature_sides=signature.sides,
            files=reading.model_files(version) | reading.found,
            decision=_read_object(attachments.get(artifacts.DECISION_CONTEXT)),
            lineage=_read_object(attachments.get(artifacts.LINEAGE)),
            vocabulary=self._read_vocabulary(),
        )


class _Reading:
    """The reads of one story: each failure becomes a sentence, but a registry that does not answer ends it."""

    def __init__(self, registry: RegistryReader) -> None:
        self._registry = registry
        self.problems: list[str] = []
        self.found: frozenset[str] = frozenset()

    def attempt(self, read: Callable[[], _Value]) -> _Value | None:
        try:
            return read()
        except Unreachable:
            raise
        except GatehouseError as error:
            self.problems.append(error.message)
            return None

    def metrics(self, version: ModelVersion) -> Mapping[str, float]:
        return self.attempt(lambda: self._registry.get_metrics(version)) or {}

    def signature(self, version: ModelVersion) -> SignatureLines:
        content = self.attempt(lambda: self._registry.read_file(version, "MLmodel", max_bytes=_MAX_MLMODEL_BYTES))
        lines = None if content is None else self.attempt(lambda: read_signature_lines(content))
        return lines or SignatureLines()

    def model_files(self, version: ModelVersion) -> frozenset[str]:
        return _paths(self.attempt(lambda: self._registry.list_files(version)) or ())

    def run_files(self, run_id: str | None, *, only: frozenset[str] | None = None) -> Mapping[str, Attachment]:
        """Return the artifacts of the run by path, those that the story needs first; `found` names all there are."""
        if run_id is None:
            return {}
        files = self.attempt(lambda: self._registry.list_run_files(run_id)) or ()
        self.found = _paths(files)
        wanted = [file for file in files if not file.is_folder and (only is None or file.path in only)]
        wanted.sort(key=lambda file: (file.path not in _FIRST, file.path))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            read = list(pool.map(lambda file: self._run_file(run_id, file), wanted[:_MAX_ATTACHMENTS]))
        rest = [_unread(file, "There are too many files to show all.") for file in wanted[_MAX_ATTACHMENTS:]]
        return {attachment.path: attachment for attachment in (*read, *rest)}

    def _run_file(self, run_id: str, file: ArtifactFile) -> Attachment:
        limit = limit_of(file.path)
        if file.size_bytes is not None and file.size_bytes > limit:
            return _unread(file, f"{file.size_bytes:,} bytes are more than the {limit:,} that are shown.")
        try:
            return read_attachment(file.path, self._registry.read_run_file(run_id, file.path, max_bytes=limit))
        except NotFound as error:
            return Attachment(path=file.path, kind=AttachmentKind.GONE, note=error.message)
        except Unreachable:
            raise
        except GatehouseError as error:
            return _unread(file, error.message)


def _paths(files: Sequence[ArtifactFile]) -> frozenset[str]:
    return frozenset(file.path for file in files if not file.is_folder)


def _unread(file: ArtifactFile, note: str) -> Attachment:
    return Attachment(path=file.path, kind=AttachmentKind.TOO_LARGE, size_bytes=file.size_bytes, note=note)


def _read_object(attachment: Attachment | None) -> Mapping[str, Any]:
    try:
        found = json.loads(attachment.text) if attachment else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
