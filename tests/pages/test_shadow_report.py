"""The page that is taken along holds every figure there is to draw, and nothing of a log becomes HTML."""

from __future__ import annotations

from pathlib import Path

import pytest

from pages.parts.shadow_report import report_html
from services.shadow.judge import judge
from services.shadow.measuring import measure
from services.shadow.policy import ShadowPolicy
from services.shadow.timeline import list_stretches
from tests.shadow.builders import pairs, read, without, write
from tests.shadow.test_measuring import hostile, regression

LATENCIES = ("champion_latency_ms", "candidate_latency_ms")
HOSTILE = "</script><img src=x onerror=alert(1)>"


def report(tmp_path: Path, table: object, title: str = "m") -> str:
    log = tmp_path / "log"
    write(log, table)
    state = read(log)
    figures, policy = measure(state), ShadowPolicy()
    return report_html(title, figures, judge(figures, policy), policy, lambda: list_stretches(state, minutes=60))


def headings(text: str) -> list[str]:
    return [part.partition("</h2>")[0] for part in text.split("<h2>")[1:]]


def test_every_figure_is_drawn_by_one_plotly_that_loads_nothing(tmp_path: Path) -> None:
    text = report(tmp_path, pairs(300))
    drawn = headings(text)
    assert len(drawn) == 8
    for words in ("Agreement with its interval", "Decisions of", "worst first", "Scores", "Differences", "Latencies"):
        assert sum(words in one for one in drawn) == 1
    assert text.count("plotly-graph-div") == 8
    assert "default-src 'none'" in text
    assert "<script src" not in text


@pytest.mark.parametrize(("kind", "count"), [("hostile", 8), ("regression", 5), ("classes", 4), ("empty", 0)])
def test_what_there_is_nothing_of_is_left_out(tmp_path: Path, kind: str, count: int) -> None:
    table = {
        "hostile": hostile(),
        "regression": without(regression(60), *LATENCIES),
        "classes": without(
            pairs(60), "champion_score", "candidate_score", "champion_latency_ms", "candidate_latency_ms"
        ),
        "empty": pairs(0),
    }[kind]
    assert len(headings(report(tmp_path, table))) == count


def test_texts_of_a_log_and_a_title_stay_text(tmp_path: Path) -> None:
    table = pairs(60, slice_shop=[HOSTILE] * 60, candidate_decision=[HOSTILE] * 60)
    text = report(tmp_path, table, title=HOSTILE)
    assert HOSTILE not in text
    assert "<img" not in text.partition("<h1>")[2].partition("<h2>")[0]
