"""How both versions behave: their scores, latencies and failures, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app import ui
from pages.parts.shadow_charts import difference_chart, latency_chart, score_chart
from pages.parts.shadow_decisions import show_tests
from pages.parts.shadow_verdict import interval_words
from services.shadow.answers import SIDES
from services.shadow.figures import Figures, Task
from services.shadow.statistics import Interval
from services.shadow.timeline import Stretch


def show_distributions(figures: Figures) -> None:
    """Draw both distributions, that of the difference, and how far they are apart."""
    theme = ui.palette().theme
    scores, differences = score_chart(figures, theme), difference_chart(figures, theme)
    if scores is None:
        ui.empty_state("No scores", "Neither version gives a number here.", icon="bar_chart")
        return
    ui.show_chart(scores, key="scores")
    ui.section("Difference of the scores")
    if differences is not None:
        ui.show_chart(differences, key="differences")
    difference, drift = figures.difference, figures.drift
    pairs = [
        (
            "Mean difference, at every look",
            f"{ui.figure(difference.mean.estimate, digits=4)} ({_bounds(difference.mean)})",
        ),
        (
            "Mean size, at every look",
            f"{ui.figure(difference.mean_abs.estimate, digits=4)} ({_bounds(difference.mean_abs)})",
        ),
        ("Largest", ui.figure(difference.max_abs, digits=4)),
        ("Stability index (PSI)", ui.figure(drift.psi, digits=4)),
        ("Kolmogorov and Smirnov's distance", _bounds(drift.ks)),
        ("Jensen and Shannon's distance", ui.figure(drift.js, digits=4)),
        ("Chance that the candidate scores higher", f"{ui.figure(drift.rank.estimate)} ({_bounds(drift.rank)})"),
    ]
    if difference.correlation is not None:
        pairs.append(("Correlation", ui.figure(difference.correlation)))
    ui.key_values(pairs, alt="How far the scores are apart")
    _against_labels(figures)
    if figures.task is Task.REGRESSION:
        show_tests(figures)


def show_latency_and_errors(figures: Figures, stretches: tuple[Stretch, ...]) -> None:
    """Draw latencies and failures of both, as they are spread and over time."""
    ui.data_table(
        [
            {
                "version": side,
                "p50": latency.p50,
                "p95": latency.p95,
                "p99": latency.p99,
                "interval": interval_words(latency.p99_interval, unit="ms"),
                "timed": latency.timed,
                "untimed": latency.missing + latency.unsound,
                "errors": failures.errors,
                "unusable": failures.unusable,
                "rate": failures.error_rate.estimate,
                "rate_interval": interval_words(failures.error_rate, unit="ratio"),
            }
            for side, latency in figures.latency.items()
            for failures in [figures.failures[side]]
        ],
        [
            ui.Column(name="version", label="Version"),
            *(
                ui.Column(name=name, label=f"{name} ms", kind=ui.Kind.NUMBER, format="%.1f")
                for name in ("p50", "p95", "p99")
            ),
            ui.Column(name="interval", label="p99 lies in"),
            ui.Column(name="rate", label="Error rate", kind=ui.Kind.NUMBER, format="percent"),
            ui.Column(name="rate_interval", label="It lies in"),
            ui.Column(name="errors", label="Errors", kind=ui.Kind.NUMBER, format="localized"),
            ui.Column(name="unusable", label="Unusable", kind=ui.Kind.NUMBER, format="localized"),
            ui.Column(name="timed", label="Timed", kind=ui.Kind.NUMBER, format="localized"),
            ui.Column(name="untimed", label="Without a time", kind=ui.Kind.NUMBER, format="localized"),
        ],
        key="sides",
        alt="Latency and errors of both versions",
    )
    theme = ui.palette().theme
    latencies = latency_chart(figures, theme)
    if latencies is None:
        ui.empty_state("No latencies", "The log has none; `gatehouse shadow replay --timed` measures them.")
    else:
        ui.show_chart(latencies, key="latencies")
    for title, chart in charts_over_time(stretches, theme).items():
        ui.section(title)
        ui.show_chart(chart, key=title)


def charts_over_time(stretches: Sequence[Stretch], theme: ui.Theme) -> dict[str, ui.Chart]:
    """Return errors and mean latency of both versions over time, by what they are called."""
    known = [stretch for stretch in stretches if stretch.pairs]
    if not known:
        return {}
    charts = {
        "Errors over time": _lines(
            known, "errors", {side: [_rate(stretch, side) for stretch in known] for side in SIDES}, theme
        )
    }
    means = {side: [getattr(stretch, f"{side}_latency_ms") for stretch in known] for side in SIDES}
    if any(value is not None for values in means.values() for value in values):
        charts["Mean latency over time, in ms"] = _lines(known, "latency", means, theme)
    return charts


def _rate(stretch: Stretch, side: str) -> float:
    errors = stretch.champion_errors if side == "champion" else stretch.candidate_errors
    return errors / stretch.pairs


def _lines(
    stretches: Sequence[Stretch], what: str, values: Mapping[str, Sequence[float | None]], theme: ui.Theme
) -> ui.Chart:
    return ui.line_chart(
        [
            ui.Line(name=side, x=tuple(stretch.start for stretch in stretches), y=tuple(found))
            for side, found in values.items()
        ],
        alt=f"{what.capitalize()} of both versions over time",
        y_format=".2%" if what == "errors" else ".3~g",
        is_from_zero=True,
        theme=theme,
    )


def _against_labels(figures: Figures) -> None:
    labels, regression = figures.labels, figures.regression
    pairs = []
    if labels.labelled:
        accuracy = {"Champion": labels.champion_accuracy, "Candidate": labels.candidate_accuracy}
        pairs += [
            (f"{side}'s accuracy", f"{ui.figure(found.estimate, unit='%')} ({interval_words(found, unit='ratio')})")
            for side, found in accuracy.items()
            if found.estimate is not None
        ]
        pairs += [
            (f"{side.capitalize()}'s area under the curve, of {ui.md(labels.positive)}", _bounds(area))
            for side, area in labels.auc.items()
        ]
    if regression.labelled:
        pairs += [
            ("Champion's mean and root mean square error", _errors(regression.champion_mae, regression.champion_rmse)),
            (
                "Candidate's mean and root mean square error",
                _errors(regression.candidate_mae, regression.candidate_rmse),
            ),
            ("Change of the mean error, at every look", _bounds(regression.error_change)),
        ]
    if pairs:
        ui.section(f"Against {ui.count(max(labels.labelled, regression.labelled), 'label')}")
        ui.key_values(pairs, alt="Both versions against what turned out to be true")


def _errors(mean: float | None, squared: float | None) -> str:
    return f"{ui.figure(mean)}, {ui.figure(squared)}"


def _bounds(interval: Interval) -> str:
    return interval_words(interval)
