"""Gates: what a version has to prove before it moves, judged purely over evidence that collectors gather."""

from services.gates.evaluate import ApprovalRule, Gates
from services.gates.history import GateMatrix
from services.gates.outcomes import GateResult, Outcome, worst
from services.gates.policy import GATE_POLICY
from services.gates.reports import GateReport

__all__ = ["GATE_POLICY", "ApprovalRule", "GateMatrix", "GateReport", "GateResult", "Gates", "Outcome", "worst"]
