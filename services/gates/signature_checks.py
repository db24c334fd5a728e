"""Checks on signatures: against the champion's, what it has by itself, and what the loaded model made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from services.gates.evidence import Evidence, EvidenceAbsent, Probing, Signatures
from services.gates.findings import Finding, judge_flag
from services.gates.kinds import SignatureGate, SignatureRequirementsGate, SignatureTestsGate
from services.gates.outcomes import Outcome
from services.signatures.compare import compare
from services.signatures.requirements import Answer, judge_requirement
from services.signatures.trial_results import TrialOutcome
from services.signatures.values import SignatureReading, SignatureState
from services.signatures.verdicts import Comparison, Direction, Verdict, worst_verdict

MAX_LISTED = 20
_VERDICT_ORDER = (Verdict.IDENTICAL, Verdict.COMPATIBLE, Verdict.RISKY)


def check_signature(gate: SignatureGate, evidence: Evidence) -> Finding:
    """Judge the signature against the champion's."""
    signatures = evidence.need(Signatures)
    champion = evidence.subject.champion
    if signatures.candidate.state is SignatureState.UNREADABLE:
        raise EvidenceAbsent(signatures.candidate.reason)
    if champion is None:
        return _first_signature(signatures.candidate)
    comparison = compare(_need_reading(signatures.champion), signatures.candidate, Direction(gate.direction))
    verdict = worst_verdict(_verdicts(gate, comparison))
    allowed = _VERDICT_ORDER[: _VERDICT_ORDER.index(Verdict(gate.at_worst)) + 1]
    breaking = [change for change in comparison.changes if change.effect.rank or change.json_effect.rank]
    told = " ".join(f"{change.path}: {_reason(change)}" for change in breaking[:MAX_LISTED]) or comparison.reason
    outcome = Outcome.PASSED if verdict in allowed else Outcome.FAILED
    if verdict is Verdict.UNKNOWN:
        outcome = Outcome.INCONCLUSIVE
    return Finding(
        outcome=outcome,
        observed=verdict.value,
        threshold=gate.at_worst,
        message=f"Compared with version {champion.version} ({gate.direction}) it is {verdict.value}. {told}".strip(),
        remedy="" if outcome is Outcome.PASSED else _signature_remedy(verdict),
        details={"champion": champion.version, "changes": [change.to_json() for change in comparison.changes[:200]]},
    )


def check_requirements(gate: SignatureRequirementsGate, evidence: Evidence) -> Finding:
    """Judge what the signature has by itself."""
    reading = evidence.need(Signatures).candidate
    answers = [judge_requirement(name, reading, evidence.subject.find_tag) for name in gate.required]
    open_ones = [each for each in answers if each.answer is not Answer.MET]
    outcome = Outcome.PASSED
    if open_ones:
        is_unmet = any(each.answer is Answer.UNMET for each in open_ones)
        outcome = Outcome.FAILED if is_unmet else Outcome.INCONCLUSIVE
    return Finding(
        outcome=outcome,
        observed=", ".join(dict.fromkeys(each.observed for each in open_ones or answers)),
        threshold=", ".join(dict.fromkeys(each.demanded for each in open_ones or answers)),
        message=" ".join(dict.fromkeys(each.message for each in open_ones or answers)),
        remedy=" ".join(dict.fromkeys(each.next_step for each in open_ones)),
        details={"requirements": {each.name.value: each.answer.value for each in answers}},
    )


def check_tests(_gate: SignatureTestsGate, evidence: Evidence) -> Finding:
    """Judge what the loaded model took and refused."""
    results = evidence.need(Probing).signature_tests
    if not results:
        raise EvidenceAbsent("The signature declares no inputs, so no test can be drawn from it.")
    counts = Counter(result.outcome for result in results)
    outcome = Outcome.PASSED
    if counts[TrialOutcome.FAILED]:
        outcome = Outcome.FAILED
    elif counts[TrialOutcome.UNKNOWN]:
        outcome = Outcome.INCONCLUSIVE
    told = [f"{each.name}: {each.detail}" for each in results if each.outcome is not TrialOutcome.PASSED]
    return Finding(
        outcome=outcome,
        observed=counts[TrialOutcome.PASSED],
        threshold=len(results),
        unit="tests",
        message=" ".join(
            [f"{counts[TrialOutcome.PASSED]} of {len(results)} requests were treated as declared.", *told[:MAX_LISTED]]
        ),
        remedy="Log the model with the signature of what it really takes, and an input example." if told else "",
        details={"tests": [result.to_json() for result in results]},
    )


def _first_signature(candidate: SignatureReading) -> Finding:
    is_whole = candidate.state is SignatureState.PRESENT
    return judge_flag(
        is_held=is_whole,
        observed=candidate.state.value,
        threshold=SignatureState.PRESENT.value,
        message=candidate.reason
        or "It declares what it takes and returns; no version is in production to compare with.",
        remedy="Log the model with a signature of inputs and outputs.",
    )


def _need_reading(reading: SignatureReading | None) -> SignatureReading:
    if reading is None:
        raise EvidenceAbsent("The signature of the champion was not read.")
    return reading


def _verdicts(gate: SignatureGate, comparison: Comparison) -> Sequence[Verdict]:
    by_caller = {"frame": comparison.verdict, "json": comparison.json_verdict}
    return [by_caller[caller] for caller in gate.callers]


def _reason(change: object) -> str:
    judged = change.judged  # type: ignore[attr-defined]
    return str(max((judged.frame, judged.json), key=lambda judgement: judgement.effect.rank).reason)


def _signature_remedy(verdict: Verdict) -> str:
    if verdict is Verdict.UNKNOWN:
        return "Log both versions with a signature of inputs and outputs."
    return "Keep the columns that callers send as they are, make new ones optional, or plan a migration."
