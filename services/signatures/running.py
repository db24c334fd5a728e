"""Running a version on the strength of its signature: its signature tests, and batch prediction.

Both happen in the sandbox, both need the permission to run gates, and both leave an event: the one with every test's
result and their digest, so that it can be held against later, the other with what went in, what was changed on the
way, and how many rows failed.
"""

from __future__ import annotations

import hashlib
import pickle
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import rfc8785

from services.audit import AuditLog
from services.errors import InvalidInput
from services.identity import Identity
from services.identity.actors import Actor, Permission
from services.jobs.confinement import Limits
from services.jobs.model_runner import ModelRunner
from services.jobs.probe import RunFailure
from services.registry.port import RegistryReader
from services.registry.values import ModelVersion
from services.signatures.check import Problem
from services.signatures.conform import Adjustment, Conformed, conform_chunks, text_columns
from services.signatures.data_files import ROWS_PER_CHUNK, read_chunks
from services.signatures.mlmodel import MAX_BYTES
from services.signatures.reader import read_signature
from services.signatures.signature_tests import judge_tests, list_signature_tests
from services.signatures.trial_results import TrialOutcome, TrialResult
from services.signatures.values import Signature, SignatureReading
from services.store import Store

BATCH_SECONDS = 6 * 3600
MAX_CHANGES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialReport:
    """What came of the signature tests of a version."""

    reference: str
    results: tuple[TrialResult, ...]

    @property
    def is_passed(self) -> bool:
        """Whether there were tests and each of them passed."""
        return bool(self.results) and all(result.outcome is TrialOutcome.PASSED for result in self.results)

    @property
    def digest(self) -> str:
        """The same for the same results."""
        return f"sha256:{hashlib.sha256(rfc8785.dumps([result.to_json() for result in self.results])).hexdigest()}"

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON."""
        counts = Counter(result.outcome.value for result in self.results)
        return {
            "reference": self.reference,
            "passed": self.is_passed,
            "counts": {outcome.value: counts[outcome.value] for outcome in TrialOutcome},
            "tests": [result.to_json() for result in self.results],
            "digest": self.digest,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """What came of a batch: nothing is predicted unless every row could be conformed."""

    reference: str
    rows: int = 0
    failed_rows: int = 0
    changes: tuple[Adjustment, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every row has its prediction."""
        return not self.problems and self.rows > 0 and self.failed_rows == 0

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "reference": self.reference,
            "ok": self.ok,
            "rows": self.rows,
            "failed_rows": self.failed_rows,
            "changes": [change.to_json() for change in self.changes],
            "problems": [problem.to_json() for problem in self.problems],
        }


class SignatureRuns:
    """Runs versions in the sandbox as their signatures say."""

    def __init__(self, store: Store, registry: RegistryReader, audit: AuditLog, identity: Identity) -> None:
        self._store = store
        self._registry = registry
        self._audit = audit
        self._identity = identity

    def test(self, version: ModelVersion, *, actor: Actor) -> TrialReport:
        """Run the signature tests of a version, and keep what came of them.

        Raises:
            Forbidden: the actor may not run gates.
            InvalidInput: the version has no signature to draw tests from, or the model did not run at all.
            Unavailable: this machine has no sandbox.
            Unreachable: the registry does not answer.
        """
        self._identity.demand(actor, Permission.RUN_GATES, subject=version.reference)
        _, signature = self._need_signature(version)
        tests = list_signature_tests(signature)
        with tempfile.TemporaryDirectory(prefix="gatehouse-tests-") as folder:
            model = self._registry.download(version, Path(folder))
            answer = ModelRunner().try_requests(model, [test.to_trial() for test in tests])
        if isinstance(answer, RunFailure):
            raise _did_not_run(version, answer)
        report = TrialReport(reference=version.reference, results=judge_tests(tests, answer.tried))
        self._record(version, actor, "signature:tests:recorded", report.to_json())
        return report

    def predict(
        self,
        version: ModelVersion,
        data: Path,
        out: Path,
        *,
        actor: Actor,
        allow: Collection[str] = (),
        defaults: Mapping[str, Any] | None = None,
        chunk_rows: int = ROWS_PER_CHUNK,
        progress: Callable[[int], object] = lambda _rows: None,
    ) -> BatchReport:
        """Conform a file part by part and predict it in the sandbox, into a Parquet file of one row a row.

        Args:
            data: CSV, Parquet or JSON records; only JSON is read at once.
            out: written whole, or not at all; its columns are those of `ModelRunner.predict`.
            allow: columns that may lose something on the way, as in `conform`.
            defaults: values for what is missing, beside those that the version declares.
            chunk_rows: how many rows are read, conformed and predicted at a time.

        Raises:
            Forbidden: the actor may not run models.
            InvalidInput: the version has no signature, the data cannot be read, or the model did not run at all.
            Unavailable: this machine has no sandbox.
            Unreachable: the registry does not answer.
        """
        self._identity.demand(actor, Permission.RUN_GATES, subject=version.reference)
        reading, signature = self._need_signature(version)
        declared = {**reading.column_defaults, **(defaults or {})}
        with tempfile.TemporaryDirectory(prefix="gatehouse-batch-", dir=out.absolute().parent) as folder:
            conformed = Path(folder, "conformed.pickle")
            chunks = read_chunks(data, text_columns=text_columns(signature), rows=chunk_rows)
            parts = conform_chunks(signature, chunks, allow=allow, defaults=declared)
            changes, problems = _write_parts(parts, conformed)
            if problems:
                return BatchReport(reference=version.reference, changes=changes, problems=problems)
            model = self._registry.download(version, Path(folder, "model"))
            runner = ModelRunner(Limits(wall_s=BATCH_SECONDS, cpu_s=BATCH_SECONDS))
            answer = runner.predict(model, conformed, out, chunk_rows=chunk_rows, progress=progress)
        if isinstance(answer, RunFailure):
            raise _did_not_run(version, answer)
        report = BatchReport(
            reference=version.reference, rows=answer.rows, failed_rows=answer.failed_rows, changes=changes
        )
        self._record(version, actor, "signature:batch:predicted", {**report.to_json(), "data": data.name})
        return report

    def _need_signature(self, version: ModelVersion) -> tuple[SignatureReading, Signature]:
        reading = read_signature(self._registry.read_file(version, "MLmodel", max_bytes=MAX_BYTES))
        if reading.signature is None or reading.signature.inputs is None:
            raise InvalidInput(
                f"{version.reference} declares no inputs: {reading.reason}",
                next_step="Log the model with a signature of its inputs and outputs.",
            )
        return reading, reading.signature

    def _record(self, version: ModelVersion, actor: Actor, action: str, after: Mapping[str, Any]) -> None:
        with self._store.write() as unit:
            self._audit.record(
                unit, actor=actor, action=action, subject=version.reference, model=version.name, after=after
            )
            unit.commit()


def _write_parts(parts: Iterable[Conformed], path: Path) -> tuple[tuple[Adjustment, ...], tuple[Problem, ...]]:
    """Write conformed parts one after the other; return what was done to them, and what the first refused one lacks."""
    changes: dict[Adjustment, None] = {}
    rows = 0
    with path.open("wb") as stream:
        for part in parts:
            if len(changes) < MAX_CHANGES:
                changes.update(dict.fromkeys(part.adjustments))
            if part.frame is None:
                where = f", in the part that begins at row {rows}" if rows else ""
                problems = tuple(replace(problem, found=f"{problem.found}{where}") for problem in part.problems)
                return tuple(changes), problems
            rows += len(part.frame)
            pickle.dump(part.frame, stream)
    return tuple(changes), ()


def _did_not_run(version: ModelVersion, failure: RunFailure) -> InvalidInput:
    return InvalidInput(
        f"{version.reference} could not be run. {failure.reason}",
        next_step="Look at the version's requirements and at its own log.",
    )
