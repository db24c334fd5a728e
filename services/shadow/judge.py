"""The judge: promote, continue, stop or not yet, with a reason for each check.

Every check holds an interval against its threshold: passed or failed when the whole interval lies on one side, else
inconclusive. Rates and means have intervals that are good at every look, since a log is judged again and again as it
grows. No data passes nothing: a check that cannot be made is inconclusive, and without enough pairs none is judged.
What stood in a file that could not be read may be what the candidate failed on, so nothing is promoted past it unless
the policy lets it (docs/decisions/shadow-what-was-not-read.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.shadow.figures import Figures, Slice, Task
from services.shadow.policy import ShadowPolicy
from services.shadow.statistics import ALPHA, Interval, always_valid_rate

_ERROR_RATE = "error_rate"
_WHOLE = 1.0


class Verdict(StrEnum):
    """What should happen to the candidate."""

    PROMOTE = "promote"
    CONTINUE = "continue"
    STOP = "stop"
    NOT_YET = "not_yet"


class Outcome(StrEnum):
    """What became of one check."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


_VERBS = {
    Outcome.PASSED: "is",
    Outcome.FAILED: "is not",
    Outcome.INCONCLUSIVE: "is not yet known to be",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One threshold and what was observed against it."""

    name: str
    outcome: Outcome
    observed: Interval
    threshold: float
    unit: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict, its reasons as sentences, and all checks."""

    verdict: Verdict
    reasons: tuple[str, ...]
    checks: tuple[Check, ...] = ()


def judge(figures: Figures, policy: ShadowPolicy) -> Judgement:
    """Judge figures by a policy: pure, so that thresholds can be moved and judged again at once."""
    checks = tuple(_checks(figures, policy))
    lacks = list(_lacks(figures, policy))
    failed = [check.message for check in checks if check.outcome is Outcome.FAILED and _is_ripe(check, figures, policy)]
    if failed and len(figures.versions) == 1:
        return Judgement(verdict=Verdict.STOP, reasons=tuple(failed), checks=checks)
    if lacks or not checks:
        reasons = lacks or ["The policy names no threshold, so there is nothing to pass."]
        return Judgement(verdict=Verdict.NOT_YET, reasons=tuple(reasons), checks=checks)
    open_ones = [check.message for check in checks if check.outcome is Outcome.INCONCLUSIVE]
    if open_ones:
        return Judgement(verdict=Verdict.CONTINUE, reasons=tuple(open_ones), checks=checks)
    return Judgement(verdict=Verdict.PROMOTE, reasons=tuple(check.message for check in checks), checks=checks)


def _is_ripe(check: Check, figures: Figures, policy: ShadowPolicy) -> bool:
    """Return whether enough pairs stand behind a check to stop for it; failures need no valid pairs to show."""
    return (figures.pairs if check.name == _ERROR_RATE else figures.valid_pairs) >= policy.min_pairs


def _lacks(figures: Figures, policy: ShadowPolicy) -> Iterator[str]:
    """Yield what is missing before there can be a verdict."""
    if not figures.pairs:
        yield "The log has no pairs."
        return
    if any(None in (pair.champion, pair.candidate) for pair in figures.versions):
        yield "The log does not say of every pair which versions it compares."
    if any(pair.champion == pair.candidate is not None for pair in figures.versions):
        yield "The log compares a version with itself."
    if len(figures.versions) > 1:
        yield f"The log mixes {len(figures.versions)} pairs of versions; choose a champion and a candidate."
    needed = max(1, policy.min_pairs)
    if figures.valid_pairs < needed:
        yield f"{figures.valid_pairs} of {figures.pairs} pairs are valid, and {needed} are needed."
    if figures.days < policy.min_days:
        days = f"{figures.days} day{'' if figures.days == 1 else 's'}"
        yield f"Valid pairs span {days}, and {policy.min_days} are needed."
    unread = figures.coverage.unread
    if len(unread) > policy.max_unread_files:
        more = f" and {len(unread) - 1} more" if len(unread) > 1 else ""
        yield f"What stands in {unread[0]}{more} could not be read, and {policy.max_unread_files or 'none'} may pass."


def _checks(figures: Figures, policy: ShadowPolicy) -> Iterator[Check]:
    if policy.max_error_rate is not None:
        observed = figures.failures["candidate"].always_valid
        yield _at_most(_ERROR_RATE, "The candidate's failure rate", observed, policy.max_error_rate, "ratio")
    is_regression = figures.task is Task.REGRESSION
    if policy.min_agreement is not None and (not is_regression or "min_agreement" in policy.named):
        observed = figures.agreement.always_valid
        yield _at_least("agreement", "Agreement", observed, policy.min_agreement, "ratio")
    if policy.min_slice_agreement is not None:
        yield _slice_check(figures.slices, policy, policy.min_slice_agreement)
    yield from _regression_checks(figures, policy) if is_regression else _label_checks(figures, policy)
    yield from _latency_checks(figures, policy)
    if policy.max_psi is not None:
        psi = figures.drift.psi
        observed = Interval(estimate=psi, low=psi, high=psi)
        yield _at_most("psi", "The stability index of the scores", observed, policy.max_psi, "")


def _label_checks(figures: Figures, policy: ShadowPolicy) -> Iterator[Check]:
    """Yield what labels say. They come late: few of them carry no verdict, and block one only if they are asked for."""
    change = figures.labels.accuracy_change
    has_labels = figures.labels.labelled >= max(1, policy.min_pairs) and change.estimate is not None
    if policy.max_accuracy_loss is not None and (has_labels or "max_accuracy_loss" in policy.named):
        observed = _negated(change) if has_labels else Interval()
        yield _at_most("accuracy_loss", "The loss of accuracy", observed, policy.max_accuracy_loss, "ratio")


def _slice_check(slices: Sequence[Slice], policy: ShadowPolicy, threshold: float) -> Check:
    """Check the worst slice that is large enough; the error is shared among as many as are looked at.

    One that is large enough but for pairs that are not valid is not known to pass.
    """
    needed = max(1, policy.min_pairs)
    large = [one for one in slices if one.pairs + one.invalid >= needed]
    checks = []
    for one in large:
        is_known = one.pairs >= needed
        observed = always_valid_rate(one.agreeing, one.pairs, alpha=ALPHA / len(large)) if is_known else Interval()
        what = f"Agreement where {one.column} is {'any rarer value' if one.is_rest else repr(one.value)}"
        checks.append(_at_least("slice_agreement", what, observed, threshold, "ratio"))
    if not checks:
        return _at_least("slice_agreement", "Agreement of slices", Interval(), threshold, "ratio")
    severity = {Outcome.FAILED: 0, Outcome.INCONCLUSIVE: 1, Outcome.PASSED: 2}
    return min(checks, key=lambda check: (severity[check.outcome], check.observed.estimate or 0.0))


def _regression_checks(figures: Figures, policy: ShadowPolicy) -> Iterator[Check]:
    """Yield what numbers are held to: their errors or, if few have labels and nobody asked for them, the difference."""
    regression, limit, size = figures.regression, policy.max_mae_increase, policy.max_mean_abs_difference
    has_labels = limit is not None and regression.labelled >= max(1, policy.min_pairs)
    if limit is not None and has_labels:
        observed = _over(regression.error_change, regression.champion_mae)
        yield _at_most("mae_increase", "The growth of the mean absolute error", observed, limit, "ratio")
    elif size is None or "max_mae_increase" in policy.named:
        message = f"{regression.labelled} pairs have a label to measure errors by"
        yield Check(
            name="mae_increase",
            outcome=Outcome.INCONCLUSIVE,
            observed=Interval(),
            threshold=limit or 0.0,
            unit="ratio",
            message=f"{message}, and the policy limits no difference." if size is None else f"{message}, too few.",
        )
    if size is not None:
        observed = figures.difference.mean_abs
        yield _at_most("mean_abs_difference", "The mean size of the difference", observed, size, "")


def _latency_checks(figures: Figures, policy: ShadowPolicy) -> Iterator[Check]:
    champion, candidate = (figures.latency[side] for side in ("champion", "candidate"))
    if policy.max_latency_p99_ms is not None:
        yield _at_most(
            "latency_p99", "The candidate's p99 latency", candidate.p99_interval, policy.max_latency_p99_ms, "ms"
        )
    if policy.max_latency_ratio is not None:
        one, other = candidate.p95_interval, champion.p95_interval
        observed = Interval(
            estimate=_ratio(one.estimate, other.estimate),
            low=_ratio(one.low, other.high),
            high=_ratio(one.high, other.low),
        )
        yield _at_most("latency_ratio", "The ratio of p95 latencies", observed, policy.max_latency_ratio, "ratio")


def _at_most(name: str, what: str, observed: Interval, limit: float, unit: str) -> Check:
    outcome = Outcome.INCONCLUSIVE
    if observed.high is not None and observed.high <= limit:
        outcome = Outcome.PASSED
    elif observed.low is not None and observed.low > limit:
        outcome = Outcome.FAILED
    return _check(name, what, observed, limit, unit, "at most", outcome)


def _at_least(name: str, what: str, observed: Interval, limit: float, unit: str) -> Check:
    outcome = Outcome.INCONCLUSIVE
    if observed.low is not None and observed.low >= limit:
        outcome = Outcome.PASSED
    elif observed.high is not None and observed.high < limit:
        outcome = Outcome.FAILED
    return _check(name, what, observed, limit, unit, "at least", outcome)


def _check(name: str, what: str, observed: Interval, limit: float, unit: str, relation: str, outcome: Outcome) -> Check:
    wanted = f"{relation} {_shown(limit, unit)}"
    if observed.estimate is None:
        message = f"{what} is not known, and has to be {wanted}."
    else:
        bounds = " to ".join("?" if bound is None else _shown(bound, unit) for bound in (observed.low, observed.high))
        verb = _VERBS[outcome]
        message = f"{what} is {_shown(observed.estimate, unit)} ({bounds}): it {verb} {wanted}."
    return Check(name=name, outcome=outcome, observed=observed, threshold=limit, unit=unit, message=message)


def _shown(value: float, unit: str) -> str:
    if unit == "ratio":
        return f"{value:.2%}" if abs(value) <= _WHOLE else f"{value:.2f}"
    return f"{value:.4g} {unit}".strip()


def _negated(interval: Interval) -> Interval:
    return Interval(estimate=_minus(interval.estimate), low=_minus(interval.high), high=_minus(interval.low))


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def _over(interval: Interval, divisor: float | None) -> Interval:
    return Interval(
        estimate=_ratio(interval.estimate, divisor),
        low=_ratio(interval.low, divisor),
        high=_ratio(interval.high, divisor),
    )


def _ratio(value: float | None, divisor: float | None) -> float | None:
    return None if value is None or not divisor else value / divisor
