"""A real model, run in the real sandbox."""

from pathlib import Path

from pydantic import TypeAdapter

from services.gates.checks import judge_gates
from services.gates.collectors.probing import ProbeCollector
from services.gates.gathering import gather
from services.gates.kinds import BaseGate, Gate
from services.gates.outcomes import GateResult, Outcome
from services.jobs.confinement import MIB, Limits
from services.jobs.model_runner import ModelRunner
from services.registry.fake import FakeRegistry
from tests.gates.builders import subject
from tests.jobs.models import POSITIONAL, SUM, write_model

LIMITS = Limits(wall_s=60, cpu_s=30, memory_bytes=1024 * MIB, processes=48)
GATES: list[BaseGate] = [
    TypeAdapter(Gate).validate_python(text)
    for text in (
        {"gate": "p95", "kind": "probe", "measure": "p95_ms", "at_most": 10_000},
        {"gate": "memory", "kind": "probe", "measure": "memory_mb", "at_most": 1},
        {"gate": "errors", "kind": "probe", "measure": "error_rate", "at_most": 0},
        {"gate": "order", "kind": "column_order"},
        {"gate": "more_a", "kind": "direction", "column": "a", "step": 0.1, "direction": "increases"},
        {"gate": "high", "kind": "example", "row": {"a": 0.9, "b": 0.9}, "at_least": 0.8},
        {"gate": "low", "kind": "example", "row": {"a": 0.9, "b": 0.9}, "at_most": 0.3},
        {"gate": "signature", "kind": "signature_tests"},
    )
]


def probe(folder: Path, source: str, *, signature: bool = True) -> dict[str, GateResult]:
    registry = FakeRegistry()
    model = write_model(folder / "model", source, signature=signature)
    files = {str(path.relative_to(model)): path.read_bytes() for path in model.rglob("*") if path.is_file()}
    version = registry.add_version("fraud_detector", files=files)
    evidence = gather(subject(registry, version, gates=GATES), [ProbeCollector(registry, ModelRunner(LIMITS))])
    return {result.gate: result for result in judge_gates(GATES, evidence)}


def outcomes(results: dict[str, GateResult]) -> dict[str, Outcome]:
    return {name: result.outcome for name, result in results.items()}


def test_a_model_is_judged_by_what_the_sandbox_measured(tmp_path: Path) -> None:
    results = probe(tmp_path, SUM)
    assert outcomes(results) == {
        "p95": Outcome.PASSED,
        "memory": Outcome.FAILED,
        "errors": Outcome.PASSED,
        "order": Outcome.PASSED,
        "more_a": Outcome.PASSED,
        "high": Outcome.PASSED,
        "low": Outcome.FAILED,
        "signature": Outcome.PASSED,
    }
    assert results["memory"].unit == "MB"
    assert [test["name"] for test in results["signature"].details["tests"]] == [
        "a valid example",
        "without a",
        "without b",
        "a of another type",
        "b of another type",
    ]


def test_a_model_that_goes_by_the_place_of_columns_fails_for_it(tmp_path: Path) -> None:
    results = outcomes(probe(tmp_path, POSITIONAL, signature=False))
    assert results["order"] is Outcome.FAILED
    assert results["signature"] is Outcome.INCONCLUSIVE


def test_a_model_that_does_not_load_is_an_error_of_every_gate_on_it(tmp_path: Path) -> None:
    results = probe(tmp_path, "raise RuntimeError('no model here')\n")
    assert set(outcomes(results).values()) == {Outcome.ERROR}
    assert all(result.message for result in results.values())
