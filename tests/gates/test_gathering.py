from typing import Any

from services.errors import InvalidInput, NotFound, Unreachable
from services.gates.checks import applicable_gates, judge_gates, needed_evidence
from services.gates.evidence import Absent, Broken, Files, Metrics, Subject
from services.gates.gathering import gather
from services.gates.outcomes import Outcome
from services.registry.fake import FakeRegistry
from tests.gates.builders import add_version, gate, subject


class Says:
    """A collector that answers, or raises, as it is told."""

    def __init__(self, kind: type[Any], answer: Any) -> None:
        self.kind = kind
        self.answer = answer
        self.calls = 0

    def collect(self, _subject: Subject) -> Any:
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


GATES = [gate(kind="metric", metric="auc", at_least=0.5), gate(kind="artifacts", paths=["MLmodel"])]


def about(*gates: Any, tags: dict[str, str] | None = None) -> Subject:
    registry = FakeRegistry()
    return subject(registry, add_version(registry, tags=tags), gates=gates or GATES)


def test_a_collector_is_asked_once_and_only_where_a_gate_needs_it() -> None:
    metrics, files = Says(Metrics, Metrics(candidate={"auc": 1}, champion=None)), Says(Files, Absent(reason="none"))
    evidence = gather(about(GATES[0], GATES[0]), [metrics, files])
    assert (metrics.calls, files.calls) == (1, 0)
    assert evidence.need(Metrics).candidate == {"auc": 1}


def test_whatever_goes_wrong_in_a_collector_is_an_outcome_with_its_reason() -> None:
    raised = {
        NotFound("The run is gone.", next_step=""): Absent(reason="The run is gone."),
        Unreachable("Away.", next_step=""): Broken(reason="Away."),
        InvalidInput("Nonsense.", next_step=""): Broken(reason="Nonsense."),
        ZeroDivisionError("by\nzero"): Broken(reason="ZeroDivisionError: by"),
    }
    for error, expected in raised.items():
        assert gather(about(), [Says(Metrics, error)]).items[Metrics] == expected


def test_one_broken_collector_does_not_stop_the_others() -> None:
    found = Files(model=frozenset({"MLmodel"}), run=frozenset())
    evidence = gather(about(), [Says(Metrics, RuntimeError("x" * 1000)), Says(Files, found)])
    results = judge_gates(GATES, evidence)
    assert [result.outcome for result in results] == [Outcome.ERROR, Outcome.PASSED]
    assert len(results[0].message) == 500


def test_gates_name_the_evidence_they_are_judged_by() -> None:
    assert needed_evidence(GATES) == [Metrics, Files]
    assert needed_evidence([gate(kind="name")]) == []


def test_a_gate_holds_for_its_tasks_and_for_models_that_do_not_say() -> None:
    gates = [gate(kind="name", tasks=["regression"]), gate(kind="name")]
    assert len(applicable_gates(about(*gates, tags={"task": "regression"}))) == 2
    assert len(applicable_gates(about(*gates, tags={"task": "ranking"}))) == 1
    for task in ({}, {"task": ""}, {"task": "fortune telling"}):
        assert len(applicable_gates(about(*gates, tags=task))) == 2
