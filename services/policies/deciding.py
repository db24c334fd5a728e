"""Deciding: thresholds, then rules in order, then guardrails; one row or a frame, with the same answer.

Every rule whose condition holds gives its reason. The last one that changed the action won. Where a value that a rule
needs is missing, the rule says so with a reason of its own, and counts as true only where the action is still the
mildest: absence never lets through and never undoes a stricter action.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from services.clock import Clock, to_micros, utc_now
from services.errors import InvalidInput
from services.policies.decisions import GUARDRAIL, LIMIT_REASON, THRESHOLD, Decision, DecisionBatch
from services.policies.frames import FrameTest, check_scores
from services.policies.guardrails import BlockMemory
from services.policies.policy import BlockGuardrail, Policy, Rule
from services.policies.rows import Row, as_number, compile_row_test, is_missing

Answer = tuple[bool, bool] | None
"""What a rule's condition answered: (is true, may be true); None where the data lacks its column."""


class Decider:
    """A policy compiled for use; make one a revision and keep it."""

    def __init__(self, policy: Policy, *, clock: Clock = utc_now) -> None:
        self.policy = policy
        self._clock = clock
        self._code_of = {action: code for code, action in enumerate(policy.actions)}
        self._tests = [(rule, compile_row_test(rule.condition)) for rule in policy.rules]

    # One row

    def decide(
        self, score: float, row: Row, *, memory: BlockMemory | None = None, at: datetime | None = None
    ) -> Decision:
        """Decide on one case.

        Args:
            score: the model's, from 0 to 1.
            row: the model's inputs by column.
            memory: where blocks are remembered; without one, the daily limit is not applied and a note says so.
            at: the time of the case; now unless given.

        Raises:
            InvalidInput: the score is none, a column that a rule cannot do without is absent, or holds another type.
        """
        number = _check_score(score)
        at = self._clock() if at is None else at
        notes: list[str] = []
        answers: list[Answer] = []
        for rule, test in self._tests:
            try:
                answers.append(test(row))
            except KeyError as error:
                notes.append(_absent(rule, error.args[0]))
                answers.append(None)
        action, won_by, reasons = self.resolve(number, answers)
        guardrail = self.policy.guardrail
        if guardrail is not None and action == guardrail.block_action:
            limit_note = self._row_limit(guardrail, row, memory, at)
            if limit_note == LIMIT_REASON:
                action, won_by = guardrail.instead, GUARDRAIL
                reasons.append(LIMIT_REASON)
            elif limit_note:
                notes.append(limit_note)
        return Decision(
            action=action,
            probability=number,
            reasons=tuple(reasons),
            policy_revision=self.policy.revision,
            won_by=won_by,
            at=at,
            notes=tuple(notes),
            blocked_until=None if guardrail is None else guardrail.blocked_until(action, at),
        )

    def resolve(self, score: float, answers: Sequence[Answer]) -> tuple[str, str, list[str]]:
        """Return action, winner and reasons before guardrails, given what each rule's condition answered."""
        policy = self.policy
        threshold = next(each for each in policy.thresholds if score >= each.lowest_score)
        action, won_by, reasons = threshold.action, THRESHOLD, [threshold.reason]
        for rule, answer in zip(policy.rules, answers, strict=True):
            if answer is None or not answer[1]:
                continue
            is_true = answer[0]
            reasons.append(rule.reason if is_true else rule.unknown_reason)
            if not is_true and (rule.is_optional or action != policy.mildest_action):
                continue
            if rule.action not in {None, action} and (rule.only_from is None or action in rule.only_from):
                assert rule.action is not None
                action, won_by = rule.action, rule.name
        return action, won_by, reasons

    @staticmethod
    def _row_limit(guardrail: BlockGuardrail, row: Row, memory: BlockMemory | None, at: datetime) -> str:
        customer = row.get(guardrail.customer_column)
        if memory is None or is_missing(customer):
            return _unlimited(guardrail)
        return "" if memory.claim(guardrail, str(customer), to_micros(at)) else LIMIT_REASON

    # A frame

    def decide_frame(
        self,
        frame: pd.DataFrame,
        *,
        score_column: str = "score",
        memory: BlockMemory | None = None,
        at: datetime | None = None,
    ) -> DecisionBatch:
        """Decide on every row of a frame, in its order; arguments and errors as for `decide`."""
        if score_column not in frame.columns:
            raise InvalidInput(
                f"The data has no column {score_column!r}.", next_step="Add the model's scores, from 0 to 1."
            )
        scores = check_scores(frame[score_column])
        times_us = self._times_us(frame, self._clock() if at is None else at)
        present, notes = self._usable_rules(frame)
        batch = DecisionBatch(self.policy, scores, times_us, notes)
        test = FrameTest(frame)
        for place, rule in present:
            self._apply(batch, place, rule, *test.answer(rule.condition))
        if self.policy.guardrail is not None:
            batch.notes += self._limit(batch, self.policy.guardrail, frame, memory)
        return batch

    def _usable_rules(self, frame: pd.DataFrame) -> tuple[list[tuple[int, Rule]], list[str]]:
        usable, notes = [], []
        for place, rule in enumerate(self.policy.rules):
            absent = [column for column in rule.places if column not in frame.columns]
            if absent:
                notes.append(_absent(rule, absent[0]))
            else:
                usable.append((place, rule))
        return usable, notes

    def _apply(
        self, batch: DecisionBatch, place: int, rule: Rule, is_true: np.ndarray[Any, Any], may_be: np.ndarray[Any, Any]
    ) -> None:
        bit, codes = np.uint64(1 << place), batch.action_codes
        np.bitwise_or(batch.fired, bit, out=batch.fired, where=is_true)
        acts = is_true
        if may_be is not is_true:
            np.bitwise_or(batch.unknown, bit, out=batch.unknown, where=may_be & ~is_true)
            if not rule.is_optional:
                acts = is_true | (may_be & (codes == self._code_of[self.policy.mildest_action]))
        if rule.action is None:
            return
        if rule.only_from is not None:
            acts = acts & np.array([action in rule.only_from for action in self.policy.actions])[codes]
        code = self._code_of[rule.action]
        changes = acts & (codes != code)
        np.copyto(batch.winners, place, where=changes)
        np.copyto(codes, code, where=changes)

    def _limit(
        self, batch: DecisionBatch, guardrail: BlockGuardrail, frame: pd.DataFrame, memory: BlockMemory | None
    ) -> tuple[str, ...]:
        if memory is None or guardrail.customer_column not in frame.columns:
            return (_unlimited(guardrail),)
        customers = frame[guardrail.customer_column].to_numpy(dtype=object)
        instead = self._code_of[guardrail.instead]
        has_nameless = False
        for index in np.flatnonzero(batch.action_codes == self._code_of[guardrail.block_action]):
            if is_missing(customers[index]):
                has_nameless = True
            elif not memory.claim(guardrail, str(customers[index]), int(batch.times_us[index])):
                batch.action_codes[index], batch.is_limited[index] = instead, True
        return (_unlimited(guardrail),) if has_nameless else ()

    def _times_us(self, frame: pd.DataFrame, at: datetime) -> np.ndarray[Any, Any]:
        guardrail = self.policy.guardrail
        now_us = to_micros(at)
        if guardrail is None or guardrail.time_column not in frame.columns:
            return np.full(len(frame), now_us, dtype=np.int64)
        times = _as_times(guardrail.time_column, frame[guardrail.time_column])
        return np.where(times.isna(), now_us, times.astype("int64")).astype(np.int64)


def _as_times(name: str, column: pd.Series[Any]) -> pd.Series[Any]:
    # A number would be taken for nanoseconds since 1970, which nobody means.
    text = column.astype("str") if pd.api.types.is_numeric_dtype(column.dtype) else column
    try:
        return pd.to_datetime(text, utc=True, format="ISO8601").dt.as_unit("us")
    except (ValueError, TypeError) as error:
        raise InvalidInput(
            f"The column {name!r} does not hold times.",
            next_step="Write times such as 2026-01-31T12:00:00Z, or leave the column out.",
        ) from error


def _check_score(score: Any) -> float:
    if is_missing(score):
        raise InvalidInput("The score is missing.", next_step="Decide only on scores that the model gave.")
    number = as_number("score", score)
    if not 0 <= number <= 1:
        raise InvalidInput(
            f"The score {number:g} is not from 0 to 1.", next_step="Decide only on scores that the model gave."
        )
    return number


def _absent(rule: Rule, column: str) -> str:
    if rule.is_optional:
        return f"The rule {rule.name} was not applied: there is no column {column}."
    raise InvalidInput(
        f"The data has no column {column!r}, which the rule {rule.name} needs.",
        next_step="Add the column, or let the policy skip the rule where the column is absent.",
    )


def _unlimited(guardrail: BlockGuardrail) -> str:
    return f"The daily limit of blocks was not applied: there is no value in {guardrail.customer_column}."
