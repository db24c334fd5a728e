"""States merge: those of parts make those of the whole, however rows are dealt out; and they survive being kept."""

from __future__ import annotations

import io
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.shadow.building import Extent, build_state
from services.shadow.folding import fold_texts, fold_values
from services.shadow.log_files import FilePlan, list_log_files, read_plan
from services.shadow.reading import read_log
from services.shadow.states import LAYOUTS, ShadowState, merge, read_state, shape, write_state
from tests.shadow.builders import (
    DUCKDB,
    HOSTILE_TEXTS,
    INF,
    LAW,
    NAN,
    assert_same,
    empty_pairs,
    pairs,
    read,
    without_atoms,
    write,
    write_days,
)

NUMBERS = st.one_of(
    st.none(),
    st.sampled_from([NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 1e308, 5e-324]),
    st.floats(0, 1),
    st.floats(-50, 50),
)
TEXTS = st.one_of(st.none(), st.sampled_from([*HOSTILE_TEXTS, "allow", "block"]))
ERRORS = st.sampled_from([None, None, None, "", "TimeoutError: slow"])
VERSIONS = st.sampled_from([1, 2, None])
ROWS = st.fixed_dictionaries(
    {
        "ts": st.one_of(
            st.none(), st.integers(-(2**60), 2**60), st.integers(1_772_000_000_000_000, 1_772_900_000_000_000)
        ),
        "champion_version": VERSIONS,
        "candidate_version": st.just(2),
        **{
            f"{side}_{name}": values
            for side in ("champion", "candidate")
            for name, values in (("score", NUMBERS), ("decision", TEXTS), ("latency_ms", NUMBERS), ("error", ERRORS))
        },
        "label": st.one_of(TEXTS, st.sampled_from(["1", "2.5", "-1e3", "nan", "1e999", "0x10"])),
        "slice_a": TEXTS,
        "slice_b": TEXTS,
    }
)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    """Return hostile rows as a table of the log's own types."""
    fields = [
        *(pa.field(field.name, field.type) for field in empty_pairs().schema if field.name != "request_id"),
        *(pa.field(f"slice_{letter}", pa.string()) for letter in "ab"),
    ]
    columns = {}
    for field in fields:
        values = [row[field.name] for row in rows]
        if field.name.endswith("_ms"):
            values = [None if value is None else float(_single(value)) for value in values]
        columns[field.name] = pa.array(values, field.type)
    columns["request_id"] = pa.array([f"r{index}" for index in range(len(rows))])
    return pa.table(columns)


@pytest.mark.long
@LAW
@given(st.lists(ROWS, max_size=40), st.integers(0, 40))
def test_states_of_a_split_merge_into_the_state_of_the_whole(rows: list[dict[str, Any]], cut: int) -> None:
    whole = table(rows)
    with TemporaryDirectory() as folder:
        write(Path(folder, "one"), whole)
        write(Path(folder, "two"), whole.slice(0, cut), day="2026-03-01")
        write(Path(folder, "two"), whole.slice(cut), day="2026-03-02")
        one, two = (
            read_log(Path(folder, name), engine=DUCKDB, home=Path(folder, "home")).state for name in ("one", "two")
        )
        assert_same(without_atoms(one), without_atoms(two))
        assert sum(one.cells.column("pairs").to_pylist()) == len(rows)
        assert sum(one.minutes.column("pairs").to_pylist()) == len(rows)


@settings(deadline=None, max_examples=10)
@given(st.lists(ROWS, min_size=1, max_size=30))
def test_a_state_that_was_kept_is_the_state_that_was_made(rows: list[dict[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        write(Path(folder, "log"), table(rows))
        state = read_log(Path(folder, "log"), engine=DUCKDB, home=Path(folder, "home")).state
    file = io.BytesIO()
    write_state(file, state, {"told": "ü"})
    file.seek(0)
    again, header = read_state(file)
    assert_same(state, again)
    assert header == {"told": "ü"}


def test_merging_nothing_is_empty() -> None:
    assert all(getattr(merge([]), name).num_rows == 0 for name in LAYOUTS)


def test_merging_does_not_depend_on_the_order(tmp_path: Path) -> None:
    first, second = (read(write_days(tmp_path / name, 1), tmp_path / "home").state for name in "ab")
    assert_same(merge([first, second]), merge([second, first]))


@pytest.mark.parametrize("bytes_kept", [0, 4, 11, 40, 300, -1])
def test_a_state_that_is_cut_short_is_none(tmp_path: Path, bytes_kept: int) -> None:
    file = io.BytesIO()
    write_state(file, read(write_days(tmp_path / "log", 1)).state, {})
    with pytest.raises(ValueError, match="state"):
        read_state(io.BytesIO(file.getvalue()[:bytes_kept]))


def test_a_state_of_another_layout_is_none(tmp_path: Path) -> None:
    state = read(write_days(tmp_path / "log", 1)).state
    other = ShadowState(
        cells=state.cells.rename_columns([f"{name}_" for name in state.cells.column_names]),
        slices=state.slices,
        numbers=state.numbers,
        histograms=state.histograms,
        minutes=state.minutes,
    )
    file = io.BytesIO()
    write_state(file, other, {})
    file.seek(0)
    with pytest.raises(ValueError, match="state"):
        read_state(file)


def test_slices_are_the_same_whether_grouped_together_or_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, pairs(3000, slice_city=[f"city {row % 40}" for row in range(3000)]))
    ((file,), _) = list_log_files(tmp_path)
    plan = read_plan(file)
    assert isinstance(plan, FilePlan)
    states = []
    for least in (1_000_000, -1):
        monkeypatch.setattr("services.shadow.building._MIN_VARIETY", least)
        monkeypatch.setattr("services.shadow.building._HEAD_ROWS", 3)
        with DUCKDB.open([plan], plan.slices, is_distinct=False) as relation:
            states.append(build_state(relation, Extent(rows=3000, slices=plan.slices, versions=(3, 4))))
    assert_same(*states)
    assert states[0].slices.num_rows >= 43


def test_versions_are_the_same_whether_known_beforehand_or_not(tmp_path: Path) -> None:
    write(tmp_path / "known", pairs(500))
    write(tmp_path / "unknown", pairs(500), write_statistics=False)
    assert_same(read(tmp_path / "known").state, read(tmp_path / "unknown").state)


def test_too_many_texts_are_folded_and_stay_in_every_total(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.shadow.folding.MAX_CELLS", 2)
    decisions = ["a"] * 5 + ["b"] * 3 + ["c", "d"]
    cells = shape(
        "cells",
        pa.table(
            {
                "champion_version": [1] * 10,
                "champion_decision": decisions,
                "candidate_decision": decisions,
                "is_rest": [False] * 10,
                "pairs": [1] * 10,
                "agreeing": [1] * 10,
                "difference_most": [float(row) for row in range(10)],
            }
        ),
    )
    folded = fold_texts(cells).to_pylist()
    assert [(row["champion_decision"], row["pairs"], row["is_rest"]) for row in folded] == [
        ("a", 5, False),
        ("b", 3, False),
        (None, 2, True),
    ]
    assert folded[-1]["difference_most"] == 9.0
    assert sum(row["agreeing"] for row in folded) == 10


def test_the_most_frequent_values_of_a_slice_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.shadow.folding.MAX_SLICE_VALUES", 2)
    table = shape(
        "slices",
        pa.table({"slice": ["s"] * 4, "value": ["a", "b", None, "c"], "is_rest": [False] * 4, "pairs": [1, 9, 5, 2]}),
    )
    folded = {(row["value"], row["is_rest"]): row["pairs"] for row in fold_values("slices", table).to_pylist()}
    assert folded == {("b", False): 9, (None, False): 5, (None, True): 3}


def test_a_log_of_unique_texts_keeps_its_states_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.shadow.folding.MAX_CELLS", 50)
    monkeypatch.setattr("services.shadow.folding.MAX_SLICE_VALUES", 50)
    unique = [f"only once {row}" for row in range(4000)]
    write(tmp_path, pairs(4000, label=unique, slice_who=unique, champion_decision=unique))
    state = read(tmp_path, tmp_path / "home").state
    assert state.cells.num_rows <= 52
    assert state.slices.num_rows <= 60
    assert sum(state.cells.column("pairs").to_pylist()) == 4000


def _single(value: float) -> float:
    """Return a float that a 32-bit column can hold."""
    return value if not math.isfinite(value) or abs(value) < 1e38 else math.copysign(3e38, value)
