"""What is computed from bins bounds, or is near, what the values themselves give."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from services.shadow.bins import LATENCY_ERROR, atom_of_bin, latency_bin_sql, score_bin_sql
from services.shadow.distributions import (
    Paired,
    jensen_shannon,
    kolmogorov_smirnov,
    latency_quantile,
    latency_quantile_interval,
    pair_up,
    population_stability,
    rank_probability,
)
from services.shadow.statistics import Interval
from tests.shadow.builders import LAW

DATABASE = duckdb.connect()
FEW_SCORES = st.lists(
    st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.3, 0.3001, 1.0]), st.floats(-5, 5)), min_size=1
)


def bins(expression: str, values: np.ndarray) -> np.ndarray:
    with DATABASE.cursor() as connection:
        connection.register("given", pa.table({"x": pa.array(values, pa.float64())}))
        found = connection.sql(f"SELECT {expression} AS bin FROM given").to_arrow_table()
    numbers: np.ndarray = found.column("bin").to_numpy().astype(np.int64)
    return numbers


def paired(champion: np.ndarray, candidate: np.ndarray, *, are_atoms_known: bool = False) -> Paired:
    """Return both in bins; where atoms are known, bins of one value say which."""
    both = np.concatenate([champion, candidate])
    places = bins(score_bin_sql("x"), both)
    is_champion = np.arange(len(both)) < len(champion)
    values = atom_of_bin(places)
    if are_atoms_known:
        for side in (is_champion, ~is_champion):
            for place in np.unique(places[side]):
                inside = both[side & (places == place)]
                if len(set(inside)) == 1:
                    values[side & (places == place)] = inside[0]
    return pair_up(places, values, is_champion, np.ones(len(both), dtype=np.int64))


def smooth(seed: int, rows: int = 20_000, shift: float = 0.0) -> np.ndarray:
    return 1 / (1 + np.exp(-np.random.default_rng(seed).normal(-1 + shift, 1.2, rows)))


def greatest_distance(champion: np.ndarray, candidate: np.ndarray) -> float:
    """Return what `scipy.stats.ks_2samp` has, which warns of samples as small as these."""
    steps = np.concatenate([champion, candidate])
    below = [np.searchsorted(np.sort(side), steps, side="right") / len(side) for side in (champion, candidate)]
    return float(np.abs(below[0] - below[1]).max())


@LAW
@given(FEW_SCORES, FEW_SCORES, st.booleans())
def test_ks_lies_between_its_bounds(champion: list[float], candidate: list[float], are_atoms_known: bool) -> None:
    found = kolmogorov_smirnov(paired(np.array(champion), np.array(candidate), are_atoms_known=are_atoms_known))
    true = greatest_distance(np.array(champion), np.array(candidate))
    assert found.low is not None
    assert found.high is not None
    assert found.low - 1e-12 <= true <= found.high + 1e-12


@LAW
@given(FEW_SCORES, FEW_SCORES, st.booleans())
def test_the_rank_probability_lies_between_its_bounds(
    champion: list[float], candidate: list[float], are_atoms_known: bool
) -> None:
    found = rank_probability(paired(np.array(champion), np.array(candidate), are_atoms_known=are_atoms_known))
    true = stats.mannwhitneyu(candidate, champion).statistic / (len(champion) * len(candidate))
    assert found.low is not None
    assert found.high is not None
    assert found.estimate is not None
    assert found.low - 1e-9 <= true <= found.high + 1e-9
    assert found.low <= found.estimate <= found.high


def test_bounds_of_smooth_scores_are_narrow() -> None:
    champion, candidate = smooth(1), smooth(2, shift=0.1)
    assert greatest_distance(champion, candidate) == pytest.approx(stats.ks_2samp(champion, candidate).statistic)
    both = paired(champion, candidate)
    ks, rank = kolmogorov_smirnov(both), rank_probability(both)
    assert ks.high is not None
    assert ks.low is not None
    assert ks.high - ks.low < 0.01
    assert rank.high is not None
    assert rank.low is not None
    assert rank.high - rank.low < 0.003


def test_a_few_values_are_told_apart_exactly_once_they_are_known() -> None:
    champion, candidate = np.array([0.3] * 7 + [0.8] * 3), np.array([0.3] * 4 + [0.80001] * 6)
    found = kolmogorov_smirnov(paired(champion, candidate, are_atoms_known=True))
    assert [found.low, found.high] == pytest.approx([0.6, 0.6])
    vague = kolmogorov_smirnov(paired(champion, candidate))
    assert [vague.low, vague.high] == pytest.approx([0.3, 0.7])


def test_scores_that_are_all_equal_are_not_apart() -> None:
    same = paired(np.full(9, 0.3), np.full(9, 0.3), are_atoms_known=True)
    assert kolmogorov_smirnov(same) == Interval(low=0.0, high=0.0)
    assert rank_probability(same).estimate == 0.5
    assert population_stability(same) == 0.0
    assert jensen_shannon(same) == 0.0


def test_psi_is_near_that_of_deciles_of_the_values() -> None:
    champion, candidate = smooth(1), smooth(2, shift=0.4)
    edges = np.quantile(champion, np.arange(1, 10) / 10)
    p, q = (np.bincount(np.digitize(side, edges), minlength=10) for side in (champion, candidate))
    p, q = ((side + 0.5) / (side.sum() + 5) for side in (p, q))
    expected = float(np.sum((q - p) * np.log(q / p)))
    assert population_stability(paired(champion, candidate)) == pytest.approx(expected, rel=0.03)


def test_psi_of_the_same_distribution_is_about_its_mean_under_chance() -> None:
    found = [population_stability(paired(smooth(2 * n, 2000), smooth(2 * n + 1, 2000))) for n in range(30)]
    assert np.mean([value for value in found if value is not None]) == pytest.approx(9 * 2 / 2000, rel=0.3)


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_jensen_shannon_is_that_of_32_equal_bins(shift: float) -> None:
    champion, candidate = smooth(1), smooth(2, shift=shift)
    p, q = (np.histogram(side, bins=32, range=(0, 1))[0] for side in (champion, candidate))
    assert jensen_shannon(paired(champion, candidate)) == pytest.approx(jensenshannon(p, q, base=2), rel=1e-9)


def test_jensen_shannon_beyond_0_to_1_takes_the_range_there_is() -> None:
    rng = np.random.default_rng(1)
    champion, candidate = rng.normal(300, 5, 20_000), rng.normal(302, 5, 20_000)
    both = np.concatenate([champion, candidate])
    p, q = (np.histogram(side, bins=32, range=(both.min(), both.max()))[0] for side in (champion, candidate))
    assert jensen_shannon(paired(champion, candidate)) == pytest.approx(jensenshannon(p, q, base=2), rel=0.05)


def test_a_side_without_scores_is_compared_with_nothing() -> None:
    alone = paired(np.array([0.5]), np.array([]))
    assert kolmogorov_smirnov(alone) == rank_probability(alone) == Interval()
    assert population_stability(alone) is None
    assert jensen_shannon(alone) is None


@LAW
@given(st.lists(st.floats(0.001, 1e6), min_size=1), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_is_within_one_percent_of_the_true_one(latencies: list[float], quantile: float) -> None:
    places, pairs = np.unique(bins(latency_bin_sql("x"), np.array(latencies)), return_counts=True)
    true = float(np.quantile(latencies, quantile))
    assert latency_quantile(places, pairs, quantile) == pytest.approx(true, rel=LATENCY_ERROR * (1 + 1e-9))


def test_the_interval_of_a_quantile_covers_it() -> None:
    rng = np.random.default_rng(2)
    true = float(stats.lognorm(0.5, scale=np.exp(2)).ppf(0.95))
    covered = 0
    for _ in range(200):
        places, pairs = np.unique(bins(latency_bin_sql("x"), rng.lognormal(2, 0.5, 400)), return_counts=True)
        found = latency_quantile_interval(places, pairs, 0.95)
        covered += found.low is not None and found.high is not None and found.low <= true <= found.high
    assert covered / 200 >= 0.94


def test_a_handful_of_latencies_bounds_no_high_quantile() -> None:
    places, pairs = np.unique(bins(latency_bin_sql("x"), np.array([1.0, 2.0, 3.0])), return_counts=True)
    assert latency_quantile_interval(places, pairs, 0.99).high is None
    assert latency_quantile_interval(places, pairs, 0.01).low is None
    none = np.array([], dtype=np.int64)
    assert latency_quantile(none, none, 0.5) is None
    assert latency_quantile_interval(none, none, 0.5) == Interval()
