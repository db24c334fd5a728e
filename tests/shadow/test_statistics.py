"""Statistics hold against the libraries' own direct computation, and always-valid ones hold at every look."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import SquareTable
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import proportion_confint

from services.shadow.statistics import (
    ALPHA,
    Homogeneity,
    Interval,
    always_valid_change,
    always_valid_mean,
    always_valid_rate,
    correlation,
    kappa,
    mcnemar,
    stuart_maxwell,
    wilson,
    wilson_bounds,
)
from tests.shadow.builders import LAW

LOOKS = 1000
COUNTS = st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)).filter(any)


@LAW
@given(COUNTS)
def test_wilson_is_what_statsmodels_has(counts: tuple[int, int]) -> None:
    successes, total = counts[0], sum(counts)
    found = wilson(successes, total)
    low, high = proportion_confint(successes, total, method="wilson")
    assert (found.estimate, found.low, found.high) == pytest.approx((successes / total, low, high), abs=1e-15)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= successes / total <= found.high <= 1


def test_without_data_nothing_is_known() -> None:
    assert wilson(0, 0) == always_valid_rate(0, 0) == Interval()
    assert always_valid_mean(0, 0.0, 0.0, tightest_at=1000) == Interval()
    assert correlation(0, [0.0] * 5) is None
    assert kappa([[0, 0], [0, 0]]) is None


def test_many_rates_at_once_are_as_one_by_one() -> None:
    successes, totals = np.array([0.0, 3.0, 9.0, 0.0]), np.array([5.0, 5.0, 9.0, 0.0])
    low, high = wilson_bounds(successes, totals)
    for index in range(3):
        one = wilson(int(successes[index]), int(totals[index]))
        assert (low[index], high[index]) == (pytest.approx(one.low), pytest.approx(one.high))
    assert math.isnan(low[3])
    assert math.isnan(high[3])
    assert wilson_bounds(np.array([0.0]), np.array([0.0]))[0].tolist() == pytest.approx([math.nan], nan_ok=True)


@LAW
@given(COUNTS)
def test_the_always_valid_interval_holds_the_rate_and_wilson_more_tightly(counts: tuple[int, int]) -> None:
    found = always_valid_rate(counts[0], sum(counts))
    assert found.low is not None
    assert found.high is not None
    assert found.estimate is not None
    assert 0 <= found.low <= found.estimate <= found.high <= 1
    once = wilson(counts[0], sum(counts))
    assert once.low is not None
    assert once.high is not None
    assert found.low <= once.low + 1e-9
    assert found.high >= once.high - 1e-9


@pytest.mark.parametrize("rate", [0.002, 0.1, 0.5, 0.97])
def test_an_always_valid_rate_covers_at_all_looks_at_once(rate: float) -> None:
    rng = np.random.default_rng(5)
    paths = np.cumsum(rng.random((400, LOOKS)) < rate, axis=1)
    looks = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 1000]
    missed = sum(any(not _covers(always_valid_rate(int(path[n - 1]), n), rate) for n in looks) for path in paths)
    assert missed / len(paths) <= ALPHA + 0.02


@LAW
@given(st.integers(0, 2000), st.integers(0, 2000))
def test_mcnemar_is_exact(b: int, c: int) -> None:
    found = mcnemar(b, c)
    expected = statsmodels_mcnemar([[0, b], [c, 0]], exact=True).pvalue if b + c else 1.0
    assert found.p == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_the_e_value_is_the_mixture_of_the_binomial() -> None:
    found = mcnemar(60, 30)
    prior = stats.beta(50, 50)
    grid = (np.arange(20_000) + 0.5) / 20_000
    mixture = np.mean(prior.pdf(grid) * grid**60 * (1 - grid) ** 30) / 0.5**90
    assert found.e_value == pytest.approx(mixture, rel=1e-6)


def test_the_e_value_of_a_flood_is_still_a_number() -> None:
    assert math.isfinite(mcnemar(10**7, 0).e_value)
    assert mcnemar(0, 0).e_value == 1.0


def test_looking_a_thousand_times_deceives_plain_mcnemar_and_not_the_e_value() -> None:
    rng = np.random.default_rng(3)
    plain = always = 0
    for _ in range(100):
        b = np.cumsum(rng.random(LOOKS) < 0.5)
        looks = np.arange(1, LOOKS + 1)
        p = 2 * np.asarray(stats.binom.cdf(np.minimum(b, looks - b), looks, 0.5))
        plain += bool((p <= ALPHA)[20:].any())
        always += any(mcnemar(int(b[n]), int(n + 1 - b[n])).e_value >= 1 / ALPHA for n in range(49, LOOKS, 50))
    assert plain > 25
    assert always <= 5


def test_homogeneity_is_stuart_and_maxwells() -> None:
    table = [[20, 3, 4], [1, 30, 9], [2, 2, 29]]
    found = stuart_maxwell(table)
    expected = SquareTable(np.array(table), shift_zeros=False).homogeneity()
    assert found is not None
    assert [found.statistic, found.p, found.degrees] == pytest.approx([expected.statistic, expected.pvalue, 2])


def test_classes_that_both_always_agree_on_change_nothing() -> None:
    assert stuart_maxwell([[20, 3, 0], [1, 30, 0], [0, 0, 7]]) == stuart_maxwell([[20, 3], [1, 30]])


def test_perfect_agreement_is_perfectly_homogeneous() -> None:
    assert stuart_maxwell([[5, 0], [0, 5]]) == Homogeneity(statistic=0.0, degrees=0, p=1.0)
    assert stuart_maxwell([[5]]) == Homogeneity(statistic=0.0, degrees=0, p=1.0)


def test_classes_that_fall_apart_cannot_be_tested_together() -> None:
    assert stuart_maxwell([[9, 2, 0, 0], [1, 9, 0, 0], [0, 0, 9, 3], [0, 0, 1, 9]]) is None


def test_the_counts_of_the_caller_are_left_alone() -> None:
    table = np.array([[5, 1], [2, 5]], dtype=np.float64)
    stuart_maxwell(table)  # type: ignore[arg-type]
    assert table.tolist() == [[5, 1], [2, 5]]


def test_kappa_is_cohens() -> None:
    table = [[45, 15, 2], [25, 15, 1], [0, 3, 8]]
    assert kappa(table) == pytest.approx(cohens_kappa(table).kappa)
    assert kappa([[7, 0], [0, 0]]) is None


def test_an_always_valid_mean_covers_at_all_looks_at_once() -> None:
    rng = np.random.default_rng(9)
    missed = 0
    for _ in range(300):
        values = rng.exponential(1.0, LOOKS) - 1.0
        total, squared = np.cumsum(values), np.cumsum(values**2)
        missed += any(
            not _covers(always_valid_mean(n, total[n - 1], squared[n - 1], tightest_at=LOOKS), 0.0)
            for n in range(50, LOOKS + 1, 25)
        )
    assert missed / 300 <= ALPHA + 0.02


@pytest.mark.parametrize("rate", [0.0005, 0.003, 0.01, 0.05])
def test_a_change_that_is_rare_is_covered_at_all_looks_at_once(rate: float) -> None:
    rng = np.random.default_rng(7)
    looks = np.unique(np.geomspace(500, 30_000, 60).astype(int))
    steps = np.diff(looks, prepend=0)
    lost = np.cumsum(rng.binomial(steps, rate, size=(300, len(steps))), axis=1)
    missed = plain = 0
    for path in lost.tolist():
        seen = list(zip(looks.tolist(), path, strict=True))
        missed += not all(_covers(always_valid_change(n, b, 0, tightest_at=1000), -rate) for n, b in seen)
        plain += not all(_covers(always_valid_mean(n, -b, b, tightest_at=1000), -rate) for n, b in seen)
    assert missed / len(lost) <= ALPHA + 0.02
    assert plain > missed


@LAW
@given(st.integers(30, 10**6), st.floats(0, 1), st.floats(0, 1))
def test_a_change_lies_in_its_interval_and_that_between_minus_one_and_one(
    count: int, differing: float, share: float
) -> None:
    some = round(count * differing)
    b = round(some * share)
    found = always_valid_change(count, b, some - b, tightest_at=1000)
    assert found.low is not None
    assert found.high is not None
    assert -1 <= found.low <= (some - 2 * b) / count <= found.high <= 1


@pytest.mark.parametrize("count", [1, 2, 29])
def test_a_handful_of_values_has_a_mean_and_no_interval(count: int) -> None:
    assert always_valid_mean(count, 2.0 * count, 4.0 * count, tightest_at=10) == Interval(estimate=2.0)
    assert always_valid_change(count, 0, count, tightest_at=10) == Interval(estimate=1.0)


def test_values_that_are_all_equal_have_an_interval_of_no_width() -> None:
    found = always_valid_mean(40, 40 * 0.1, 40 * 0.1**2, tightest_at=10)
    assert found.low == pytest.approx(0.1, abs=1e-7)
    assert found.high == pytest.approx(0.1, abs=1e-7)


def test_correlation_is_pearsons() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(100, 5, 500)
    d = rng.normal(1, 2, 500) - 0.3 * (x - 100)
    sums = [x.sum(), (x * x).sum(), d.sum(), (d * d).sum(), (x * d).sum()]
    assert correlation(500, sums) == pytest.approx(stats.pearsonr(x, x + d).statistic, rel=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e6])
def test_a_constant_correlates_with_nothing(offset: float) -> None:
    d = np.array([0.1, 0.2, 0.3])
    x = np.full(3, offset)
    assert correlation(3, [x.sum(), (x * x).sum(), d.sum(), (d * d).sum(), (x * d).sum()]) is None
    y = x + np.array([1.0, 2.0, 3.0])
    back = -np.array([1.0, 2.0, 3.0])
    assert correlation(3, [y.sum(), (y * y).sum(), back.sum(), (back**2).sum(), (y * back).sum()]) is None


def _covers(interval: Interval, value: float) -> bool:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low <= value <= interval.high
