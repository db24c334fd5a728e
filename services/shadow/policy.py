"""What a candidate has to show in shadow. The defaults are the user's own where he named one (practices 3 and 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowPolicy:
    """Thresholds of a shadow comparison; those that are None are not looked at.

    A threshold that stands by default is held to where it can be measured. One that is named has to be measured.

    Args:
        min_days: UTC days with valid pairs.
        min_pairs: pairs before anything is decided, so that no verdict rests on a handful.
        min_agreement: ratio of valid pairs on which both decide alike.
        min_slice_agreement: the same, for every slice value with `min_pairs` valid pairs.
        max_error_rate: ratio of pairs on which the candidate gave no usable answer.
        max_latency_p99_ms: of the candidate.
        max_latency_ratio: p95 of the candidate over that of the champion.
        max_psi: population stability index of the candidate's scores against the champion's.
        max_accuracy_loss: the champion's accuracy less the candidate's, once `min_pairs` pairs have labels.
        max_mae_increase: of a regression, the candidate's mean absolute error over the champion's, less 1.
        max_mean_abs_difference: of a regression, the mean size of the scores' difference.
        max_unread_files: files of the log that may go unread, whatever stood in them.
        named: the thresholds that somebody asked for, as opposed to those that stand by default.
    """

    min_days: int = 3
    min_pairs: int = 500
    min_agreement: float | None = 0.9
    min_slice_agreement: float | None = None
    max_error_rate: float | None = 0.01
    max_latency_p99_ms: float | None = 100.0
    max_latency_ratio: float | None = None
    max_psi: float | None = None
    max_accuracy_loss: float | None = 0.02
    max_mae_increase: float | None = 0.02
    max_mean_abs_difference: float | None = None
    max_unread_files: int = 0
    named: frozenset[str] = frozenset()

    @classmethod
    def naming(cls, **thresholds: Any) -> Self:
        """Return the policy that names some thresholds; the others stand as they do by default."""
        return cls(**thresholds, named=frozenset(thresholds))
