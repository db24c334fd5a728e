"""The decision policy in force, applied to what a version scored.

A score and the columns that the policy reads make a decision; where either is missing there is none, and the request
is refused: nothing passes on absence. The daily limit of blocks lives in the governance store. When that does not
answer in time the block stands, which is the stricter action, and a note says that the limit was not applied.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from services.errors import GatehouseError, InvalidInput, Unavailable
from services.policies.deciding import Decider
from services.policies.decisions import Decision
from services.policies.guardrails import BlockMemory
from services.policies.policy import Policy

MEMORY_S = 2.0
SINGLE_ROWS = 8
_SCORE = "score of the model"
_UNLIMITED = "The daily limit of blocks was not applied: the governance store did not answer in time."


class Decisions:
    """One revision of the policy of a model, ready to decide."""

    def __init__(self, policy: Policy, memory: BlockMemory) -> None:
        self.policy = policy
        self._decider = Decider(policy)
        self._memory = memory

    def decide(
        self,
        frame: pd.DataFrame | None,
        values: Sequence[float | str | None] | None,
        *,
        memory: BlockMemory | None = None,
    ) -> list[Decision]:
        """Decide on every row of a request; without a memory the daily limit is not looked at.

        Raises:
            InvalidInput: the request lacks a column that the policy needs, or has no rows.
            Unavailable: the model gave no score from 0 to 1 for a row.
        """
        if frame is None:
            raise InvalidInput(
                f"The policy {self.policy.revision} decides on rows, and the request has none that can be read.",
                next_step="Send rows with named columns, such as dataframe_split.",
            )
        scores = _check_scores(values, len(frame))
        if len(frame) > SINGLE_ROWS:
            scored = frame.assign(**{_SCORE: scores})
            return list(self._decider.decide_frame(scored, score_column=_SCORE, memory=memory))
        rows = frame.to_dict("records")
        return [
            self._decider.decide(score, {str(name): cell for name, cell in row.items()}, memory=memory)
            for score, row in zip(scores, rows, strict=True)
        ]

    async def apply_limit(
        self, frame: pd.DataFrame | None, values: Sequence[float | str | None] | None, decided: list[Decision]
    ) -> list[Decision]:
        """Return decisions with the daily limit of blocks applied, in a thread: the store may take its time."""
        guardrail = self.policy.guardrail
        if guardrail is None or not any(each.action == guardrail.block_action for each in decided):
            return decided
        limiting = asyncio.create_task(asyncio.to_thread(self.decide, frame, values, memory=self._memory))
        try:
            async with asyncio.timeout(MEMORY_S):
                return await asyncio.shield(limiting)
        except (TimeoutError, GatehouseError):
            # A claim that is granted later counts a block that does stand.
            limiting.add_done_callback(lambda done: done.exception())
            return [
                replace(each, notes=(*each.notes, _UNLIMITED)) if each.action == guardrail.block_action else each
                for each in decided
            ]


def decision_json(decision: Decision) -> Mapping[str, Any]:
    """Return a decision in the form of the public interface, with its notes where it has any."""
    said: dict[str, Any] = {
        "action": decision.action,
        "probability": decision.probability,
        "reasons": list(decision.reasons),
        "policy_revision": decision.policy_revision,
    }
    return {**said, "notes": list(decision.notes)} if decision.notes else said


def _check_scores(values: Sequence[float | str | None] | None, rows: int) -> list[float]:
    scores = [value for value in values or () if isinstance(value, float) and 0 <= value <= 1]
    if len(scores) != rows:
        raise Unavailable(
            f"The model gave {len(scores)} scores from 0 to 1 for {rows} rows, so nothing can be decided.",
            next_step="Serve a model that answers with probabilities, or take its decision policy out of force.",
        )
    return scores
