"""Figures are what the rows themselves give, whatever the rows are."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import precision_score, recall_score
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.proportion import proportion_confint

from services.errors import InvalidInput
from services.shadow.bins import LATENCY_ERROR
from services.shadow.figures import Basis, Task
from services.shadow.slicing import rank_surely_worst
from services.shadow.statistics import Interval, mcnemar
from tests.shadow.builders import (
    HOSTILE_TEXTS,
    INF,
    NAN,
    empty_pairs,
    figures,
    figures_of,
    frame,
    pairs,
    valid_rows,
    without,
    write,
    write_days,
)

SIDES = ("champion", "candidate")


def hostile(rows: int = 600) -> pa.Table:
    """Return pairs of which many are wrong in one way or another."""
    rng = np.random.default_rng(8)
    columns: dict[str, Any] = {}
    for side in SIDES:
        score = rng.random(rows).astype(object)
        odd = [NAN, INF, -INF, None, 0.0, -0.0, 1.0, -0.5, 3.5, 1e200, -1e308]
        score[rng.random(rows) < 0.2] = None
        for row in np.flatnonzero(rng.random(rows) < 0.2):
            score[row] = odd[row % len(odd)]
        columns[f"{side}_score"] = pa.array(score.tolist(), pa.float64())
        decision = rng.choice(["allow", "block", "review"], rows).astype(object)
        decision[rng.random(rows) < 0.05] = None
        columns[f"{side}_decision"] = pa.array(decision.tolist(), pa.string())
        latency = rng.lognormal(2, 1, rows).astype(object)
        for row in np.flatnonzero(rng.random(rows) < 0.2):
            latency[row] = [NAN, INF, -1.0, 0.0, None][row % 5]
        columns[f"{side}_latency_ms"] = pa.array(latency.tolist(), pa.float32())
        columns[f"{side}_error"] = pa.array(
            [["TimeoutError", "", None, None, None][row % 5] if rng.random() < 0.3 else None for row in range(rows)]
        )
    columns["label"] = pa.array([["allow", "block", None, "review"][row % 4] for row in range(rows)])
    columns["slice_text"] = pa.array([HOSTILE_TEXTS[row % len(HOSTILE_TEXTS)] for row in range(rows)])
    return pairs(rows, **columns)


def without_blank_errors(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**{f"{side}_error": table[f"{side}_error"].replace("", None) for side in SIDES})


@pytest.fixture(params=["plain", "hostile"])
def table(request: pytest.FixtureRequest) -> pa.Table:
    return pairs(800) if request.param == "plain" else hostile()


def test_pairs_agreement_and_flow(tmp_path: Path, table: pa.Table) -> None:
    found = figures_of(tmp_path, table)
    valid = valid_rows(without_blank_errors(frame(table)))
    agreeing = int((valid.champion_decision == valid.candidate_decision).sum())
    low, high = proportion_confint(agreeing, len(valid), method="wilson")
    assert (found.pairs, found.valid_pairs) == (table.num_rows, len(valid))
    assert (found.agreement.agreeing, found.agreement.wilson.estimate) == (agreeing, agreeing / len(valid))
    assert [found.agreement.wilson.low, found.agreement.wilson.high] == pytest.approx([low, high])
    flow = valid.groupby(["champion_decision", "candidate_decision"]).size()
    assert {(a, b): n for a, row in found.flow.items() for b, n in row.items()} == flow.to_dict()


def test_what_is_not_valid_is_counted_by_its_reason(tmp_path: Path) -> None:
    table = pairs(
        12,
        champion_error=["boom", "boom", None, *[None] * 9],
        candidate_error=[None, "boom", "boom", *[None] * 9],
        champion_score=pa.array([0.1] * 3 + [INF, -INF, NAN, 1e101, None, 0.1, 0.1, 0.1, 0.1]),
        candidate_score=pa.array([0.1] * 4 + [INF, NAN, 0.1, 0.1, None, 0.1, 0.1, 0.1]),
        candidate_decision=pa.array(["a"] * 9 + [None, "a", "a"]),
        champion_decision=pa.array(["a"] * 10 + [None, "a"]),
    )
    more = pairs(20, seed=2)
    found = figures_of(tmp_path, pa.concat_tables([table, more]))
    assert found.invalid == {
        "both_error": 1,
        "both_infinite_score": 1,
        "both_nan_score": 1,
        "candidate_error": 1,
        "candidate_missing": 2,
        "champion_error": 1,
        "champion_infinite_score": 2,
        "champion_missing": 2,
    }
    assert sum(found.invalid.values()) + found.valid_pairs == found.pairs == 32
    assert (found.failures["champion"].errors, found.failures["champion"].unusable) == (2, 6)
    assert (found.failures["candidate"].errors, found.failures["candidate"].unusable) == (2, 4)


def test_score_differences(tmp_path: Path, table: pa.Table) -> None:
    found = figures_of(tmp_path, table).difference
    valid = valid_rows(without_blank_errors(frame(table)))
    difference = valid.candidate_score - valid.champion_score
    assert found.pairs == len(valid)
    assert found.mean.estimate == pytest.approx(difference.mean(), rel=1e-9, abs=1e-12)
    assert found.mean_abs.estimate == pytest.approx(difference.abs().mean(), rel=1e-9)
    assert found.max_abs == difference.abs().max()


def test_distances_of_the_scores(tmp_path: Path, table: pa.Table) -> None:
    found = figures_of(tmp_path, table)
    valid = valid_rows(without_blank_errors(frame(table)))
    ks = stats.ks_2samp(valid.champion_score, valid.candidate_score).statistic
    assert found.drift.ks.low is not None
    assert found.drift.ks.high is not None
    assert found.drift.ks.low - 1e-12 <= ks <= found.drift.ks.high + 1e-12
    rank = stats.mannwhitneyu(valid.candidate_score, valid.champion_score).statistic / len(valid) ** 2
    assert found.drift.rank.low is not None
    assert found.drift.rank.high is not None
    assert found.drift.rank.low - 1e-12 <= rank <= found.drift.rank.high + 1e-12
    assert found.drift.psi is not None
    assert found.drift.psi >= 0
    assert found.drift.js is not None
    assert 0 <= found.drift.js <= 1


def test_latencies_and_errors(tmp_path: Path, table: pa.Table) -> None:
    found = figures_of(tmp_path, table)
    rows = without_blank_errors(frame(table))
    for side in SIDES:
        latency = table.column(f"{side}_latency_ms").to_pylist()
        sound = [value for value in latency if value is not None and 0 <= value <= 1e12]
        measured = found.latency[side]
        assert (measured.timed, measured.missing) == (len(sound), latency.count(None))
        assert measured.timed + measured.missing + measured.unsound == len(latency)
        for percent, value in ((50, measured.p50), (95, measured.p95), (99, measured.p99)):
            assert value == pytest.approx(np.percentile(sound, percent), rel=LATENCY_ERROR * 1.001)
        assert found.failures[side].errors == rows[f"{side}_error"].notna().sum()
        assert found.failures[side].error_rate.estimate == found.failures[side].errors / found.pairs


def test_slices_are_worst_first_with_their_intervals(tmp_path: Path, table: pa.Table) -> None:
    found = figures_of(tmp_path, table).slices
    valid = valid_rows(without_blank_errors(frame(table)))
    for column in ("slice_country", "slice_text") if "slice_text" in table.column_names else ("slice_country",):
        for value, group in valid.groupby(column):
            (one,) = [each for each in found if (each.column, each.value) == (column, value)]
            agreeing = int((group.champion_decision == group.candidate_decision).sum())
            low, high = proportion_confint(agreeing, len(group), method="wilson")
            assert (one.pairs, one.rate) == (len(group), agreeing / len(group))
            assert [one.low, one.high] == pytest.approx([low, high])
            difference = (group.candidate_score - group.champion_score).mean()
            assert one.mean_difference == pytest.approx(difference, rel=1e-9, abs=1e-12)
    rates = [one.rate for one in found if one.rate is not None]
    assert rates == sorted(rates)
    assert sum(one.pairs + one.invalid for one in found if one.column == "slice_country") == table.num_rows


def test_who_is_right(tmp_path: Path, table: pa.Table) -> None:
    found = figures_of(tmp_path, table)
    valid = valid_rows(without_blank_errors(frame(table)))
    labelled = valid[valid.label.notna()]
    right = {side: labelled[f"{side}_decision"] == labelled.label for side in SIDES}
    b, c = (right["champion"] & ~right["candidate"]).sum(), (~right["champion"] & right["candidate"]).sum()
    assert found.mcnemar is not None
    assert (found.mcnemar.b, found.mcnemar.c, found.mcnemar_basis) == (b, c, Basis.LABELS)
    assert found.mcnemar.p == pytest.approx(statsmodels_mcnemar([[0, b], [c, 0]], exact=True).pvalue)
    assert found.labels.labelled == len(labelled)
    assert found.labels.champion_accuracy.estimate == pytest.approx(right["champion"].mean())
    assert found.labels.candidate_accuracy.estimate == pytest.approx(right["candidate"].mean())
    assert found.labels.accuracy_change.estimate == pytest.approx((c - b) / len(labelled))


def test_the_area_under_the_curve_is_bounded_by_the_bins(tmp_path: Path) -> None:
    table = pairs(3000)
    found = figures_of(tmp_path, table).labels
    rows = frame(table)
    assert found.positive == "block"
    for side in SIDES:
        scores = [rows[f"{side}_score"][rows.label == label].to_numpy() for label in ("block", "allow")]
        auc = stats.mannwhitneyu(scores[0], scores[1]).statistic / (len(scores[0]) * len(scores[1]))
        area = found.auc[side]
        assert area.low is not None
        assert area.high is not None
        assert area.low <= auc <= area.high
        assert area.high - area.low < 0.01


@pytest.mark.parametrize("words", [("allow", "block"), ("good", "bad")])
def test_the_positive_label_is_the_one_that_scores_higher(tmp_path: Path, words: tuple[str, str]) -> None:
    scores = np.linspace(0, 1, 100)
    labels = [words[int(score > 0.6)] for score in scores]
    table = pairs(100, champion_score=scores, candidate_score=1 - scores, label=labels)
    found = figures_of(tmp_path, table).labels
    assert found.positive == words[1]
    assert found.auc["champion"].estimate == pytest.approx(1.0, abs=0.01)
    assert found.auc["candidate"].estimate == pytest.approx(0.0, abs=0.01)


def test_days_of_one_label_each_still_give_a_curve(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for day, label in (("2026-03-01", "allow"), ("2026-03-02", "block")):
        write(log, pairs(50, day=day, label=[label] * 50), day=day)
    assert set(figures(log).labels.auc) == set(SIDES)


def test_more_than_two_labels_have_no_curve(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for day, labels in (
        ("2026-03-01", ["allow", "block"] * 25),
        ("2026-03-02", ["allow", "review", "block", "x", "y"] * 10),
    ):
        write(log, pairs(50, day=day, label=labels), day=day)
    assert figures(log).labels.auc == {}
    assert figures_of(tmp_path / "odd", pairs(2, label=["a\n", "b"])).labels.auc == {}


def test_labels_in_other_words_than_decisions_do_not_say_who_is_right(tmp_path: Path) -> None:
    found = figures_of(tmp_path, pairs(200, label=["0", "1"] * 100))
    assert found.labels.labelled == 200
    assert found.labels.champion_accuracy == Interval()
    assert found.mcnemar_basis is Basis.DECISIONS
    assert found.mcnemar is not None
    assert found.mcnemar.b == found.flow["allow"].get("block", 0)
    assert found.mcnemar.c == found.flow["block"].get("allow", 0)


def test_several_classes_have_a_flow_kappa_and_homogeneity(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    champion = rng.choice(list("abcd"), 500)
    candidate = np.where(rng.random(500) < 0.8, champion, rng.choice(list("abcd"), 500))
    none = pa.nulls(500, pa.float64())
    table = pairs(
        500,
        champion_decision=champion.astype(object),
        candidate_decision=candidate.astype(object),
        champion_score=none,
        candidate_score=none,
        label=champion.astype(object),
    )
    found = figures_of(tmp_path, table)
    assert found.task is Task.MULTICLASS
    assert found.valid_pairs == 500
    assert found.kappa is not None
    assert 0.5 < found.kappa < 0.9
    assert found.homogeneity is not None
    assert found.homogeneity.degrees == 3
    assert found.labels.champion_accuracy.estimate == 1.0
    assert found.difference.pairs == 0
    assert found.scores is None


def test_a_class_model_whose_scores_are_nan_is_a_class_model(tmp_path: Path) -> None:
    found = figures_of(tmp_path, pairs(50, champion_score=[NAN] * 50, candidate_score=[NAN] * 50))
    assert found.valid_pairs == 50
    assert found.invalid == {}


def regression(rows: int = 400, **columns: object) -> pa.Table:
    rng = np.random.default_rng(6)
    target = rng.normal(300, 20, rows)
    none = pa.nulls(rows, pa.string())
    return pairs(
        rows,
        **{
            "champion_score": target + rng.normal(0, 4, rows),
            "candidate_score": target + rng.normal(0, 3, rows),
            "champion_decision": none,
            "candidate_decision": none,
            "label": [str(value) for value in target],
            **columns,
        },
    )


def test_a_regression_has_figures_of_its_own(tmp_path: Path) -> None:
    table = regression()
    found, rows = figures_of(tmp_path, table), frame(regression())
    target, change = rows.label.astype(float), rows.candidate_score - rows.champion_score
    assert found.task is Task.REGRESSION
    assert found.valid_pairs == 400
    assert found.flow == {}
    assert found.agreement.agreeing == (change.abs() <= 0.01 * rows.champion_score.abs()).sum()
    assert found.regression.champion_mae == pytest.approx((rows.champion_score - target).abs().mean(), rel=1e-9)
    assert found.regression.candidate_mae == pytest.approx((rows.candidate_score - target).abs().mean(), rel=1e-9)
    rmse = math.sqrt(((rows.candidate_score - target) ** 2).mean())
    assert found.regression.candidate_rmse == pytest.approx(rmse, rel=1e-9)
    assert found.regression.error_change.high is not None
    assert found.regression.error_change.high < 0
    assert found.difference.mean.estimate == pytest.approx(change.mean(), rel=1e-9)
    expected = stats.pearsonr(rows.champion_score, rows.candidate_score).statistic
    assert found.difference.correlation == pytest.approx(expected, rel=1e-9)
    assert found.drift.ks.low is not None
    ks = stats.ks_2samp(rows.champion_score, rows.candidate_score).statistic
    assert found.drift.ks.high is not None
    assert found.drift.ks.low <= ks <= found.drift.ks.high
    assert found.drift.ks.high - found.drift.ks.low < 0.05
    labels = rows.label.astype(float)
    misses = [(rows[f"{side}_score"] - labels).abs() for side in ("champion", "candidate")]
    assert found.mcnemar == mcnemar(int((misses[0] < misses[1]).sum()), int((misses[1] < misses[0]).sum()))
    assert found.mcnemar_basis is Basis.ERRORS


def test_a_regression_is_sliced_by_its_own_agreement(tmp_path: Path) -> None:
    rows = frame(regression())
    found = figures_of(tmp_path, regression()).slices
    near = (rows.candidate_score - rows.champion_score).abs() <= 0.01 * rows.champion_score.abs()
    expected = near.groupby(rows.slice_country).agg(["sum", "count"])
    assert {one.value: (one.agreeing, one.pairs) for one in found} == {
        value: (row["sum"], row["count"]) for value, row in expected.iterrows()
    }


@pytest.mark.parametrize("label", ["nan", "inf", "", "abc", "1_000", "0x1F", "1e999", "1d", "1 2"])
def test_labels_that_are_no_numbers_are_no_targets(tmp_path: Path, label: str) -> None:
    found = figures_of(tmp_path, regression(4, label=[label, "1.5", "-2e1", "+3"]))
    assert found.regression.labelled == 3


def test_a_few_odd_pairs_do_not_change_what_a_prediction_is(tmp_path: Path) -> None:
    decisions = pa.array([*[None] * 398, "a", "b"], pa.string())
    found = figures_of(tmp_path, regression(champion_decision=decisions, candidate_decision=decisions))
    assert found.task is Task.REGRESSION
    assert found.invalid == {"unlike_the_rest": 2}
    scores = pa.array([0.5, *[None] * 49], pa.float64())
    classes = figures_of(tmp_path / "other", pairs(50, champion_score=scores, candidate_score=scores))
    assert (classes.valid_pairs, classes.difference.pairs) == (50, 1)


def test_sides_that_answer_differently_cannot_be_compared(tmp_path: Path) -> None:
    found = figures_of(
        tmp_path,
        pairs(5, champion_decision=pa.nulls(5, pa.string()), candidate_score=pa.nulls(5, pa.float64())),
    )
    assert found.task is Task.UNKNOWN
    assert (found.valid_pairs, found.invalid) == (0, {"unlike_the_rest": 5})
    assert found.agreement.wilson == Interval()


@pytest.mark.parametrize(
    "table",
    [
        empty_pairs(),
        pairs(1),
        pairs(1, champion_score=[NAN], candidate_score=[NAN]),
        pairs(
            30,
            champion_score=[0.3] * 30,
            candidate_score=[0.3] * 30,
            champion_decision=["a"] * 30,
            candidate_decision=["a"] * 30,
        ),
        pairs(3, champion_error=["x"] * 3, candidate_error=["y"] * 3),
        without(pairs(3), "label", "slice_country", "champion_latency_ms", "candidate_latency_ms", "ts", "request_id"),
    ],
    ids=["empty", "one row", "one NaN", "all equal", "all failed", "bare"],
)
def test_there_are_figures_of_next_to_nothing(tmp_path: Path, table: pa.Table) -> None:
    found = figures_of(tmp_path, table)
    assert found.pairs == table.num_rows
    assert found.valid_pairs + sum(found.invalid.values()) == found.pairs


def test_scores_with_nan_are_found_out_though_the_file_says_they_lie_between_0_and_1(tmp_path: Path) -> None:
    scores = np.linspace(0.1, 0.9, 100)
    scores[[3, 50]] = NAN
    table = pairs(100, candidate_score=pa.array(scores), candidate_latency_ms=pa.array(scores, pa.float32()))
    found = figures_of(tmp_path, table)
    assert found.invalid == {"candidate_nan_score": 2}
    assert found.latency["candidate"].unsound == 2
    assert found.difference.mean.estimate is not None
    assert math.isfinite(found.difference.mean.estimate)


def test_days_are_those_with_valid_pairs(tmp_path: Path) -> None:
    log = write_days(tmp_path / "log", days=3, rows=20)
    write(log, pairs(5, day="2026-03-09", candidate_error=["x"] * 5), day="2026-03-09")
    found = figures(log)
    assert found.days == 3
    assert found.last_at is not None
    assert found.last_at.day == 9


def test_one_pair_of_versions_can_be_chosen(tmp_path: Path) -> None:
    log = tmp_path / "log"
    versions = pa.array([3, 3, 5, None], pa.int64())
    write(log, pairs(4, champion_version=versions))
    assert len(figures(log).versions) == 3
    assert figures(log, champion=3).pairs == 2
    assert figures(log, champion=5, candidate=4).pairs == 1
    assert figures(log, champion=9).pairs == 0


def test_slices_can_be_chosen_by_name_with_or_without_the_prefix(tmp_path: Path) -> None:
    log = tmp_path / "log"
    write(log, pairs(30, slice_device=["ios", "web", None] * 10))
    assert {one.column for one in figures(log).slices} == {"slice_country", "slice_device"}
    for by in ("device", "slice_device"):
        assert {one.value for one in figures(log, by=by).slices} == {"ios", "web", None}
    assert {one.value for one in figures(log, by="label").slices} == {"allow", "block"}
    assert sum(one.agreeing for one in figures(log, by="champion_decision").slices) == figures(log).agreement.agreeing
    with pytest.raises(InvalidInput, match="'colour'"):
        figures(log, by="colour")


def test_an_empty_log_has_no_slices_to_choose_from(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    assert figures(tmp_path / "log", by="colour").slices == ()


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 300), st.integers(0, 10**6))
def test_identical_models_agree_in_everything(tmp_path_factory: pytest.TempPathFactory, rows: int, seed: int) -> None:
    table = pairs(rows, seed=seed)
    same = {f"candidate_{name}": table.column(f"champion_{name}") for name in ("score", "decision", "latency_ms")}
    found = figures_of(tmp_path_factory.mktemp("same"), pairs(rows, seed=seed, **same))
    assert found.agreement.wilson.estimate == 1.0
    assert (found.difference.max_abs, found.drift.psi, found.drift.js) == (0.0, 0.0, 0.0)
    assert found.drift.ks.low == 0.0
    assert found.drift.rank.estimate == pytest.approx(0.5)
    assert found.latency["champion"].p99 == found.latency["candidate"].p99
    assert found.mcnemar is not None
    assert (found.mcnemar.p, found.mcnemar.e_value) == (1.0, 1.0)


def test_a_regression_without_labels_is_asked_who_says_less(tmp_path: Path) -> None:
    found, rows = figures_of(tmp_path, without(regression(), "label")), frame(regression())
    change = rows.candidate_score - rows.champion_score
    assert found.mcnemar == mcnemar(int((change < 0).sum()), int((change > 0).sum()))
    assert found.mcnemar_basis is Basis.DIFFERENCES


def test_labels_of_a_regression_that_are_no_numbers_are_counted(tmp_path: Path) -> None:
    table = regression(6, label=["1.5", "1,5", "NaN", None, "", "inf"])
    found = figures_of(tmp_path, table)
    assert (found.regression.labelled, found.regression.unread_labels) == (1, 4)


def test_each_class_has_its_recall_and_precision(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    names = np.array(["cat", "dog", "bird"], dtype=object)
    columns: dict[str, Any] = {
        name: names[rng.integers(0, 3, 300)] for name in ("champion_decision", "candidate_decision", "label")
    }
    columns["label"][::7] = None
    table = without(pairs(300, **columns), "champion_score", "candidate_score")
    found, rows = figures_of(tmp_path, table), frame(table)
    told = rows[rows.label.notna()]
    assert [one.label for one in found.labels.classes] == told.label.value_counts().index.tolist()
    for one in found.labels.classes:
        assert one.labelled == (told.label == one.label).sum()
        for side in ("champion", "candidate"):
            decided = told[f"{side}_decision"]
            recall = recall_score(told.label, decided, labels=[one.label], average=None)[0]
            precision = precision_score(told.label, decided, labels=[one.label], average=None)[0]
            assert (one.recall[side].estimate, one.precision[side].estimate) == pytest.approx((recall, precision))


def test_a_class_that_nobody_decides_has_no_precision(tmp_path: Path) -> None:
    found = figures_of(tmp_path, pairs(40, label=["never"] * 20 + ["allow"] * 20))
    (never,) = (one for one in found.labels.classes if one.label == "never")
    assert (never.recall["candidate"].estimate, never.precision["candidate"]) == (0.0, Interval())


def test_slices_that_surely_agree_least_come_first(tmp_path: Path) -> None:
    decisions = ["allow"] * 100 + ["block"] * 201
    table = pairs(
        301,
        champion_decision=["allow"] * 301,
        candidate_decision=decisions,
        slice_country=["US"] * 50 + ["DE"] * 250 + ["XX"],
    )
    slices = figures_of(tmp_path, table).slices
    assert [one.value for one in slices] == ["XX", "DE", "US"]
    assert [one.value for one in rank_surely_worst(slices)] == ["DE", "XX", "US"]
