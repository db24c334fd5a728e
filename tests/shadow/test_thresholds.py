"""Decisions under other thresholds are those that the rows themselves give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from services.errors import InvalidInput
from services.shadow.bins import GRID
from services.shadow.thresholds import decide_again
from tests.shadow.builders import LAW, figures_of, frame, pairs, valid_rows
from tests.shadow.test_measuring import hostile, regression

ACTIONS = ("block", "review", "check", "allow")
# Every hundredth as people write it, what lies next to it, and whatever else a model may say.
SCORES = st.one_of(
    st.integers(0, GRID).map(lambda number: number / GRID),
    st.integers(0, GRID).map(lambda number: float(np.nextafter(number / GRID, 1))),
    st.floats(0, 1),
    st.floats(-3, 3),
)
CUTS = st.lists(st.integers(1, GRID), min_size=0, max_size=3, unique=True).map(
    lambda cuts: dict(
        zip(ACTIONS[3 - len(cuts) :], [*(cut / GRID for cut in sorted(cuts, reverse=True)), 0.0], strict=True)
    )
)


def decide(scores: Sequence[float], thresholds: dict[str, float]) -> list[str]:
    return [next((action for action, least in thresholds.items() if score >= least), "allow") for score in scores]


@LAW
@given(st.lists(st.tuples(SCORES, SCORES), min_size=1, max_size=30), CUTS)
def test_a_score_takes_the_strictest_action_whose_threshold_it_reaches(
    scores: list[tuple[float, float]], thresholds: dict[str, float]
) -> None:
    # Nearer below a hundredth than a float is exact, a score may count as having reached it.
    scores = [pair for pair in scores if all(not 0 < -score * GRID % 1 < 1e-8 for score in pair)]
    if not scores:
        return
    champion, candidate = zip(*scores, strict=True)
    with TemporaryDirectory() as folder:
        table = pairs(
            len(scores),
            champion_score=pa.array(champion, pa.float64()),
            candidate_score=pa.array(candidate, pa.float64()),
        )
        grid = figures_of(Path(folder), table).grid
    assert grid is not None
    found = decide_again(grid, thresholds)
    expected = list(zip(decide(champion, thresholds), decide(candidate, thresholds), strict=True))
    assert found.pairs == len(scores)
    assert found.flow == {one: {other: expected.count((one, other)) for other in thresholds} for one in thresholds}


@pytest.mark.parametrize("table", [pairs(800), hostile()], ids=["plain", "hostile"])
def test_agreement_and_shares_are_over_all_pairs_with_two_scores(tmp_path: Path, table: pa.Table) -> None:
    grid = figures_of(tmp_path, table).grid
    assert grid is not None
    found = decide_again(grid, {"block": 0.61, "allow": 0.0})
    cleaned = table
    for side in ("champion", "candidate"):
        column = frame(table)[f"{side}_error"].replace("", None)
        cleaned = cleaned.set_column(
            cleaned.column_names.index(f"{side}_error"), f"{side}_error", pa.array(column, pa.string())
        )
    rows = valid_rows(frame(cleaned))
    blocks = {side: rows[f"{side}_score"] >= 0.61 for side in ("champion", "candidate")}
    agreeing = int((blocks["champion"] == blocks["candidate"]).sum())
    low, high = proportion_confint(agreeing, len(rows), method="wilson")
    assert found.pairs == len(rows)
    agreement = found.agreement
    assert [agreement.estimate, agreement.low, agreement.high] == pytest.approx([agreeing / len(rows), low, high])
    for side in ("champion", "candidate"):
        assert found.shares[side]["block"] == pytest.approx(blocks[side].mean())
        assert sum(share or 0 for share in found.shares[side].values()) == pytest.approx(1)


def test_thresholds_are_applied_as_whole_hundredths_the_strictest_first(tmp_path: Path) -> None:
    grid = figures_of(tmp_path, pairs(10)).grid
    assert grid is not None
    assert list(decide_again(grid, {"allow": 0, "block": 0.876}).thresholds.items()) == [("block", 0.88), ("allow", 0)]


@pytest.mark.parametrize("thresholds", [{}, {"block": 1.2}, {"block": float("nan")}, {"block": -0.1, "allow": 0}])
def test_what_is_no_threshold_is_refused(tmp_path: Path, thresholds: dict[str, float]) -> None:
    grid = figures_of(tmp_path, pairs(10)).grid
    assert grid is not None
    with pytest.raises(InvalidInput, match="threshold"):
        decide_again(grid, thresholds)


def test_a_log_without_scores_has_no_grid_and_one_of_a_regression_has(tmp_path: Path) -> None:
    nothing = pa.array([None] * 20, pa.float64())
    assert figures_of(tmp_path / "a", pairs(20, champion_score=nothing, candidate_score=nothing)).grid is None
    grid = figures_of(tmp_path / "b", regression(20)).grid
    assert grid is not None
    assert grid.sum() == 20
