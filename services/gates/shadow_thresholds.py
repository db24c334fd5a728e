"""The thresholds of a shadow comparison that gates stand for, so that a page judges as the gates will."""

from __future__ import annotations

from collections.abc import Sequence

from services.gates.kinds import BaseGate
from services.shadow.policy import ShadowPolicy
from services.shadow.policy_file import thresholds_of_gates


def read_shadow_policy(gates: Sequence[BaseGate]) -> ShadowPolicy:
    """Return the thresholds of some gates; what none of them names stays as it is by default."""
    return ShadowPolicy.naming(**thresholds_of_gates([gate.model_dump() for gate in gates]))
