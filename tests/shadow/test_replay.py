"""A replay scores every row with both versions, chunk by chunk, and can be taken up wherever it was cut off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.errors import Blocked, Conflict, InvalidInput, NotFound
from services.jobs.confinement import Ending
from services.jobs.model_runner import ModelRunner
from services.jobs.probe import Predictions, RunFailure
from services.shadow.figures import Task
from services.shadow.replay import ReplayedVersion, ReplayOptions, ReplayReport, replay
from services.shadow.replay_data import Described
from services.shadow.replay_notes import Outputs, find_notes
from tests.conftest import FakeClock
from tests.jobs.models import write_model
from tests.shadow.builders import figures, frame

CHAMPION, CANDIDATE = ReplayedVersion(version=3, folder=Path("3")), ReplayedVersion(version=4, folder=Path("4"))
BOTH_ERRORS = "The model broke."

Model = Callable[[pd.DataFrame], Any]


@dataclass
class Models:
    """A scorer that runs plain functions; what it was asked is kept."""

    champion: Model = lambda data: data["a"].astype(float)
    candidate: Model = lambda data: data["a"].astype(float) + 0.05
    asked: list[tuple[str, int]] = field(default_factory=list)
    columns: list[list[str]] = field(default_factory=list)

    def predict(self, model_folder: Path, data: Path, out: Path, **options: Any) -> Predictions | RunFailure:
        table = pd.read_csv(data)
        self.asked.append((model_folder.name, len(table)))
        self.columns.append(list(table.columns))
        if options["is_cancelled"]():
            return RunFailure(ending=Ending.CANCELLED, reason="The run was cancelled.", stderr="")
        try:
            answers = (self.champion if model_folder.name == "3" else self.candidate)(table)
        except ZeroDivisionError:
            return RunFailure(ending=Ending.CRASHED, reason=BOTH_ERRORS, stderr="")
        rows = len(answers)
        options["progress"](rows)
        is_text = not np.issubdtype(np.asarray(answers).dtype, np.number)
        pq.write_table(
            pa.table(
                {
                    "score": pa.nulls(rows, pa.float64()) if is_text else pa.array(np.asarray(answers, dtype=float)),
                    "label": pa.array(list(answers), pa.string()) if is_text else pa.nulls(rows, pa.string()),
                    "latency_ms": pa.array([2.5] * rows, pa.float32())
                    if options["singly"]
                    else pa.nulls(rows, pa.float32()),
                    "error": pa.nulls(rows, pa.string()),
                }
            ),
            out,
        )
        return Predictions(rows=rows, failed_rows=0)


def write_data(folder: Path, rows: int = 10, **columns: Any) -> Path:
    path = folder / "data.csv"
    pd.DataFrame({"a": np.linspace(0.01, 0.91, rows), **columns}).to_csv(path, index=False)
    return path


def run(tmp_path: Path, scorer: Models, data: Path | None = None, **options: Any) -> ReplayReport:
    described = {name: options.pop(name) for name in ("label", "slices") if name in options}
    control = {name: options.pop(name) for name in ("progress", "is_cancelled", "clock") if name in options}
    return replay(
        CHAMPION,
        CANDIDATE,
        data or write_data(tmp_path),
        tmp_path / "log",
        scorer=scorer,
        options=ReplayOptions(described=Described(**described), **{"chunk_rows": 4, **options}),
        **control,
    )


def written(tmp_path: Path) -> pd.DataFrame:
    paths = sorted((tmp_path / "log").rglob("part-*.parquet"))
    return frame(*(pq.read_table(path) for path in paths)).sort_values("request_id", ignore_index=True)


def test_every_row_is_scored_by_both_versions_in_chunks(tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    models = Models()
    report = run(tmp_path, models, outputs=Outputs.SCORES, progress=lambda done, total: told.append((done, total)))
    assert report == ReplayReport(rows=10, resumed_rows=0, champion_errors=0, candidate_errors=0, is_complete=True)
    assert models.asked == [("3", 4), ("4", 4), ("3", 4), ("4", 4), ("3", 2), ("4", 2)]
    assert [total for _done, total in told] == [10] * len(told)
    assert [done for done, _total in told] == [0, 2, 4, 4, 6, 8, 8, 9, 10, 10]
    found = figures(tmp_path / "log")
    assert (found.pairs, found.task) == (10, Task.REGRESSION)
    assert found.difference.mean.estimate == pytest.approx(0.05)
    assert [(pair.champion, pair.candidate) for pair in found.versions] == [(3, 4)]


def test_what_describes_a_request_is_taken_over_and_kept_from_the_models(tmp_path: Path) -> None:
    data = write_data(
        tmp_path,
        4,
        request_id=list("wxyz"),
        ts=["2026-03-01", "2026-03-02", "2026-03-02", "2026-03-03"],
        truth=[1, 0, 1, 0],
        country=["DE", "FR", "DE", "FR"],
    )
    models = Models()
    run(tmp_path, models, data, label="truth", slices=("country",), threshold=0.5)
    assert models.columns[0] == ["a", "country"]
    rows = written(tmp_path)
    assert rows.request_id.tolist() == list("wxyz")
    assert rows.label.tolist() == ["positive", "negative", "positive", "negative"]
    assert rows.slice_country.tolist() == ["DE", "FR", "DE", "FR"]
    assert sorted(path.name for path in (tmp_path / "log").iterdir() if path.is_dir()) == [
        "dt=2026-03-01",
        "dt=2026-03-02",
        "dt=2026-03-03",
    ]


def test_a_threshold_decides_and_labels_speak_its_words(tmp_path: Path) -> None:
    run(tmp_path, Models(), threshold=0.5, chunk_rows=100)
    rows = written(tmp_path)
    assert (rows.champion_decision == np.where(rows.champion_score >= 0.5, "positive", "negative")).all()
    assert (rows.candidate_decision == np.where(rows.candidate_score >= 0.5, "positive", "negative")).all()


@pytest.mark.parametrize(
    ("answers", "outputs", "decision", "score"),
    [
        (lambda data: (data["a"] > 0.5).astype(int), None, ["0", "1"], [None]),
        (lambda data: (data["a"] > 0.5).astype(int), Outputs.SCORES, [None], [0.0, 1.0]),
        (lambda data: ["hi" if a > 0.5 else "lo" for a in data["a"]], None, ["hi", "lo"], [None]),
    ],
)
def test_numbers_are_classes_where_all_are_whole_unless_told_otherwise(
    tmp_path: Path, answers: Model, outputs: Outputs | None, decision: list[str | None], score: list[float | None]
) -> None:
    run(tmp_path, Models(champion=answers, candidate=answers), outputs=outputs)
    rows = written(tmp_path)
    assert sorted(rows.champion_decision.dropna().unique()) == [each for each in decision if each]
    assert sorted(rows.champion_score.dropna().unique()) == [each for each in score if each is not None]


def test_rows_without_an_id_or_a_time_have_ones_that_stay_the_same(tmp_path: Path, clock: FakeClock) -> None:
    run(tmp_path, Models(), clock=clock)
    rows = written(tmp_path)
    assert rows.request_id.is_unique
    assert set(rows.ts) == {pd.Timestamp(clock.now)}


def test_rows_of_which_some_have_no_id_keep_those_there_are(tmp_path: Path) -> None:
    run(tmp_path, Models(), write_data(tmp_path, 6, request_id=["x", None, "y", None, None, "z"]))
    found = written(tmp_path).request_id
    assert {"x", "y", "z"} < set(found)
    assert found.is_unique


def test_latencies_are_written_only_where_each_row_was_timed(tmp_path: Path) -> None:
    (tmp_path / "timed").mkdir()
    run(tmp_path, Models())
    assert written(tmp_path).champion_latency_ms.isna().all()
    run(tmp_path / "timed", Models(), is_timed=True)
    assert (written(tmp_path / "timed").champion_latency_ms == 2.5).all()


def test_a_replay_that_was_cut_off_goes_on_after_the_last_whole_chunk(tmp_path: Path) -> None:
    data = write_data(tmp_path)
    models = Models()
    report = run(tmp_path, models, data, is_cancelled=lambda: len(models.asked) >= 3)
    assert (report.rows, report.is_complete) == (4, False)
    again = Models()
    report = run(tmp_path, again, data)
    assert report == ReplayReport(rows=10, resumed_rows=4, champion_errors=0, candidate_errors=0, is_complete=True)
    assert again.asked == [("3", 4), ("4", 4), ("3", 2), ("4", 2)]
    assert figures(tmp_path / "log").pairs == 10
    done = Models()
    assert run(tmp_path, done, data).resumed_rows == 10
    assert done.asked == []


def test_a_chunk_that_was_written_but_not_noted_is_written_again_and_counts_once(tmp_path: Path) -> None:
    data = write_data(tmp_path)
    run(tmp_path, Models(), data)
    notes = find_notes(tmp_path / "log")
    assert notes is not None
    del notes.chunks[1]
    notes.is_complete = False
    notes.save()
    assert run(tmp_path, Models(), data).resumed_rows == 6
    found = figures(tmp_path / "log")
    assert (found.pairs, found.coverage.duplicates) == (10, 0)


@pytest.mark.parametrize("change", [{"threshold": 0.5}, {"is_timed": True}, {"data": True}])
def test_another_replay_needs_another_folder(tmp_path: Path, change: dict[str, Any]) -> None:
    data = write_data(tmp_path)
    run(tmp_path, Models(), data)
    if change.pop("data", False):
        data.write_text("a\n0.5\n")
    with pytest.raises(Conflict, match="other data, versions or options"):
        run(tmp_path, Models(), data, **change)


def test_two_replays_into_one_folder_do_not_meet(tmp_path: Path) -> None:
    data = write_data(tmp_path)
    refused: list[str] = []

    def meets(table: pd.DataFrame) -> Any:
        with pytest.raises(Conflict) as caught:
            run(tmp_path, Models(), data)
        refused.append(caught.value.message)
        return table["a"].astype(float)

    report = run(tmp_path, Models(champion=meets), data, outputs=Outputs.SCORES)
    assert (report.rows, report.is_complete) == (10, True)
    assert refused == [f"Another process is replaying into {tmp_path / 'log'}."] * 3
    assert figures(tmp_path / "log").pairs == 10
    assert run(tmp_path, Models(), data, outputs=Outputs.SCORES).resumed_rows == 10


def test_a_replay_that_was_killed_before_it_noted_anything_can_be_begun_again(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / ".writing-0123").write_text("{")
    (tmp_path / "log" / ".replay.lock").touch()
    assert run(tmp_path, Models()).rows == 10


def test_a_folder_in_which_nothing_was_replayed_takes_another_replay(tmp_path: Path) -> None:
    def breaks(data: pd.DataFrame) -> Any:
        raise ZeroDivisionError

    with pytest.raises(Blocked):
        run(tmp_path, Models(champion=breaks, candidate=breaks))
    assert run(tmp_path, Models(), threshold=0.5).rows == 10


def test_a_folder_with_a_chunk_that_was_not_noted_takes_no_other_replay(tmp_path: Path) -> None:
    run(tmp_path, Models())
    notes = find_notes(tmp_path / "log")
    assert notes is not None
    notes.chunks.clear()
    notes.save()
    with pytest.raises(Conflict, match="other data, versions or options"):
        run(tmp_path, Models(), threshold=0.5)


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "letter").write_text("mine")
    with pytest.raises(Conflict, match="holds something already"):
        run(tmp_path, Models())
    assert [path.name for path in (tmp_path / "log").iterdir()] == ["letter"]
    (tmp_path / "log" / ".replay.json").write_text("{")
    with pytest.raises(Conflict, match="damaged"):
        run(tmp_path, Models())


def test_a_version_that_breaks_has_errors_and_both_breaking_ends_it(tmp_path: Path) -> None:
    def breaks(data: pd.DataFrame) -> Any:
        raise ZeroDivisionError

    report = run(tmp_path, Models(candidate=breaks), outputs=Outputs.SCORES)
    assert (report.champion_errors, report.candidate_errors) == (0, 10)
    assert set(written(tmp_path).candidate_error) == {BOTH_ERRORS}
    (tmp_path / "both").mkdir()
    with pytest.raises(Blocked, match="Both versions fail on every row: The model broke"):
        run(tmp_path / "both", Models(champion=breaks, candidate=breaks))


def test_a_model_that_loses_rows_is_wrong_on_all_of_them(tmp_path: Path) -> None:
    report = run(tmp_path, Models(candidate=lambda data: data["a"].to_numpy()[1:]), outputs=Outputs.SCORES)
    assert report.candidate_errors == 10


def test_data_that_is_not_there_or_empty_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        run(tmp_path, Models(), tmp_path / "nowhere.csv")
    (tmp_path / "empty.csv").write_text("a\n")
    with pytest.raises(InvalidInput, match="no rows"):
        run(tmp_path, Models(), tmp_path / "empty.csv")


def test_real_models_are_replayed_in_the_sandbox(tmp_path: Path) -> None:
    source = (
        "\nclass Model:\n    def predict(self, data):\n        return (data['a'] * {0} + data['b']).to_numpy() / 2\n"
    )
    folders = [write_model(tmp_path / name, source.format(factor)) for name, factor in (("3", 1.0), ("4", 1.2))]
    data = tmp_path / "data.parquet"
    pq.write_table(pa.table({"a": np.linspace(0, 1, 50), "b": np.linspace(1, 0, 50), "label": [1, 0] * 25}), data)
    champion, candidate = (ReplayedVersion(version=version, folder=folder) for version, folder in enumerate(folders, 3))
    options = ReplayOptions(threshold=0.55, is_timed=True)
    report = replay(champion, candidate, data, tmp_path / "log", scorer=ModelRunner(), options=options)
    assert (report.rows, report.champion_errors, report.candidate_errors) == (50, 0, 0)
    found = figures(tmp_path / "log")
    assert found.difference.mean.estimate == pytest.approx(0.05)
    assert found.latency["candidate"].timed == 50
    assert found.labels.labelled == 50
    assert found.labels.champion_accuracy.estimate == 0.5
