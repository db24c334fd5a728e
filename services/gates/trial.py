"""A/B tests that may be looked at as often as one likes.

The p-value is 1/E for the mixture martingale of a mean difference with a normal prior on the effect (Robbins 1970;
Howard et al., arXiv 1810.08240; asymptotic in Waudby-Smith et al., arXiv 2103.06476). With t observations of variance
s^2 and mean difference d, log E = (t r d^2 / s^2) t / (2 (t r + 1)) - log(t r + 1) / 2; r makes the test sharpest at a
planned t. At any number of looks the chance of a false alarm at level a stays below a (Ville 1939).
"""

from __future__ import annotations

import math

from services.gates.evidence import AbTest, EvidenceAbsent

ALPHA = 0.05
"""The level at which the planned number of samples is sharpest; the p-value may be held against any."""


def relative_lift(test: AbTest) -> float:
    """Return by which share the treatment's mean exceeds the control's.

    Raises:
        EvidenceAbsent: an arm has fewer than two samples, or the control's mean is zero, so there is no share of it.
    """
    _check_samples(test)
    if test.control.mean == 0:
        raise EvidenceAbsent(f"The control's mean of {test.metric} is 0, so there is no relative lift.")
    return (test.treatment.mean - test.control.mean) / abs(test.control.mean)


def always_valid_p(test: AbTest, *, planned_samples: int) -> float:
    """Return the always-valid p-value of there being no difference.

    Raises:
        EvidenceAbsent: an arm has fewer than two samples, or nothing varies.
    """
    _check_samples(test)
    arms = (test.control, test.treatment)
    variance_of_difference = sum(arm.variance / arm.samples for arm in arms)
    if variance_of_difference <= 0:
        raise EvidenceAbsent(f"Nothing varies in the A/B test on {test.metric}, so there is nothing to test.")
    samples, planned = _effective(*(arm.samples for arm in arms)), _effective(planned_samples / 2, planned_samples / 2)
    prior = (-2 * math.log(ALPHA) + math.log(1 - 2 * math.log(ALPHA))) / planned
    squared_z = (test.treatment.mean - test.control.mean) ** 2 / variance_of_difference
    spread = samples * prior + 1
    log_e = squared_z * (spread - 1) / (2 * spread) - math.log(spread) / 2
    return min(1.0, math.exp(-log_e))


def _check_samples(test: AbTest) -> None:
    if min(test.control.samples, test.treatment.samples) < 2:  # noqa: PLR2004 - a variance takes two
        raise EvidenceAbsent("An arm of the A/B test has fewer than two samples.")


def _effective(one: float, other: float) -> float:
    return one * other / (one + other)
