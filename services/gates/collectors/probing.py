"""Evidence from the sandbox: the candidate is loaded and measured, as the gates ask."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from services.gates.collectors.records import read_version_signature
from services.gates.evidence import Broken, Held, Probing, Subject
from services.gates.kinds import BaseGate, DirectionGate, ExampleGate, SignatureTestsGate
from services.jobs.model_runner import ModelRunner
from services.jobs.probe import Bounds, Direction, Expected, Probe, ProbeSpec, RunFailure
from services.registry.port import RegistryReader

if TYPE_CHECKING:
    # Brings in pandas, which commands that measure nothing have no use for.
    from services.signatures.signature_tests import SignatureTest

MIB = 1024 * 1024


class ProbeCollector:
    """Copies the model into a temporary folder and has it run.

    Args:
        data: a file to measure on; the model's own input example unless given.
    """

    kind = Probing

    def __init__(self, registry: RegistryReader, runner: ModelRunner, *, data: Path | None = None) -> None:
        self._registry = registry
        self._runner = runner
        self._data = data

    def collect(self, subject: Subject) -> Probing | Broken:
        from services.signatures.signature_tests import judge_tests

        spec = ProbeSpec(expectations=expectations_of(subject.gates))
        tests = self._draw_tests(subject)
        with tempfile.TemporaryDirectory(prefix="gatehouse-probe-") as folder:
            model = self._registry.download(subject.candidate, Path(folder))
            answer = self._runner.probe(model, self._data, spec, trials=[test.to_trial() for test in tests])
        if isinstance(answer, RunFailure):
            return Broken(reason=answer.reason)
        return replace(to_evidence(answer), signature_tests=judge_tests(tests, answer.tried))

    def _draw_tests(self, subject: Subject) -> Sequence[SignatureTest]:
        from services.signatures.signature_tests import list_signature_tests

        if not any(isinstance(gate, SignatureTestsGate) for gate in subject.gates):
            return ()
        signature = read_version_signature(self._registry, subject.candidate).signature
        return () if signature is None else list_signature_tests(signature)


def expectations_of(gates: Sequence[BaseGate]) -> list[Direction | Bounds]:
    """Return what the gates expect of predictions."""
    expected: list[Direction | Bounds] = []
    for gate in gates:
        if isinstance(gate, DirectionGate):
            expected.append(Direction(name=gate.gate, column=gate.column, step=gate.step, direction=gate.direction))
        elif isinstance(gate, ExampleGate):
            expected.append(Bounds(name=gate.gate, row=gate.row, at_least=gate.at_least, at_most=gate.at_most))
    return expected


def to_evidence(probe: Probe) -> Probing:
    """Return what was measured, in the units of the gates."""
    return Probing(
        measures={
            "cold_start_s": probe.cold_start_s,
            "load_s": probe.load_s,
            "p50_ms": probe.p50_ms,
            "p95_ms": probe.p95_ms,
            "p99_ms": probe.p99_ms,
            "memory_mb": probe.memory_bytes / MIB,
            "error_rate": probe.error_ratio,
        },
        calls=probe.calls,
        errors=probe.errors,
        column_order=Held(ratio=float(probe.column_order.is_invariant), detail=probe.column_order.detail),
        expectations={each.name: _held(each) for each in probe.expectations},
    )


def _held(expected: Expected) -> Held:
    return Held(ratio=expected.held_ratio, detail=expected.detail)
