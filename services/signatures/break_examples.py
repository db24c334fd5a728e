"""What callers of one version may send that the other refuses or destroys, wherever a verdict is breaking."""

from __future__ import annotations

from typing import Any

from services.signatures.values import SignatureReading
from services.signatures.verdicts import Comparison, Direction, Verdict


def find_break_examples(comparison: Comparison, old: SignatureReading, new: SignatureReading) -> dict[str, Any]:
    """Return `counter_example` and `json_counter_example`, None where the verdict for those callers is not breaking."""
    ways = {Direction.BACKWARD: [(old, new)], Direction.FORWARD: [(new, old)], Direction.FULL: [(old, new), (new, old)]}
    examples: dict[str, Any] = {"counter_example": None, "json_counter_example": None}
    for sender, taker in ways[comparison.direction]:
        if sender.signature is None or taker.signature is None:
            continue
        # Examples need pandas, which a comparison without a break does not have to pay for.
        if comparison.verdict is Verdict.BREAKING and examples["counter_example"] is None:
            from services.signatures.counter_examples import find_counter_example

            found = find_counter_example(sender.signature, taker.signature)
            examples["counter_example"] = found.to_json() if found else None
        if comparison.json_verdict is Verdict.BREAKING and examples["json_counter_example"] is None:
            from services.signatures.json_counter_examples import find_json_counter_example

            examples["json_counter_example"] = find_json_counter_example(sender.signature, taker.signature)
    return examples
